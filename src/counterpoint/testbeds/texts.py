"""Texts: retrieval and similarity beds, what they start from, and what they are above of."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from counterpoint.data import DebianCorpus, Example, Retrieval, TextData, debian, read
from counterpoint.data.items import Data, Items
from counterpoint.data.rows import judged_rows, rows_of
from counterpoint.encoders import StaticEncoder, TransformerEncoder
from counterpoint.encoders.features import Kind
from counterpoint.encoders.scratch import small_transformer
from counterpoint.errors import InputError
from counterpoint.search import BM25
from counterpoint.search.exact import ScoreRows
from counterpoint.tasks import Collection, Encodes, pairs
from counterpoint.testbeds.bed import Figure, Given, Made, Parts, Testbed
from counterpoint.testbeds.figures import found, spearman
from counterpoint.testbeds.files import find
from counterpoint.training import TrainConfig, train
from counterpoint.views import MaskedLM

TABLE: dict[str, Any] = {"learning_rate": 2e-2, "weight_decay": 0.0, "clip": 0.0, "chunk_tokens": 1 << 20}
"""Settings for a table of token vectors, which learns from scratch; papers' are of pretrained transformers."""
SMALL_BERT: dict[str, Any] = {"learning_rate": 5e-4, "dtype": "auto", "chunk_tokens": 1 << 20}
"""For a small transformer, which takes more than BERT's 1e-5 to 5e-5."""
TABLE_DIM = 256
_VOCABULARY, _LENGTH, _WIDTH = 20_000, 32, 128
_PRETRAINED = 600
"""Steps of 128 texts as a masked language model."""


# data


def titles(seed: int) -> Parts:
    """The included corpus: titles and descriptions of packages; 1,500 titles are held out, among 39,000 descriptions.

    The parts are the same for every seed, which the start and the order of the batches follow.
    """
    del seed
    return _titles()


def some_titles(seed: int) -> Parts:
    """The same with 4,000 training titles and 3,000 descriptions, for what takes seconds."""
    del seed
    return _some(), _among(1500)


def noisy_titles(seed: int, share: float = 0.5) -> Parts:
    """The same with a share of the training descriptions at wrong titles, drawn by the seed; the test is clean.

    Column `right`: 1 where a title has its own description.
    """
    train, test = _titles()
    return shuffled(train, share, seed), test


def some_noisy_titles(seed: int) -> Parts:
    """The same of 4,000 training titles and 3,000 descriptions."""
    train, test = some_titles(seed)
    return shuffled(train, 0.5, seed), test


def scifact(seed: int) -> Parts:
    """SciFact (Wadden et al. 2020): claims and the abstracts that are evidence for or against them, among 5,183.

    807 claims to train on, 300 for test; the same for every seed.
    """
    del seed
    return _scifact()


def seen_scifact(seed: int) -> Parts:
    """The same with all claims to train on, those of the test, too: an oracle's training part."""
    del seed
    return _seen(), _scifact()[1]


def abstracts(seed: int) -> Parts:
    """Titles and abstracts of SciFact's documents as weak pairs, without any claim; the test is that of `scifact`."""
    del seed
    return _abstracts(), _scifact()[1]


