"""What BM25 finds first, put in order by vectors and, where there is one, by a network on both of a pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.data.items import Data, Items
from counterpoint.encoders import Kind, StaticEncoder
from counterpoint.procedures import EmulatedLists
from counterpoint.search.reranking import Score
from counterpoint.tasks import Collection
from counterpoint.testbeds.bed import Figure, Given, Made, Parts, Testbed
from counterpoint.testbeds.corpora import some_titles
from counterpoint.testbeds.figures import Ranks, found
from counterpoint.testbeds.lexical import LEXICAL
from counterpoint.testbeds.ranked import Reranked
from counterpoint.testbeds.texts import SMALL_TITLES, TABLE, table
from counterpoint.testbeds.unmarked import few_titles
from counterpoint.training.lists import cross_encoder

DEPTH = 20
_WORDS, _DIM = 48, 128
"""Of a description that are read; of a token's vector."""


def score_of(made: Made) -> Score:
    """From queries and documents to scores: by the network that the procedure holds, else by the cosine."""
    procedure = nn.Identity() if made.procedure is None else made.procedure.eval().cpu()
    network = next((part for part in procedure.modules() if isinstance(part, EmulatedLists)), None)

    def score(queries: Sequence[str], documents: Sequence[str]) -> Float[np.ndarray, " n"]:
        q, d = _encoded(made, queries, "query"), _encoded(made, documents, "document")
        if network is None:
            return torch.cosine_similarity(q, d).numpy()
        with torch.inference_mode():
            return network.features(q, d)[:, 0].numpy()

    return score


def _encoded(made: Made, texts: Sequence[str], kind: Kind) -> Float[Tensor, "n d"]:
    place = {text: i for i, text in enumerate(dict.fromkeys(texts))}
    z = torch.from_numpy(made.encoder.encode_items(Items("text", list(place)), kind=kind)).float()
    return z[[place[text] for text in texts]]


def in_order(metric: str) -> Figure:
    """A figure of retrieval where what scores pairs orders BM25's first 20; what ranks by itself does so."""
    figure = found(metric)

    def measure(made: Made) -> float:
        ranks = made.encoder if isinstance(made.encoder, Ranks) else Reranked(score_of(made), DEPTH)
        return figure.of(replace(made, encoder=ranks))

    return Figure(f"{metric} of BM25's first {DEPTH}, in order", measure)


def _spread(made: Made) -> float:
    test = made.parts[1]
    assert isinstance(test, Collection)
    asked = test.queries.texts[:200]
    documents = test.corpus.texts[:DEPTH]
    said = score_of(made)([q for q in asked for _ in documents], list(documents) * len(asked))
    return float(said.reshape(len(asked), -1).std(1).mean())


spread_of_lists = Figure("standard deviation of a query's scores", _spread)
"""The mean over 200 queries, each with the same 20 documents."""


def _reader(parts: Parts) -> Reranked:
    from counterpoint.negatives.imitated import hard_and_easy

    data = hard_and_easy(8, 8)(parts[0], nn.Identity(), 0)
    return Reranked(cross_encoder(data, 0).score, DEPTH)


def shortened(seed: int) -> Parts:
    """4,000 titles with the first 48 words of their descriptions, 1,500 others against 3,000 descriptions."""
    train, test = some_titles(seed)
    assert isinstance(train, Data) and train.others is not None  # noqa: PT018 - pairs
    texts = [" ".join(text.split()[:_WORDS]) for text in train.others.texts]
    return replace(train, others=Items("text", texts)), test


def scattered(data: Data, seed: int) -> StaticEncoder:
    """The tokens of `table`, and vectors of 128 random numbers of variance 1 for each, rare or not.

    So what is pooled differs as much as a network needs that is to tell texts apart, and nothing counts rare words yet.
    """
    kept, generator = table(data, 0), torch.Generator().manual_seed(seed)
    return kept.with_table(torch.randn(len(kept.embedding.weight), _DIM, generator=generator))


TEACHER = Given("cross-encoder of lists", _reader)
IN_ORDER = in_order("ndcg@10")
ORDERED_TITLES = Testbed(
    "titles, in order",
    shortened,
    f"included corpus: 4,000 titles with the first {_WORDS} words of descriptions to train on; for each of 1,500 "
    f"held-out titles BM25's first {DEPTH} of 3,000 descriptions are put in order; a table of token vectors (20,000 x "
    f"{_DIM}), random and of the same length on average, 600 steps of 32 lists at a rate of 2e-3",
    scattered,
    steps=600,
    settings=TABLE | {"learning_rate": 2e-3, "batch_size": 32},
    raw=LEXICAL,
    figures=(IN_ORDER,),
)
FEW_ORDERED = replace(
    SMALL_TITLES,
    name="titles, few in order",
    parts=few_titles,
    about="included corpus: 500 titles with descriptions to train on, 1,500 held-out titles against 3,000 "
    "descriptions; a random table of token vectors (20,000 x 256) from scratch, 40 steps of 16 at a rate of 0.001",
    steps=40,
    settings=TABLE | {"learning_rate": 1e-3, "batch_size": 16},
)
