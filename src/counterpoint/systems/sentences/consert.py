"""ConSERT: two views of a sentence's embeddings, and nothing else: dropout is off."""

from __future__ import annotations

from torch import nn

from counterpoint.encoders import TransformerEncoder
from counterpoint.encoders.adapting import without_dropout
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import InfoNCE, Objective
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences.simcse import CEILING
from counterpoint.testbeds import Trained, Untrained
from counterpoint.testbeds.figures import spearman
from counterpoint.testbeds.texts import LIKENESS, SENTENCES, alignment_of_like
from counterpoint.training import TrainConfig
from counterpoint.views import TextView
from counterpoint.views.tokens import feature_cutoff, shuffled_tokens


def quiet_mean(encoder: nn.Module) -> nn.Module:
    """The mean of the last states, without dropout."""
    for part in encoder.modules():
        if isinstance(part, TransformerEncoder):
            part.pooling = "mean"
    return without_dropout(encoder)


def loss() -> Objective:
    """0.15 times the sum of both sides' NT-Xent."""
    return 0.3 * InfoNCE(0.1, layout="views")


def consert() -> Recipe:
    """Yan et al. 2021, section 3: a fifth of the features off in one view, the places mixed up in the other."""
    train = TrainConfig(epochs=10, batch_size=96, learning_rate=5e-7, schedule="linear")
    view = (TextView(tokens=feature_cutoff(0.2)), TextView(tokens=shuffled_tokens()))
    return Recipe("ConSERT", (Stage(loss, train, view=view),), Takes("text"), adapt=quiet_mean)


def unchanged() -> Recipe:
    """Both views are the sentence as it is: only the negatives teach."""
    return consert().varied("ConSERT without views", view=None)


system(
    "ConSERT",
    title="ConSERT: A Contrastive Framework for Self-Supervised Sentence Representation Transfer",
    year=2021,
    family="sentences",
    mechanism="tests/systems/test_consert.py::test_loss_is_that_of_a_naive_loop_over_both_views",
    claims=(
        Claim(
            "Training on unlabelled sentences improves the start",
            spearman,
            "the start's mean of states, not fine-tuned",
            SENTENCES,
            Untrained(consert),
            off=Trained(unchanged),
            ceiling=CEILING,
            floors=("raw",),
        ),
        Claim(
            "It is the views that improve it",
            spearman,
            "the same without views or dropout",
            SENTENCES,
            Trained(unchanged),
            ceiling=CEILING,
        ),
    ),
    signal=Signal(alignment_of_like, off=Trained(unchanged)),
    sample=LIKENESS,
    setup="As SimCSE here, but for the head, which it has not. The test's sentences are not trained on, where the "
    "paper's unlabelled text is that of the tests; batches of 64 for 96; the vectors at test are those of training, "
    "where theirs are the mean over the last two layers. The pairing of views is their best of the base model.",
)(consert)
