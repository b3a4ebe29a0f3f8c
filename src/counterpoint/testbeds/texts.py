"""Testbeds of texts: what they start from, and what is looked at inside."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.data.items import Data
from counterpoint.encoders import StaticEncoder, TransformerEncoder, load
from counterpoint.encoders.adapting import first_layers, with_dropout
from counterpoint.encoders.scratch import small_transformer
from counterpoint.pretraining import MaskedLM
from counterpoint.tasks import Collection, pairs
from counterpoint.testbeds.bed import Figure, Made, Testbed
from counterpoint.testbeds.corpora import (
    abstracts,
    inferences,
    like_pairs,
    likeness,
    noisy_titles,
    scifact,
    scored_sentences,
    seen_scifact,
    sentences,
    some_noisy_titles,
    some_titles,
    titles,
)
from counterpoint.testbeds.figures import found, spearman
from counterpoint.testbeds.lexical import TF_IDF
from counterpoint.training import TrainConfig, train

TABLE: dict[str, Any] = {"learning_rate": 2e-2, "weight_decay": 0.0, "clip": 0.0, "chunk_tokens": 1 << 20}
"""Settings for a table of token vectors, which learns from scratch; papers' are of pretrained transformers."""


FEW_LAYERS: dict[str, Any] = {"learning_rate": 5e-4, "dtype": "auto", "chunk_tokens": 1 << 20}
"""For one or two layers, which take more than BERT's 1e-5 to 5e-5."""


TABLE_DIM = 256


_VOCABULARY, _LENGTH, _WIDTH = 20_000, 32, 128


_HALF = _WIDTH // 2
"""What tests begin with is half as wide, and trained in a third of the time."""


QUICK_BERT = f"a BERT in miniature (2 layers of {_HALF}) after 10 steps of masked language modelling"


def table(data: Data, seed: int) -> StaticEncoder:
    """An untrained table of 20,000 token vectors of 256 dimensions (`StaticEncoder.from_corpus`) for the bed's texts.

    The tokenizer is the same for every seed, and so is the length of each row; its direction is random.
    """
    kept = _table(_Key(data))
    norm, generator = kept.embedding.weight.detach().norm(dim=1, keepdim=True), torch.Generator().manual_seed(seed)
    return kept.with_table(F.normalize(torch.randn(len(norm), kept.dim, generator=generator), dim=1) * norm)


def knowing_table(data: Data, seed: int) -> StaticEncoder:
    """The same after training on titles and abstracts of SciFact by InfoNCE: a start that knows what is alike."""
    del data
    return copy.deepcopy(_knowing(seed))


def smollm2(data: Data, seed: int) -> TransformerEncoder:
    """A copy of SmolLM2's embeddings and first layer, mean-pooled, with dropout; nothing was contrasted.

    Its states are taken as the layer leaves them, without the last normalisation: so it is at 0.72 on STS-B's
    development part, nearer to what people say than with more layers (two: 0.51), and inference pairs improve it. Token
    vectors stay what they are. It is the same for every seed.
    """
    del data, seed
    return copy.deepcopy(_smollm2())


def quick_bert(data: Data, seed: int) -> TransformerEncoder:
    """A copy of what `QUICK_BERT` says, for tests."""
    del data, seed
    return copy.deepcopy(_masked(10))


def _aligned(made: Made) -> float:
    data = made.test
    score = data.columns["score"]
    like = data[score >= 0.8 * score.max()]
    assert like.others is not None and like.positives is not None  # noqa: PT018
    z = (
        made.encoder.encode_items(like.anchors[like.anchor]),
        made.encoder.encode_items(like.others[like.positives[:, 0]]),
    )
    a, b = (F.normalize(torch.from_numpy(side).float(), dim=1) for side in z)
    return float((a - b).square().sum(1).mean())


alignment_of_like = Figure("alignment of like pairs", _aligned)
"""Wang and Isola 2020, equation 1, of the test pairs that people find alike (from 0.8 of the highest score)."""


def _length_bias(made: Made) -> float:
    from scipy.stats import spearmanr

    texts = made.test.anchors[made.test.anchor]
    # each with the next one: nobody has said that they are alike
    z = F.normalize(torch.from_numpy(made.encoder.encode_items(texts)).float(), dim=1)
    words = torch.tensor([len(text.split()) for text in texts.texts])
    return float(spearmanr((z * z.roll(1, 0)).sum(1), (words - words.roll(1)).abs()).statistic)


length_bias = Figure("correlation of likeness with difference in length", _length_bias)
"""Spearman's, over test sentences that have nothing to do with each other; below 0: equal lengths look alike.

Source: Wu et al. 2021, "ESimCSE", section 1, who compare pairs of like and of other lengths.
"""