def cisi(seed: int) -> Parts:
    """CISI (Glasgow's test collection): questions and the library science documents that answer them, among 1,460.

    Half of the 76 judged questions are for test, drawn by the seed.
    """
    whole = _retrieval("cisi", None)
    asked = sorted(whole.qrels)
    drawn = np.random.default_rng(seed).permutation(len(asked))
    test = {asked[i] for i in drawn[: len(asked) // 2]}
    train, held = (_only(whole, [q for q in asked if (q in test) == side]) for side in (False, True))
    return _rows(train), Collection.of(held)


def sentences(seed: int) -> Parts:
    """Sentences of SNLI and of STS-B's training part, without what is said of them; the test is STS-B's.

    So many are drawn by the seed, in its order.
    """
    whole = _sentences()
    order = np.random.default_rng(seed).permutation(len(whole))
    return Data.alone(Items("text", [whole[i] for i in order]), source="SNLI and STS-B"), _similar("test")


def inferences(seed: int) -> Parts:
    """SNLI (Bowman et al. 2015): premises, each with an entailed hypothesis and a contradicting one; STS-B for test.

    A premise with two of a kind makes two rows. The same for every seed.
    """
    del seed
    return _inferences(), _similar("test")


def scored_sentences(seed: int) -> Parts:
    """STS-B (Cer et al. 2017) with its judgements for training, too; the same for every seed."""
    del seed
    return _similar("train"), _similar("test")


def likeness(seed: int) -> Parts:
    """The included corpus without outside data: descriptions to train on, and pairs of which it is known how alike.

    Of the held-out packages a title with its own description (2), with one of the same section (1) and with one of
    another section (0).
    """
    corpus = _corpus()
    generator = np.random.default_rng(seed)
    some = generator.permutation(len(corpus.train.examples))[:2000]
    texts = [corpus.train.examples[i].positives[0] for i in some]
    section = dict(zip(corpus.packages, corpus.sections, strict=True))
    names = [next(iter(gains)) for gains in corpus.heldout.qrels.values()]
    title = dict(zip(names, corpus.heldout.queries.values(), strict=True))
    scored = []
    for name in generator.permutation(names)[:300].tolist():
        same = [other for other in names if section[other] == section[name] and other != name]
        apart = [other for other in names if section[other] != section[name]]
        chosen = [
            (name, 2.0),
            *((generator.choice(side), score) for side, score in ((same, 1.0), (apart, 0.0)) if side),
        ]
        scored += [Example(title[name], (corpus.heldout.corpus[str(o)],), score=score) for o, score in chosen]
    return Data.alone(Items("text", texts), source="included corpus"), rows_of(scored, "included corpus")


def shuffled(data: Data, share: float, seed: int) -> Data:
    """Pairs of which a share has lost its partner to another, in a round: noise with a known answer, column `right`.

    Examples:
        >>> pairs = rows_of([Example(a, (a.upper(),)) for a in "abcd"])
        >>> noisy = shuffled(pairs, 0.5, 0)
        >>> int(noisy.columns["right"].sum()), (noisy.positives[:, 0] == pairs.positives[:, 0]).sum().item()
        (2, 2)
    """
    assert data.positives is not None
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(data), generator=generator)[: round(share * len(data))]
    positives, right = data.positives.clone(), torch.ones(len(data))
    if len(chosen) > 1:
        positives[chosen], right[chosen] = data.positives[chosen.roll(-1)], 0.0
    return replace(data, positives=positives, columns={**data.columns, "right": right})


# starts


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


def small_bert(data: Data, seed: int) -> TransformerEncoder:
    """A copy of a BERT in miniature (2 layers of 128), a masked language model of sentences; nothing was contrasted.

    It is the same for every seed, as one pretrained model is.
    """
    del data, seed
    return copy.deepcopy(_pretrained("sentences", _PRETRAINED))


def quick_bert(data: Data, seed: int) -> TransformerEncoder:
    """The same after a few steps, for what takes seconds."""
    del data, seed
    return copy.deepcopy(_pretrained("descriptions", 10))


# floors


class Lexical:
    """BM25 in an encoder's place: it has no vectors, and ranks.

    A rival that has been made for it, with stems and lengths, where `TfIdf` is what texts are by themselves.

    Examples:
        >>> cats, dogs = Items("text", ["a cat"]), Items("text", ["a dog", "the cat"])
        >>> int(next(iter(Lexical().score_rows(cats, dogs))).scores_bm.argmax())
        1
    """

    def score_rows(self, queries: Items, documents: Items) -> Iterator[ScoreRows]:
        """The scores of all documents for each query."""
        return BM25(list(documents.texts)).score_rows(list(queries.texts))

    def encode_items(self, items: Items, *, kind: Kind = None) -> Float[np.ndarray, "n d"]:
        """None.

        Raises:
            InputError: Always.
        """
        del items, kind
        raise InputError("BM25 has no vectors", fix="ask for a figure of retrieval")


class TfIdf:
    """Texts as tf-idf vectors of their words, the idf of the training texts: what shares words is near.

    Examples:
        >>> z = TfIdf(["a red cat", "a dog"]).encode_items(Items("text", ["red cat", "cat", "dog"]))
        >>> bool(z[0] @ z[1] > z[0] @ z[2])
        True
    """

    def __init__(self, texts: Sequence[str]) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        self._words = TfidfVectorizer(dtype=np.float32).fit(texts)

    def encode_items(self, items: Items, *, kind: Kind = None) -> Float[np.ndarray, "n d"]:
        """One row a text."""
        del kind
        vectors: np.ndarray = self._words.transform(items.texts).toarray()
        return vectors

    def score_rows(self, queries: Items, documents: Items) -> Iterator[ScoreRows]:
        """The cosine of each query with all documents; of many, their vectors would be too wide to hold."""
        q, d = self._words.transform(queries.texts), self._words.transform(documents.texts).T.tocsr()
        for start in range(0, len(queries), 256):
            scores = (q[start : start + 256] @ d).toarray()
            yield ScoreRows(scores, scores.max(1))


def bm25(parts: Parts) -> Encodes:
    """It knows no training part."""
    del parts
    return Lexical()


def tf_idf(parts: Parts) -> Encodes:
    """The idf of the training texts."""
    train = parts[0]
    return TfIdf([*train.anchors.texts, *(train.others.texts if train.others is not None else ())])


LEXICAL = Given("BM25", bm25)
TF_IDF = Given("tf-idf", tf_idf)


# figures


def _aligned(made: Made) -> float:
    data = made.test
    assert data.others is not None and data.positives is not None  # noqa: PT018
    score = data.columns["score"]
    like = data[score >= 0.8 * score.max()]
    assert like.positives is not None
    z = (
        made.encoder.encode_items(like.anchors[like.anchor]),
        made.encoder.encode_items(data.others[like.positives[:, 0]]),
    )
    a, b = (F.normalize(torch.from_numpy(side).float(), dim=1) for side in z)
    return float((a - b).square().sum(1).mean())


alignment_of_like = Figure("alignment of like pairs", _aligned)
"""Wang and Isola 2020, equation 1, of the test pairs that people find alike (from 0.8 of the highest score)."""


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


# testbeds

_TABLE_START = "a random table of token vectors (20,000 x 256)"
_BERT = f"a BERT in miniature (2 layers of {_WIDTH}), {_PRETRAINED} steps of masked language modelling"
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
    f"28,000 sentences of SNLI and STS-B to train on, STS-B's test pairs; {_BERT} on these sentences, then 300 steps "
    "at a rate of 5e-4",
    small_bert,
    steps=300,
    settings=SMALL_BERT,
    raw=TF_IDF,
    figures=(spearman, alignment_of_like),
)
INFERENCES = replace(
    SENTENCES,
    name="STS-B, inferences",
    parts=inferences,
    about="SNLI's premises with an entailed and a contradicting hypothesis to train on, STS-B's test pairs; "
    f"{_BERT} on SNLI's and STS-B's sentences, then 150 steps of 128 at a rate of 5e-4",
    steps=150,
    settings=SMALL_BERT | {"batch_size": 128},
)
SCORED_SENTENCES = replace(
    SENTENCES,
    name="STS-B, scores",
    parts=scored_sentences,
    about=f"STS-B's training pairs with their scores, its test pairs; {_BERT} on SNLI's and STS-B's sentences, then "
    "300 steps at a rate of 5e-4",
)
LIKENESS = Testbed(
    "likeness",
    likeness,
    "2,000 descriptions of the included corpus to train on; 300 held-out titles with their own description, one of the "
    f"same section and one of another; a BERT in miniature (2 layers of {_WIDTH}) after 10 steps of masked language "
    "modelling, then 40 steps at a rate of 2e-3",
    quick_bert,
    steps=40,
    settings=SMALL_BERT | {"learning_rate": 2e-3},
    raw=TF_IDF,
    figures=(spearman,),
)


