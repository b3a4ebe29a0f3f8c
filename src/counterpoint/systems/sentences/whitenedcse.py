"""WhitenedCSE: three views of a sentence, each whitened in groups of dimensions of its own."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from counterpoint.heads import GroupWhitening, PerView, projection
from counterpoint.methods import Recipe
from counterpoint.procedures import PairsOfViews, Procedure
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences.simcse import CEILING, mlp, simcse
from counterpoint.testbeds import Trained
from counterpoint.testbeds.figures import spearman, uniform
from counterpoint.testbeds.texts import LIKENESS, SENTENCES

GROUP, VIEWS = 6, 3


def whitened(width: int) -> nn.Module:
    """Whitening, then one layer and tanh; view by view."""
    # 768 and 384 dimensions are groups of six; of other widths the next larger number that divides them
    size = next(size for size in range(GROUP, width + 1) if width % size == 0)
    return PerView(GroupWhitening(size), projection(width, last=nn.Tanh))


def from_the_first(_width: int) -> Procedure:
    """The first view against each of the others."""
    return PairsOfViews(first=True)


def three_views() -> Recipe:
    """SimCSE with as many views, not whitened."""
    return whitenedcse().varied("SimCSE, three views", head=mlp)


@system(
    "WhitenedCSE",
    title="Whitening-based Contrastive Learning of Sentence Embeddings",
    year=2023,
    family="sentences",
    mechanism="tests/systems/test_whitenedcse.py::test_loss_is_that_of_a_naive_loop_over_whitened_views",
    claims=(
        Claim(
            "Whitened views improve on dropout alone",
            spearman,
            "SimCSE",
            SENTENCES,
            Trained(simcse),
            off=Trained(three_views),
            ceiling=CEILING,
        ),
        Claim(
            "It is the whitening that does it",
            spearman,
            "SimCSE with as many views",
            SENTENCES,
            Trained(three_views),
            ceiling=CEILING,
        ),
    ),
    signal=Signal(uniform, off=Trained(three_views)),
    sample=LIKENESS,
    setup="As SimCSE here. Three views, the first the anchor of two losses, of which the mean is taken, not the sum; "
    "SimCSE has two, and with as many steps encodes less (the second claim's has three). Each view is whitened over "
    f"the batch in groups of {GROUP} dimensions that are drawn for it, as the paper says. The authors' code cuts its "
    "batch, which is sentence after sentence, in three, so that all views of a sentence are whitened together. Batches "
    "of 64 for 128.",
)
def whitenedcse() -> Recipe:
    """Zhuo et al. 2023, section 3: shuffled group whitening before the head, two positives an anchor."""
    train = replace(simcse().stages[-1].train, batch_size=128, learning_rate=1e-5)
    return simcse().varied("WhitenedCSE", views=VIEWS, head=whitened, procedure=from_the_first, train=train)
