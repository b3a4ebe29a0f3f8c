"""SGPT: a causal language model whose states are weighted by their place, and of which biases alone learn."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

from counterpoint.encoders.adapting import last_token, mean_of_tokens, weighted_mean, without_dropout
from counterpoint.encoders.thawed import biases_alone, with_biases
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import InfoNCE
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences import simcse
from counterpoint.testbeds import Trained, Untrained
from counterpoint.testbeds.adapted import LIKE_DOMAIN
from counterpoint.testbeds.figures import spearman
from counterpoint.testbeds.texts import BIASES, alignment_of_like
from counterpoint.training import TrainConfig


def of_biases(encoder: nn.Module, pooled: Callable[[nn.Module], nn.Module] = weighted_mean) -> nn.Module:
    """A model that is pooled so, and learns nothing but its biases; one that could have biases gets them."""
    return biases_alone(with_biases(without_dropout(pooled(encoder))))


def plain_mean() -> Recipe:
    """Every state counts the same."""
    return sgpt().varied("SGPT, plain mean", adapt=partial(of_biases, pooled=mean_of_tokens))


def last_state() -> Recipe:
    """The last one alone, which has seen all."""
    return sgpt().varied("SGPT, last state", adapt=partial(of_biases, pooled=last_token))


def sgpt() -> Recipe:
    """Muennighoff 2022 and their code: 20 times the cosine, batches of 1,024, biases at 3.2e-4, one epoch."""
    train = TrainConfig(epochs=1, batch_size=1024, learning_rate=3.2e-4, schedule="linear", warmup=0.1)
    return Recipe("SGPT", (Stage(lambda: InfoNCE(0.05), train),), Takes("text", "text"), adapt=of_biases)


system(
    "SGPT",
    title="SGPT: GPT Sentence Embeddings for Semantic Search",
    year=2022,
    family="retrieval",
    mechanism="tests/systems/test_sgpt.py::test_loss_is_that_of_a_naive_loop_over_weighted_states_and_biases_alone_learn",
    claims=(
        Claim(
            "States weighted by their place make better vectors than their plain mean",
            spearman,
            "the plain mean of all states, same training of biases",
            BIASES,
            Trained(plain_mean),
            ceiling=simcse.CEILING,
        ),
        Claim(
            "And better ones than the last state, which has seen the whole text",
            spearman,
            "the last state, same training of biases",
            BIASES,
            Trained(last_state),
            off=Trained(plain_mean),
            ceiling=simcse.CEILING,
        ),
        Claim(
            "To train biases alone by contrast makes a language model an encoder of sentences",
            spearman,
            "the language model as it is, states weighted by their place",
            BIASES,
            Untrained(sgpt),
            off=Trained(plain_mean),
            ceiling=simcse.CEILING,
            floors=(),
        ),
    ),
    signal=Signal(alignment_of_like, off=Trained(plain_mean)),
    sample=LIKE_DOMAIN,
    setup="`fit` begins with the base that it is given: name a causal one, such as --base smollm2. This is the "
    "bi-encoder for symmetric search, by the command of the authors' code for it: premises with an entailed and a "
    "contradicting hypothesis, one epoch. SNLI's development and test parts stand in for SNLI and MNLI, batches of 64 "
    "for 1,024, STS-B for the tasks of USEB. The embeddings and first layer of SmolLM2 stand in for GPT of 125 "
    "million to 5.8 billion weights. SmolLM2 has no biases: it gets them, all of them 0, as an architecture such as "
    "its knows them (those of Llama), and 5,184 numbers learn. One layer hands little on from token to token, so that "
    "later states know less more than in a deep model. The rate is ten times that of whole weights on other testbeds, "
    "as theirs is sixteen times. Brackets that tell queries from documents, their training on MS MARCO with mined "
    "negatives, and the cross-encoder, which ranks documents by the likelihood of the query without any training, are "
    "left out. That the plain mean and the last state are trained in the same way is ours: their published models of "
    "these have all weights trained. The ceiling is the same model trained on STS-B's own judgements.",
)(sgpt)
