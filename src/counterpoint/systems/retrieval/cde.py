"""CDE: texts are read after vectors of their corpus, and batches are small corpora of their own, of like pairs."""

from __future__ import annotations

from functools import partial

from torch import nn

from counterpoint.data.items import Data
from counterpoint.encoders import ContextualEncoder
from counterpoint.encoders.adapting import without_dropout
from counterpoint.encoders.wrapping import in_context, with_layers
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.negatives.topics import surrogate, topics_of_pairs
from counterpoint.objectives import InfoNCE, Objective
from counterpoint.procedures import KeysKnow, Procedure
from counterpoint.relation import Relation, as_near_as_own, same
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Richer, Seen, Trained
from counterpoint.testbeds.contextual import (
    FEW_OF_A_SECTION,
    FOUND,
    FOUND_IN_CORPUS,
    KNOWN_SECTION,
    NEAREST_IN_CORPUS,
    NEW_SECTION,
)
from counterpoint.training import TrainConfig

TEMPERATURE, BATCH, CLUSTER, CONTEXT = 0.02, 1024, 2048, 512
CLUSTERED, READ = 128, 32
"""Rows of a cluster and texts of a context, in small: a batch there has 64 rows."""


def contrast() -> InfoNCE:
    """Of each query with all documents of the batch."""
    return InfoNCE(TEMPERATURE)


def filtered() -> Objective:
    """The same without documents that a fixed model finds as near to the query as its own."""
    return InfoNCE(TEMPERATURE, relation=Relation(ignored=as_near_as_own("asked", "said") & ~same("sample")))


def known_of_keys(width: int) -> Procedure:
    """What the fixed model says of documents stands beside them."""
    del width
    return KeysKnow(["said"])


def in_documents(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: what is encoded outside of batches is read after a sample of the training documents."""
    assert data.others is not None
    for part in encoder.modules():
        if isinstance(part, ContextualEncoder):
            part.read(data.others.texts, seed)
    return data


def reading(encoder: nn.Module, size: int = CONTEXT) -> nn.Module:
    """Two stages, without dropout."""
    return in_context(without_dropout(encoder), size)


def alone(encoder: nn.Module) -> nn.Module:
    """One stage and two layers behind it, without dropout."""
    return with_layers(without_dropout(encoder), 2)


def biencoder() -> Recipe:
    """Texts are encoded one by one, and batches are of all pairs."""
    train = TrainConfig(
        epochs=3, batch_size=BATCH, learning_rate=2e-5, weight_decay=0.01, schedule="linear", warmup=0.1
    )
    return Recipe("biencoder", (Stage(contrast, train),), Takes("text", "text"), adapt=alone)


def clustered(cluster: int = CLUSTERED) -> Recipe:
    """Batches of like pairs, all documents of which are negatives."""
    steps = (surrogate(), topics_of_pairs(cluster))
    return biencoder().varied("biencoder, batches of like pairs", prepare=steps, together="topic")


def in_batches(cluster: int = CLUSTERED) -> Recipe:
    """Batches of like pairs, without false negatives."""
    return clustered(cluster).varied("biencoder, contextual batches", objective=filtered, procedure=known_of_keys)


def by_chance() -> Recipe:
    """The same of clusters that say nothing."""
    steps = (surrogate(), topics_of_pairs(CLUSTERED, chance=True))
    return in_batches().varied("biencoder, batches by chance", prepare=steps)


def in_architecture() -> Recipe:
    """Texts are read after their batch, which is of all pairs."""
    return biencoder().varied("CDE, random batches", prepare=(in_documents,), adapt=partial(reading, size=READ))


def both(cluster: int, size: int) -> Recipe:
    """Contextual batches and architecture, of these sizes."""
    batches = in_batches(cluster)
    steps = (in_documents, *batches.stages[0].prepare)
    return batches.varied("CDE", prepare=steps, adapt=partial(reading, size=size))


def in_small() -> Recipe:
    """With clusters and contexts for small batches."""
    return both(CLUSTERED, READ)


_CEILING = Richer(Trained(biencoder), KNOWN_SECTION)


@system(
    "CDE (contextual document embeddings)",
    title="Contextual Document Embeddings",
    year=2024,
    family="retrieval",
    mechanism="tests/systems/test_cde.py::test_loss_is_that_of_a_naive_loop_over_texts_in_context",
    claims=(
        Claim(
            "In a domain that is new, contextual batches and architecture together find more than a biencoder",
            FOUND_IN_CORPUS,
            "a biencoder and random batches, same steps",
            NEW_SECTION,
            Trained(biencoder),
            system=Trained(in_small),
            ceiling=_CEILING,
            floors=("untrained",),
        ),
        Claim(
            "So do contextual batches alone",
            FOUND_IN_CORPUS,
            "random batches, same steps",
            NEW_SECTION,
            Trained(biencoder),
            system=Trained(in_batches),
            off=Trained(by_chance),
            ceiling=_CEILING,
            floors=("untrained",),
        ),
        Claim(
            "So does the contextual architecture alone",
            FOUND_IN_CORPUS,
            "a biencoder, same steps",
            NEW_SECTION,
            Trained(biencoder),
            system=Trained(in_architecture),
            off=Seen(Trained(in_architecture), FOUND),
            ceiling=_CEILING,
            floors=("untrained",),
        ),
        Claim(
            "In batches of like pairs it is better to leave false negatives out",
            FOUND_IN_CORPUS,
            "all documents of the batch, same steps",
            NEW_SECTION,
            Trained(clustered),
            system=Trained(in_batches),
            ceiling=_CEILING,
            floors=("untrained",),
        ),
        Claim(
            "It finds more after a sample of what is searched than after other texts",
            FOUND_IN_CORPUS,
            "the same model after training documents",
            NEW_SECTION,
            Seen(Trained(in_small), FOUND),
            system=Trained(in_small),
            ceiling=_CEILING,
            floors=("untrained",),
        ),
    ),
    signal=Signal(NEAREST_IN_CORPUS, off=Trained(biencoder), system=Trained(in_small)),
    sample=FEW_OF_A_SECTION,
    setup="The loss, the clusters, the filter and both stages are those of the authors' code; sizes are not: batches "
    f"of 64 pairs in clusters of some {CLUSTERED} and contexts of {READ} for 1,024, 2,048 and 512. A section of the "
    "included corpus that was not trained on stands in for BEIR's domains, a BERT in miniature of random weights for "
    "nomic-bert. Latent semantic analysis stands in for GTR, which clusters, and for nomic-embed, which says what is a "
    "false negative; k-means has 25 rounds of one start for 100 of three. A cluster gives batches of its own and is "
    "not packed with others; what is left over of it takes part in another epoch. BERT's places are not rotary: "
    "context vectors stand behind its embeddings and have none, and a text's begin at its first token. Prompts are "
    "parameters, where theirs are a network's output for a vector of ones. The biencoder's two layers have ReLU for "
    "GELU. Context is never dropped, as in their code. Outside of batches a text is read after a sample of the "
    "training documents, until other texts are read. Pre-training on 235 million pairs, task prefixes and MTEB are not "
    "here. They compare with random strings for a context, we with training documents. TF-IDF, by which so small a "
    "BERT is not measured, is no floor here. The ceiling is a biencoder that knows the pairs of the test.",
)
def cde() -> Recipe:
    """Morris and Rush 2024 and their code: clusters of 2,048, batches of 1,024, contexts of 512, AdamW at 2e-5."""
    return both(CLUSTER, CONTEXT)
