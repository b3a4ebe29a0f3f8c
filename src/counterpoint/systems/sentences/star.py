"""STAR: texts of one author attract each other, so that authors that were never seen are told apart."""

from __future__ import annotations

from torch import nn

from counterpoint.encoders.adapting import linear_layer, with_dropout
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import SupCon
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Richer, Trained, Untrained
from counterpoint.testbeds.authors import ALL_AUTHORS, AUTHORS
from counterpoint.testbeds.figures import shots_accuracy, tolerant
from counterpoint.testbeds.sorted_texts import SECTIONS
from counterpoint.testbeds.weak import shuffled
from counterpoint.training import TrainConfig

TEMPERATURE = 0.01


def with_layer(encoder: nn.Module) -> nn.Module:
    """A linear layer that stays, and dropout where the model knows none."""
    return linear_layer(with_dropout(encoder))


def shuffled_authors() -> Recipe:
    """Authors of other texts."""
    return star().varied("STAR, authors of others", prepare=(shuffled("label"),))


def of_all() -> Recipe:
    """Where the authors that are told are trained on, too."""
    return star().varied("STAR of all authors")


_CEILING = Richer(Trained(of_all), ALL_AUTHORS)


@system(
    "STAR",
    title="Understanding writing style in social media with a supervised contrastively pre-trained transformer",
    year=2023,
    family="sentences",
    mechanism="tests/systems/test_star.py::test_loss_is_that_of_a_naive_loop_over_the_texts_of_an_author",
    claims=(
        Claim(
            "Contrast by author tells authors that were never seen, from eight texts of each",
            shots_accuracy(shots=8),
            "the start, not fine-tuned",
            AUTHORS,
            Untrained(),
            off=Trained(shuffled_authors),
            ceiling=_CEILING,
            floors=("raw",),
        ),
        Claim(
            "And from one text of each",
            shots_accuracy(),
            "the start, not fine-tuned",
            AUTHORS,
            Untrained(),
            ceiling=_CEILING,
            floors=("raw",),
        ),
    ),
    signal=Signal(tolerant, off=Trained(shuffled_authors)),
    sample=SECTIONS,
    setup="Presidents' speeches in place of social media: 20 authors in place of 70,000, passages of 40 words in place "
    "of 512 tokens, batches of 64 texts in place of 1,024 authors by 16. What they speak of and when gives authors "
    "away, too, and two passages may be of one speech. The first layer of SmolLM2 stands in for RoBERTa, with a linear "
    "layer that is kept, as theirs, and AdamW for Adafactor. The loss is SupCon at 0.01: their code means to learn the "
    "scale from 1 / 0.07, but holds it at 100, and normalises one factor of its products over the batch, not over "
    "dimensions, which is read as a slip. A text is told by the nearest mean of five authors' texts. The ceiling has "
    "other texts of the test's authors.",
)
def star() -> Recipe:
    """Huertas-Tato et al. 2023: SupCon by author."""
    train = TrainConfig(steps=3000, batch_size=256, learning_rate=1e-4, warmup=0.06, schedule="linear")
    stage = Stage(lambda: SupCon(TEMPERATURE), train, views=1)
    return Recipe("STAR", (stage,), Takes("text", schemas=("labelled",)), adapt=with_layer)
