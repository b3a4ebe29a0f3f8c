"""Embed-and-Cluster Batching: each batch is of one topic, so that its negatives are hard."""

from __future__ import annotations

from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.negatives.topics import topics
from counterpoint.objectives import InfoNCE
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Richer, Trained
from counterpoint.testbeds.figures import found
from counterpoint.testbeds.texts import LONGER_TITLES, SMALL_TITLES, TITLES, nearest_wrong
from counterpoint.training import TrainConfig

CLUSTERS, TEMPERATURE = 10, 0.02


def mixed() -> Recipe:
    """Batches of all topics."""
    stage = Stage(lambda: InfoNCE(TEMPERATURE), TrainConfig(epochs=1, batch_size=256, learning_rate=1e-4))
    return Recipe("InfoNCE, mixed batches", (stage,), Takes("text", "text"))


def embed_and_cluster() -> Recipe:
    """Merrick 2024, section 3: spherical k-means of embedded queries, ten clusters, batches of one cluster each."""
    return mixed().varied("Embed-and-Cluster Batching", prepare=(topics(CLUSTERS),), together="topic")


def of_passages() -> Recipe:
    """Clusters of the passages."""
    return mixed().varied("clusters of passages", prepare=(topics(CLUSTERS, keys=True),), together="topic")


def by_chance() -> Recipe:
    """Batches from parts of the same sizes that are about nothing."""
    return mixed().varied("clusters by chance", prepare=(topics(CLUSTERS, chance=True),), together="topic")


system(
    "Embed-and-Cluster Batching",
    title="Embedding And Clustering Your Data Can Improve Contrastive Pretraining",
    year=2024,
    family="sentences",
    mechanism="tests/systems/test_embed_and_cluster.py::test_each_batch_is_of_one_cluster_of_its_queries",
    claims=(
        Claim(
            "Batches of one cluster of queries are better than mixed ones",
            found("ndcg@10"),
            "the same pairs in mixed batches",
            TITLES,
            Trained(mixed),
            off=Trained(by_chance),
            ceiling=Richer(Trained(mixed), LONGER_TITLES),
        ),
        Claim(
            "So are batches of one cluster of passages",
            found("ndcg@10"),
            "the same pairs in mixed batches",
            TITLES,
            Trained(mixed),
            system=Trained(of_passages),
            off=Trained(by_chance),
            ceiling=Richer(Trained(mixed), LONGER_TITLES),
        ),
    ),
    signal=Signal(nearest_wrong, off=Trained(mixed)),
    sample=SMALL_TITLES,
    setup="Titles and descriptions of packages stand in for MSMARCO's queries and passages, a table of token vectors "
    "for BERT. It embeds the texts as it is before training (how rare a token is shows in its vector's length), where "
    f"the paper has a pretrained model. {CLUSTERS} clusters of some 3,750 pairs, the paper's of some 50,000. The "
    f"paper's temperature is not known here; {TEMPERATURE} is that of the embedding models it builds on. The ceiling "
    "has four times the steps in batches four times as large.",
)(embed_and_cluster)
