"""Co-citation MoE embedder: what is cited together is near, and each domain has perceptrons of its own."""

from __future__ import annotations

from torch import nn

from counterpoint.encoders.adapting import first_token, mean_of_tokens, tanh_layer, unscaled
from counterpoint.encoders.experts import by_domain, domains_of
from counterpoint.geometry import Dot
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import InfoNCE
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Richer, Trained
from counterpoint.testbeds.aligned import alignment
from counterpoint.testbeds.of_domains import ALL_DOMAINS, DOMAINS, LIKE_DOMAINS, pair_f1
from counterpoint.training import TrainConfig


def loss() -> InfoNCE:
    """Of the first texts among the second ones, by the inner product as it is."""
    return InfoNCE(1.0, geometry=Dot())


def with_experts(encoder: nn.Module) -> nn.Module:
    """BERT's pooler, a layer on the first token's state, and perceptrons of each domain."""
    return by_domain(tanh_layer(unscaled(first_token(encoder))))


def of_means(encoder: nn.Module) -> nn.Module:
    """The same of the mean of all states, since the first one of a causal model has seen nothing."""
    return by_domain(tanh_layer(unscaled(mean_of_tokens(encoder))))


def shared(encoder: nn.Module) -> nn.Module:
    """One perceptron for all, which reads the domain as a word."""
    return tanh_layer(unscaled(mean_of_tokens(encoder)))


def measured() -> Recipe:
    """Of means."""
    return moe().varied("Co-citation MoE", adapt=of_means)


def without_experts() -> Recipe:
    """One model of all domains."""
    return measured().varied("one model of all domains", adapt=shared, prepare=())


@system(
    "Co-citation MoE",
    title="Contrastive Learning and Mixture of Experts Enables Precise Vector Embeddings",
    year=2024,
    family="retrieval",
    mechanism="tests/systems/test_co_citation_moe.py::test_loss_is_that_of_a_naive_loop_over_transformers_of_each_domain",
    claims=(
        Claim(
            "Perceptrons of each domain tell pairs better than those of one model for all domains",
            pair_f1,
            "one model of all domains, same pairs and operations",
            DOMAINS,
            Trained(without_experts),
            system=Trained(measured),
            ceiling=Richer(Trained(without_experts), ALL_DOMAINS),
        ),
    ),
    signal=Signal(alignment, off=Trained(without_experts), system=Trained(measured)),
    sample=LIKE_DOMAINS,
    setup="Pairs of four kinds of text stand in for co-cited abstracts of five diseases: titles and abstracts, words "
    "and glosses, titles and descriptions, captions of a picture, where the words that a domain goes by are its "
    "own. Half of a test's pairs are none, the nearest by words in place of papers that are not cited together, "
    "and F1 is that at the best threshold of each domain, as theirs. SmolLM2's embeddings, which stay, and first "
    "layer stand in for SciBERT and ModernBERT, the mean of its states for a first token, which in a causal model "
    "has seen nothing. 300 batches of 64 at a rate of 5e-4. A text says its domain as data, a tab behind, in "
    "place of a token of its own that begins as [CLS]; for the baseline it is a word. Of the paper its abstract "
    "was read, and the authors' code, whose present default compares with the most alike of the batch and whose "
    "older one routes tokens by a network: neither is here, nor is their exchange of the two texts by chance. "
    "That experts are about as good as a model of each domain, the paper's other claim, is not measured: no "
    "difference shows it. The ceiling is one model of all domains with the test's pairs among its training pairs.",
)
def moe() -> Recipe:
    """Hallee et al. 2024 and their code: in-batch softmax of inner products as they are, an expert of each domain."""
    train = TrainConfig(epochs=10, batch_size=20, learning_rate=1e-5, schedule="cosine", warmup=0.0)
    return Recipe(
        "Co-citation MoE", (Stage(loss, train, prepare=(domains_of,)),), Takes("text", "text"), adapt=with_experts
    )