@cache
def _corpus() -> DebianCorpus:
    return debian()


@cache
def _titles() -> Parts:
    corpus = _corpus()
    return rows_of(corpus.train.examples, "included corpus"), Collection.of(corpus.heldout)


@cache
def _some() -> Data:
    examples = _corpus().train.examples
    return rows_of(examples[:: len(examples) // 4000][:4000], "included corpus")


@cache
def _among(most: int) -> Collection:
    test = _titles()[1]
    assert isinstance(test, Collection)
    return test.among(most)


def _retrieval(name: str, split: str | None) -> Retrieval:
    """One of BEIR's layout."""
    whole = read(find(name), split=split)
    assert isinstance(whole, Retrieval)
    return whole


def _only(whole: Retrieval, asked: Sequence[str]) -> Retrieval:
    """Some of the queries, and no others."""
    return replace(
        whole, queries={q: whole.queries[q] for q in asked}, qrels={q: whole.qrels[q] for q in asked}
    )  # fmt: skip


def _rows(whole: Retrieval) -> Data:
    """Judged pairs of the queries that are judged."""
    return replace(judged_rows(_only(whole, [q for q in whole.qrels if q in whole.queries])), columns={})


@cache
def _scifact() -> Parts:
    train, test = (_retrieval("scifact", part) for part in ("train", "test"))
    # two claims are in both parts, word for word
    held = {test.queries[q] for q in test.qrels}
    return _rows(_only(train, [q for q in train.qrels if train.queries[q] not in held])), Collection.of(test)


@cache
def _seen() -> Data:
    train, test = (_retrieval("scifact", part) for part in ("train", "test"))
    return _rows(replace(train, queries=train.queries | test.queries, qrels=train.qrels | test.qrels))


@cache
def _abstracts() -> Data:
    import json

    with find("scifact/corpus.jsonl").open(encoding="utf-8") as file:
        documents = [json.loads(line) for line in file]
    return rows_of([Example(d["title"], (d["text"],)) for d in documents if d["title"] and d["text"]], "SciFact")


def _text_data(name: str) -> TextData:
    data = read(find(name))
    assert isinstance(data, TextData)
    return data


@cache
def _similar(part: str) -> Data:
    return rows_of(_text_data(f"stsb/en-{part}.tsv").examples, f"STS-B {part}")


@cache
def _inferences() -> Data:
    pairs = [e for part in ("dev", "test") for e in _text_data(f"snli/{part}.tsv").examples]
    rows = [
        Example(e.anchor, (entailed,), (contradicting,))
        for e in pairs
        for entailed, contradicting in zip(e.positives, e.negatives, strict=False)
    ]
    return rows_of(rows, "SNLI")


@cache
def _sentences() -> list[str]:
    inferred, judged = _inferences(), _similar("train")
    assert inferred.others is not None and judged.others is not None  # noqa: PT018
    every = (inferred.anchors, inferred.others, judged.anchors, judged.others)
    return list(dict.fromkeys(text for items in every for text in items.texts))


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
    encoder = table(_abstracts(), seed)
    recipe.make(_abstracts(), seed, encoder=encoder)
    return encoder


@cache
def _pretrained(of: str, steps: int) -> TransformerEncoder:
    if of == "sentences":
        texts = _sentences()
    else:
        data = _titles()[0]
        assert data.others is not None
        texts = list(data.others.texts[:4000])
    encoder = small_transformer(
        texts, width=_WIDTH, heads=2, spread=_WIDTH**-0.5, max_seq_length=_LENGTH, normalize=False
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        masked = MaskedLM(encoder, texts)
    settings = TrainConfig(steps=steps, batch_size=128, learning_rate=2e-3, validations=1, chunk_tokens=1 << 20)
    train(masked, masked, masked.objective(), settings)
    return encoder