def _answered(made: Made) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]]:
    """Unit vectors of 512 test queries, and of a document that answers each."""
    test = made.parts[1] if isinstance(made.parts[1], Collection) else pairs(made.parts[1])
    asked = test.answers.judged[:512]
    own = [next(d for d, gain in test.answers.relevant[q].items() if gain > 0 and d >= 0) for q in asked]
    queries, documents = test.queries[torch.tensor(asked)], test.corpus[torch.tensor(own)]
    z = made.encoder.encode_items(queries, kind="query"), made.encoder.encode_items(documents, kind="document")
    first, second = (F.normalize(torch.from_numpy(side).float(), dim=1) for side in z)
    return first, second


def _nearest_wrong(made: Made) -> float:
    q, d = _answered(made)
    return float((q @ d.T).fill_diagonal_(-1.0).amax(1).mean())


def _nearest_other(made: Made) -> float:
    q, d = _answered(made)
    # queries that share an answer
    own = torch.eye(len(q), dtype=torch.bool) | (d @ d.T >= 0.999)
    return float((q @ d.T).masked_fill(own, -1.0).amax(1).mean())


def _following(made: Made) -> float:
    q, d = _answered(made)
    scores, alike = q @ d.T, d @ d.T
    others = ~torch.eye(len(q), dtype=torch.bool) & (alike < 0.999)
    margin = (scores.diag()[:, None] - scores)[others]
    return float(torch.corrcoef(torch.stack([margin, alike[others]]))[0, 1])


margins_follow = Figure("correlation of margins with the likeness of documents", _following)
"""Over 512 test queries: by how much the right document wins over another, and how alike both are."""


nearest_wrong = Figure("cosine of the nearest wrong document", _nearest_wrong)
"""Over 512 test queries, the nearest of the documents that answer the others: the hardest negative."""


nearest_other = Figure("cosine of the nearest document of another query", _nearest_other)
"""Over 512 test queries, the nearest of the documents that answer others and not itself: the hardest negative."""


_TABLE_START = "a random table of token vectors (20,000 x 256)"


SMOLLM2 = "the embeddings, which stay, and first layer of SmolLM2-135M with dropout of 0.1, mean-pooled"


RETRIEVAL = (found("mrr@10"), found("hit@20"), found("ndcg@10"))
"""Of every arm on a collection."""


TITLES = Testbed(
    "titles",
    titles,
    "included corpus: 37,500 titles with descriptions to train on, 1,500 held-out titles against 39,000 descriptions; "
    f"{_TABLE_START} from scratch, 600 steps at a rate of 0.02",
    table,
    steps=600,
    settings=TABLE,
    raw=TF_IDF,
    figures=RETRIEVAL,
)


LONGER_TITLES = replace(TITLES, name="titles, longer", steps=2400, settings=TABLE | {"batch_size": 1024})
"""Four times the steps, in batches of 1,024: what the table can learn there."""


SMALL_TITLES = replace(
    TITLES,
    name="titles, few",
    parts=some_titles,
    about=f"included corpus: 4,000 titles with descriptions to train on, 1,500 held-out titles against 3,000 "
    f"descriptions; {_TABLE_START} from scratch, 60 steps at a rate of 0.02",
    steps=60,
)


NOISY_TITLES = replace(
    TITLES,
    name="noisy titles",
    parts=noisy_titles,
    about=f"included corpus with half of the descriptions at wrong titles, drawn by the seed; 1,500 clean held-out "
    f"titles against 39,000 descriptions; {_TABLE_START} from scratch, 200 steps at a rate of 0.02",
    steps=200,
)


SMALL_NOISY_TITLES = replace(
    SMALL_TITLES,
    name="noisy titles, few",
    parts=some_noisy_titles,
    about=f"included corpus: 4,000 titles, half of them with another's description, drawn by the seed; 1,500 clean "
    f"held-out titles against 3,000 descriptions; {_TABLE_START} from scratch, 60 steps at a rate of 0.02",
)


SCIFACT = Testbed(
    "SciFact",
    scifact,
    f"SciFact: 807 claims to train on, 300 against 5,183 abstracts for test; {_TABLE_START} that was trained on titles "
    "and abstracts by InfoNCE for 200 steps, then 200 steps at a rate of 0.002",
    knowing_table,
    steps=200,
    settings=TABLE | {"learning_rate": 2e-3},
    raw=TF_IDF,
    figures=RETRIEVAL,
)


LONGER_SCIFACT = replace(
    SCIFACT, name="SciFact, all claims", parts=seen_scifact, steps=600, settings={**SCIFACT.settings, "batch_size": 256}
)
"""With the claims of the test among those of training: what the table can learn of them."""


