"""Malaysian Embedding: a small causal model learns pairs that a large embedder calls near, and others it calls far."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from counterpoint.encoders.adapting import last_token, linear_layer, unscaled
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.negatives import judged_by_distance
from counterpoint.objectives import InfoNCE, Objective, Pairs, Sum
from counterpoint.relation import Relation, own_mined
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences.distilcse import CEILING as TEACHER
from counterpoint.systems.sentences.distilcse import minilm
from counterpoint.testbeds import Richer, Trained, Untrained
from counterpoint.testbeds.aligned import alignment
from counterpoint.testbeds.figures import found
from counterpoint.testbeds.mined import ALONE, PAIRED
from counterpoint.testbeds.texts import LIKENESS
from counterpoint.training import TrainConfig

NEAR, FAR = 0.9, 1.25
"""Distances of the teacher's unit vectors: cosines of 0.6 and 0.2."""


def last(encoder: nn.Module) -> nn.Module:
    """A linear layer without bias on the state of the last token, kept at test."""
    return linear_layer(last_token(unscaled(encoder)), bias=False)


def mean(encoder: nn.Module) -> nn.Module:
    """A linear layer on the mean of all states, which is the mean of the layer on each."""
    return linear_layer(unscaled(encoder))


def squared(violation: Tensor) -> Tensor:
    """Where there is any."""
    return F.relu(violation).square()


def margin() -> Objective:
    """Half of `(1 - s)^2` of a near pair and of `max(0, s)^2` of a far one: cosine distances with a margin of 1."""
    pairs = Pairs(1.0, 0.0, shape=squared, relation=Relation(negative=own_mined))
    return Sum(pairs, weights=(0.5,))


def near_alone() -> Objective:
    """Nothing is far."""
    return Sum(Pairs(1.0, shape=squared), weights=(0.5,))


def without_far() -> Recipe:
    """Near pairs alone."""
    return malaysian().varied("Malaysian Embedding, near pairs alone", objective=near_alone)


def llama() -> Recipe:
    """Their older models: the softmax over all near and far texts of the batch, temperature 0.02, mean pooling."""
    return malaysian().varied("Malaysian Llama2", objective=lambda: InfoNCE(0.02), adapt=mean)


def paired() -> Recipe:
    """What knows which texts belong together."""
    return llama().varied("InfoNCE of true pairs", takes=Takes("text", "text"), prepare=())


CEILING = Richer(Trained(paired), PAIRED)
"""The same model trained on titles with their own descriptions."""


def malaysian() -> Recipe:
    """The authors' code of their Mistral models: mined near and far texts, one of each, and a margin."""
    train = TrainConfig(
        epochs=2, batch_size=32, accumulate=2, clip=1.0, learning_rate=2e-5, schedule="linear", warmup=0.0,
        weight_decay=0.0,
    )  # fmt: skip
    stage = Stage(margin, train, prepare=(judged_by_distance(minilm, NEAR, FAR),))
    return Recipe("Malaysian Embedding", (stage,), Takes("text"), adapt=last)


system(
    "Malaysian Embedding",
    title="Multi-Lingual Malaysian Embedding: Leveraging Large Language Models for Semantic Representations",
    year=2024,
    family="sentences",
    mechanism="tests/systems/test_malaysian.py::test_loss_is_that_of_a_naive_loop_over_near_and_far_texts",
    variants={"Malaysian Llama2": llama},
    claims=(
        Claim(
            "A small causal model that learns mined pairs finds more than the embedder that they were mined by",
            found("hit@10"),
            "all-MiniLM-L6-v2",
            ALONE,
            TEACHER,
            off=Trained(without_far),
            ceiling=CEILING,
        ),
        Claim(
            "Mined pairs improve the model that they begin with",
            found("hit@10"),
            "the start, its last token through the layer as it began",
            ALONE,
            Untrained(malaysian),
            ceiling=CEILING,
            floors=("raw",),
        ),
    ),
    signal=Signal(alignment, off=Trained(without_far)),
    sample=LIKENESS,
    setup="Of the paper its abstract was read, and its code. The method is that of their Mistral models with a "
    "margin, the variant that of their Llama2 models with the softmax. The first layer of SmolLM2 stands in for models "
    "of 64 million to 2 billion weights, English titles and descriptions of packages for Malaysian forums, news and "
    "posts, all-MiniLM-L6-v2 for text-embedding-ada-002 and bge-large-en. Near is a cosine of 0.6 and far one of 0.2, "
    "about as many as theirs: distances of other embedders are of another scale. Of each text one near and one far one "
    "is drawn, once, where they keep up to five and draw each time. Batches of 64 at a rate of 5e-4 for 32, two to a "
    "step, at 2e-5. The layer has as many dimensions as the model, theirs 768 or 1,536. What is right at test is whose "
    "title it is; in their tests it is what bge finds near, which favours models that were mined by it, and by their "
    "own table the 600M model is not better than ada-002 on two of four sets, but at the first place. Copies of a text "
    "are no negatives here. The ceiling is the same model trained on titles with their own descriptions.",
)(malaysian)
