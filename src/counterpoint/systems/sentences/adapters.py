"""Adapters for sentence embeddings: a model stays as it is, and a domain's bottlenecks within it learn."""

from __future__ import annotations

from torch import nn

from counterpoint.encoders.wrapping import with_adapters
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import InfoNCE
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Richer, Trained, Tuned, Untrained
from counterpoint.testbeds.adapted import DOMAIN, LIKE_DOMAIN, SEEN_DOMAIN
from counterpoint.testbeds.aligned import alignment
from counterpoint.testbeds.figures import found
from counterpoint.training import TrainConfig

SIZE = 107
"""Of the bottlenecks: two in each layer are 3.6% of BERT-base, and 7% of the layer of SmolLM2."""
RATES, WHOLE_RATES = (1e-3, 3e-4, 3e-3), (5e-4, 1e-4, 2e-3)
"""Of what the rate is chosen, of adapters and of a whole model of one layer."""


def adapted(encoder: nn.Module) -> nn.Module:
    """A frozen model with bottlenecks."""
    return with_adapters(encoder, SIZE)


def adapters(rate: float = 1e-3) -> Recipe:
    """Schopf et al. 2023, with Houlsby et al. 2019: pairs of a domain, and nothing but bottlenecks learns."""
    train = TrainConfig(epochs=1, batch_size=64, learning_rate=rate, schedule="linear", warmup=0.1)
    stage = Stage(lambda: InfoNCE(0.05), train)
    return Recipe("Sentence-embedding adapters", (stage,), Takes("text", "text"), adapt=adapted)


def fine_tuned(rate: float = 5e-4) -> Recipe:
    """All of the model."""
    return adapters(rate).varied("fine-tuning", adapt=None)


_CEILING = Richer(Trained(fine_tuned), SEEN_DOMAIN)


system(
    "Sentence-embedding adapters",
    title="Efficient Domain Adaptation of Sentence Embeddings using Adapters",
    year=2023,
    family="sentences",
    mechanism="tests/systems/test_adapters.py::test_loss_is_that_of_a_naive_loop_and_only_bottlenecks_learn",
    claims=(
        Claim(
            "Adapters are as good in a domain as a model that was trained there wholly",
            found("mrr@10"),
            "fine-tuning of all weights; as good as within 0.01",
            DOMAIN,
            Tuned(fine_tuned, WHOLE_RATES),
            system=Tuned(adapters, RATES),
            off=Untrained(),
            ceiling=_CEILING,
            margin=0.01,
        ),
        Claim(
            "They make the model better there",
            found("mrr@10"),
            "the model as it was",
            DOMAIN,
            Untrained(),
            ceiling=Trained(fine_tuned),
            floors=("raw",),
        ),
    ),
    signal=Signal(alignment, off=Trained(fine_tuned)),
    sample=LIKE_DOMAIN,
    setup="Of the paper its abstract was seen. Its loss on pairs is taken to be InfoNCE with the others of the batch, "
    "and its adapters those of Houlsby, two in each layer, without training normalisation, of a size that is 3.6% of "
    "BERT-base, and about 7% of the layer that there is here. The first layer of SmolLM2, trained on inference pairs "
    "of SNLI, stands in for a model of sentences, and titles of packages with their descriptions for its domains. 1% "
    "is taken as 0.01 of MRR@10. Rates are chosen of three each, for adapters and for the whole model. The ceiling has "
    "seen the titles of the test. Other kinds of adapters are not compared.",
)(adapters)