ABSTRACTS = Testbed(
    "SciFact, titles only",
    abstracts,
    "SciFact's 5,183 titles with abstracts to train on, no claim; 300 claims against the abstracts for test; "
    f"{_TABLE_START} from scratch, 200 steps at a rate of 0.02",
    table,
    steps=200,
    settings=TABLE,
    raw=TF_IDF,
    figures=RETRIEVAL,
)


SENTENCES = Testbed(
    "STS-B, sentences",
    sentences,
    f"28,000 sentences of SNLI and STS-B to train on, STS-B's test pairs; {SMOLLM2}, then 200 steps of 64 at a rate "
    "of 5e-4",
    smollm2,
    steps=200,
    settings=FEW_LAYERS | {"batch_size": 64},
    raw=TF_IDF,
    figures=(spearman, alignment_of_like),
)


INFERENCES = replace(
    SENTENCES,
    name="STS-B, inferences",
    parts=inferences,
    about="SNLI's premises with an entailed and a contradicting hypothesis to train on, STS-B's test pairs; "
    f"{SMOLLM2}, then 200 steps of 64 at a rate of 5e-4",
)


BIASES = replace(
    INFERENCES,
    name="STS-B, inferences, by biases",
    about="SNLI's premises with an entailed and a contradicting hypothesis to train on, STS-B's test pairs; "
    f"{SMOLLM2}, then 200 steps of 64 at a rate of 5e-3",
    settings=INFERENCES.settings | {"learning_rate": 5e-3},
)
"""For what learns nothing but biases, which take ten times the rate of whole weights."""


SCORED_SENTENCES = replace(
    SENTENCES,
    name="STS-B, scores",
    parts=scored_sentences,
    about=f"STS-B's training pairs with their scores, its test pairs; {SMOLLM2}, then 400 steps of 64 at a rate of "
    "5e-4",
    steps=400,
)


LIKENESS = Testbed(
    "likeness",
    likeness,
    "2,000 descriptions of the included corpus to train on; 300 held-out titles with their own description, one of the "
    f"same section and one of another; {QUICK_BERT}, then 40 steps at a rate of 2e-3",
    quick_bert,
    steps=40,
    settings=FEW_LAYERS | {"learning_rate": 2e-3},
    raw=TF_IDF,
    figures=(spearman,),
)


LIKE_PAIRS = replace(
    LIKENESS,
    name="likeness, pairs",
    parts=like_pairs,
    about="2,000 titles of the included corpus with their descriptions to train on; 300 held-out titles with their own "
    f"description, one of the same section and one of another; {_TABLE_START}, 40 steps at a rate of 0.02",
    start=table,
    settings=TABLE,
)


class _Key:
    """Data by where they are from: what is cut out of them is over the same items."""

    def __init__(self, data: Data) -> None:
        self.data = data
        self.name = (data.source, len(data.anchors), 0 if data.others is None else len(data.others))

    def __hash__(self) -> int:
        return hash(self.name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other.name == self.name


@cache
def _table(of: _Key) -> StaticEncoder:
    data = of.data
    others = () if data.others is None else data.others.texts
    # the prompt's words are tokens, too
    return StaticEncoder.from_corpus([*data.anchors.texts, *others], vocab_size=_VOCABULARY, dim=TABLE_DIM)


@cache
def _knowing(seed: int) -> StaticEncoder:
    from counterpoint.methods import Recipe, Stage, Takes
    from counterpoint.objectives import InfoNCE

    settings = TrainConfig(steps=200, batch_size=256, validations=1, **TABLE)
    recipe = Recipe("InfoNCE", (Stage(lambda: InfoNCE(0.05), settings),), Takes("text", "text"))
    encoder = table(abstracts(0)[0], seed)
    recipe.make(abstracts(0)[0], seed, encoder=encoder)
    return encoder


@cache
def _smollm2() -> TransformerEncoder:
    from counterpoint.fitting.bases import smollm2_folder

    encoder = load(smollm2_folder())
    assert isinstance(encoder, TransformerEncoder)
    first_layers(encoder, 1).model.float().norm = nn.Identity()
    encoder.model.get_input_embeddings().weight.requires_grad_(requires_grad=False)
    with_dropout(encoder)
    return encoder


@cache
def _masked(steps: int) -> TransformerEncoder:
    data = titles(0)[0]
    assert data.others is not None
    texts = list(data.others.texts[:4000])
    encoder = small_transformer(
        texts, width=_HALF, heads=2, spread=_HALF**-0.5, max_seq_length=_LENGTH, normalize=False
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        masked = MaskedLM(encoder, texts)
    settings = TrainConfig(steps=steps, batch_size=128, learning_rate=2e-3, validations=1, chunk_tokens=1 << 20)
    train(masked, masked, masked.objective(), settings)
    return encoder
