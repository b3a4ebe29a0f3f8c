"""CLEAR: two views of a sentence, each with most of its words or some of its spans gone, moved or both."""

from __future__ import annotations

from torch import nn

from counterpoint.heads import projection
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import InfoNCE, Objective
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences import distilcse, simcse
from counterpoint.testbeds import Trained, Untrained
from counterpoint.testbeds.figures import spearman
from counterpoint.testbeds.texts import LIKENESS, SENTENCES, alignment_of_like
from counterpoint.testbeds.transfer import transfer
from counterpoint.training import TrainConfig
from counterpoint.views import TextView, chained
from counterpoint.views.words import deletion, reordering, span_deletion

TEMPERATURE, SHARE, MARK = 0.1, 0.7, "[DEL]"
"""Of NT-Xent; of the words that are deleted; what stands for each run of them."""


def head(width: int) -> nn.Module:
    """One hidden layer, in training only."""
    return projection(width, hidden=(width,))


def loss() -> Objective:
    """NT-Xent: both views are anchors, all views of other sentences negatives."""
    return InfoNCE(TEMPERATURE, layout="views")


def clear() -> Recipe:
    """Wu et al. 2020, with words deleted in both views: what is best there for the likeness of sentences."""
    train = TrainConfig(epochs=1, batch_size=64, learning_rate=3e-5, schedule="linear", warmup=0.0)
    view = TextView(deletion(SHARE, mark=MARK))
    stage = Stage(loss, train, head=head, view=view)
    return Recipe("CLEAR", (stage,), Takes("text"), adapt=simcse.cls_with_dropout)


def spans() -> Recipe:
    """Five spans of a twentieth are deleted."""
    return clear().varied("CLEAR, del-span", view=TextView(span_deletion(mark=MARK)))


def words_and_order() -> Recipe:
    """Words are deleted, then five pairs of spans change places."""
    return clear().varied("CLEAR, del-word and reorder", view=TextView(chained(deletion(SHARE, MARK), reordering())))


def spans_and_order() -> Recipe:
    """Spans are deleted, then five pairs of spans change places."""
    view = TextView(chained(span_deletion(mark=MARK), reordering()))
    return clear().varied("CLEAR, del-span and reorder", view=view)


def unchanged() -> Recipe:
    """Both views are the sentence as it is, and dropout the only difference."""
    return clear().varied("CLEAR without augmentation", view=None)


system(
    "CLEAR",
    title="CLEAR: Contrastive Learning for Sentence Representation",
    year=2020,
    family="sentences",
    mechanism="tests/systems/test_clear.py::test_loss_is_that_of_a_naive_loop_over_both_views",
    variants={
        "CLEAR, del-span": spans,
        "CLEAR, del-word and reorder": words_and_order,
        "CLEAR, del-span and reorder": spans_and_order,
    },
    claims=(
        Claim(
            "Contrasted views make a language model's sentence vectors better features",
            transfer,
            "the language model as it is",
            SENTENCES,
            Untrained(clear),
            off=Trained(unchanged),
            ceiling=distilcse.CEILING,
            floors=(),
        ),
        Claim(
            "They tell better how alike sentences are",
            spearman,
            "the language model as it is",
            SENTENCES,
            Untrained(clear),
            off=Trained(unchanged),
            ceiling=simcse.CEILING,
            floors=("raw",),
        ),
        Claim(
            "For likeness deleted words are the better augmentation",
            spearman,
            "deleted spans that are reordered",
            SENTENCES,
            Trained(spans_and_order),
            ceiling=simcse.CEILING,
        ),
    ),
    signal=Signal(alignment_of_like, off=Trained(unchanged)),
    sample=LIKENESS,
    setup="Masked language modelling, which the paper trains with the contrast at equal weights and from random "
    "weights, is left out: the contrast alone goes on from the first layer of SmolLM2, a language model. So the "
    "baseline is that model, in place of a masked one of their own, and nothing is said of joint training. The mean of "
    "states stands in for the first token's, and batches of 64 for 8,192. Of their four augmentations the replacement "
    "of words by others of near meaning is not among these. Shares are of words, where theirs are of tokens; a mark "
    "stands for deleted runs, of several tokens where the vocabulary has no [DEL]. Their temperature and the width of "
    "their head are not known to us: 0.1, and the encoder's. Their text was not to be had: shares and numbers are as "
    "later work reports them, and two augmentations one after the other are our reading of their pairs. Frozen vectors "
    "are probed, where GLUE's figures are of models that were fine-tuned.",
)(clear)
