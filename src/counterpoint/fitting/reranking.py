"""From pairs to a model that puts in order what a search found, measured by what it makes better."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from counterpoint.data import Example, Retrieval, retrieval_from_pairs
from counterpoint.data.items import Data, Items
from counterpoint.data.rows import texts_of
from counterpoint.encoders import StaticEncoder, TransformerEncoder, load
from counterpoint.encoders._checkpoint import MODEL_FILES, resolve
from counterpoint.encoders.crossing import CrossEncoder, KernelCrossEncoder, load_cross_encoder
from counterpoint.encoders.crossing_transformer import TransformerCrossEncoder, is_cross_encoder
from counterpoint.encoders.saving import KERNELS, saved_name
from counterpoint.errors import InputError
from counterpoint.evaluate.reranking import Reranking, candidates, evaluate_reranking
from counterpoint.files import alone, atomic, check_output, write_json
from counterpoint.fitting.bases import minilm_folder, resolve_base, start_digest
from counterpoint.fitting.parts import Parts
from counterpoint.fitting.resuming import TRAINING, bind, check_run
from counterpoint.fitting.run import environment
from counterpoint.fitting.texts import load_texts
from counterpoint.geometry import Dot
from counterpoint.negatives import by_encoder, lexical, mine
from counterpoint.negatives.rules import uniform
from counterpoint.objectives import DistillKL, InfoNCE, Objective, Pairs, Triplet
from counterpoint.search.language import check_language
from counterpoint.training import CrossLists, TrainConfig, train
from counterpoint.training._processes import Processes
from counterpoint.training.lists import lists, whole, with_teacher

SCRATCH = "kernels"
"""The base that is made from the texts."""
FINISHED = "reranking.json"
_NEGATIVES = 7
_VALIDATED = 100
"""Queries of dev by which is chosen: each costs as many pairs as there are candidates."""
_SHOWN = frozenset({"step", "steps", "epoch", "loss", "ln_batch", "learning_rate", "items_per_second", "dev"})


def listwise() -> Objective:
    """Softmax cross-entropy over each query's list."""
    return InfoNCE(1.0, geometry=Dot())


def pointwise() -> Objective:
    """Binary cross-entropy of every pair by itself: the mean over the list."""
    return Pairs(0.0, 0.0, shape=F.softplus, geometry=Dot())


def margin() -> Objective:
    """The positive should score higher by one than each negative."""
    return Triplet(1.0, geometry=Dot())


def by_teacher() -> Objective:
    """The distribution over the list should be the teacher's."""
    return DistillKL(1.0, geometry=Dot())


OBJECTIVES: dict[str, Callable[[], Objective]] = {"listwise": listwise, "pointwise": pointwise, "margin": margin}


@dataclass(frozen=True)
class FittedReranker:
    """What `fit_reranker` leaves behind.

    Attributes:
        folder: The model folder.
        model: The cross-encoder.
        measured: Of the test queries' candidates before and after.
        steps: How many were taken.
    """

    folder: Path
    model: CrossEncoder
    measured: Reranking
    steps: int


@alone
def fit_reranker(
    source: Any,
    output: str | os.PathLike[str],
    *,
    base: str = "auto",
    objective: str = "listwise",
    teacher: str | None = None,
    retriever: str = "bm25",
    negatives: int | None = None,
    depth: int = 100,
    dev: float | int | str = 0.05,
    test: float | int | str = 0.1,
    max_length: int | None = None,
    language: str = "auto",
    reading: dict[str, Any] | None = None,
    seed: int = 0,
    say: Callable[[str], None] = print,
    on_row: Callable[[dict[str, Any]], None] | None = None,
    **settings: Any,
) -> FittedReranker:
    """Train a model that reads a query and a document together, and measure what it makes of a search's results.

    The queries that are held out search all documents; the best are put in the model's order, and the figures are of
    both orders. The same call again after a kill goes on where it stopped and ends with the same model.

    Args:
        source: Pairs, tuples or a BEIR folder, as `fit` takes them; or data in memory.
        output: The model folder, which appears at the end, whole.
        base: "kernels": kernels over a table of token vectors, made from the texts (`KernelCrossEncoder`); a
            transformer's folder or name, such as "minilm" or "smollm2"; a cross-encoder to go on from; "auto": minilm
            where it is installed, else kernels.
        objective: "listwise", "pointwise" or "margin", over each query's positive and its negatives.
        teacher: A cross-encoder whose scores of the lists are learned in place of that (KL divergence).
        retriever: Who finds what is put in order, and the negatives: "bm25", or an encoder's folder or name.
        negatives: To mine for each row, drawn from the first `depth` that are found; 7 where the data have none of
            their own, else none.
        depth: How many documents of a query are put in order.
        dev: Held out to choose the best weights by, as for `fit`.
        test: Held out for the figures, as for `fit`.
        max_length: Tokens of a pair, of a transformer; up to 512 if not given.
        language: Of the texts, for BM25.
        reading: Options of `counterpoint.data.read`.
        seed: Of the split, the draws, the base and the training.
        say: Told what happens, a sentence at a time.
        on_row: Told each monitored step.
        **settings: Fields of `TrainConfig` to change, such as `epochs=3`; None leaves a field as it is. A batch is of
            16 lists; kernels are trained for 5 epochs at a learning rate of 1e-2, others for one at 2e-5.

    Raises:
        InputError: For data, models or settings that do not do.

    Examples:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> rows = [f"the {c} {n}\\t{c} {n} here\\n" for c in ("red", "blue", "pink") for n in range(20)]
        >>> _ = (folder / "pairs.tsv").write_text("query\\tdocument\\n" + "".join(rows))
        >>> made = fit_reranker(folder / "pairs.tsv", folder / "reranker", base="kernels", say=lambda _: None)
        >>> made.model.score(["the red 3"], ["red 3 here"]).shape
        (1,)
    """
    check_language(language)
    output, processes = Path(output), Processes.current()
    say = say if processes.first else lambda _: None
    given = {name: value for name, value in settings.items() if value is not None}
    base = base if base != "auto" else "minilm" if minilm_folder() is not None else SCRATCH
    if objective not in OBJECTIVES:
        raise InputError(f"unknown objective {objective!r}", fix=f"choose one of {', '.join(OBJECTIVES)}")
    if depth < 2 or (negatives is not None and negatives < 0):
        raise InputError(f"{negatives} negatives of the first {depth}", fix="give 0 or more, of the first 2 or more")
    start: dict[str, Any] = {"epochs": 1.0, "learning_rate": 2e-5, "batch_size": 16, "validations": 4}
    if base == SCRATCH:
        start |= {"epochs": 5.0, "learning_rate": 1e-2, "weight_decay": 0.0}
    config = TrainConfig(**{**start, **given, "seed": seed})
    name = os.fspath(source) if isinstance(source, str | os.PathLike) else "memory"
    asked: dict[str, Any] = {
        "source": name, "base": base, "objective": objective, "teacher": teacher, "retriever": retriever,
        "negatives": negatives, "depth": depth, "dev": str(dev), "test": str(test), "max_length": max_length,
        "language": language, "reading": reading or {}, "seed": seed, **given,
    }  # fmt: skip
    where = {"finished": FINISHED, "shown": FINISHED}
    if processes.first:
        check_output(output, "replaced folder", ours=MODEL_FILES, source=None if name == "memory" else name)
        check_run(output, asked, **where)
    options = {} if max_length is None else {"max_length": max_length}
    # before texts are read, which takes long
    model = None if base == SCRATCH else _given(base, seed, options)
    if model is None and options:
        raise InputError("kernels read 200 tokens of each text", fix="leave out --max-length")
    finder = None if retriever == "bm25" else _encoder(retriever)
    guide = None if teacher is None else load_cross_encoder(teacher)
    # the folder itself is replaced in the end
    rejected = output.with_name(f"{output.name}.rejected") if processes.first else None
    parts = load_texts(source, reading or {}, dev, test, seed, rejected)
    if parts.train.schema not in ("pairs", "tuples"):
        raise InputError(
            f"{parts.about.schema} have no queries and answers", file=parts.about.source, fix="give pairs or tuples"
        )
    say(parts.description)
    chosen, measured = (_test(parts, part) for part in (parts.dev, parts.test))
    if measured is None:
        fix = "give --test a fraction, a number of rows or a file"
        raise InputError("nothing is held out for the figures", file=parts.about.source, fix=fix)
    if chosen is None and config.patience:
        raise InputError("nothing is held out for validation, which --patience waits for", fix="give --dev, too")
    if processes.first:
        models = [name for name in (base, teacher, retriever) if name and name not in (SCRATCH, "bm25")]
        bind(output, {**asked, "data": parts.digest(), "start": [*map(start_digest, models)]}, **where)
    data = _lists(parts, negatives, depth, finder, language, seed)
    if guide is not None:
        data = with_teacher(data, guide.score)
    model = model or _kernels(data, seed)
    if torch.cuda.is_available():
        model.to("cuda")
    say(f"training {base} on {len(data):,} lists of {lists(data).shape[1]}, {teacher or objective}")
    run = candidates(measured, depth, encoder=finder, language=language)
    validate = _validation(model, chosen, depth, finder, language)

    def tell(row: dict[str, Any]) -> None:
        if on_row is not None:
            # what else is watched says how far vectors are spread, and these are scores
            on_row({name: value for name, value in row.items() if name in _SHOWN})

    loss = by_teacher() if guide is not None else OBJECTIVES[objective]()
    result = train(
        model, CrossLists(data, model), loss, config, folder=output / TRAINING, validate=validate, on_row=tell
    )
    if result.best is not None and not result.best_step:
        say("note: no validation was better than the one before training, so the model is the untrained one")
    found = evaluate_reranking(model.score, measured, run, seed=seed)
    if processes.first:
        with atomic(output) as part:
            model.save(part)
            about = {"asked": asked, "config": asdict(config), "steps": result.steps, **found.to_json()}
            write_json(part / FINISHED, {**about, "environment": environment()})
        say(f"model: {output}")
    return FittedReranker(output, model, found, result.steps)


def each_positive(data: Data) -> Data:
    """A row for each positive of a row, with all its negatives.

    Examples:
        >>> from counterpoint.data.rows import rows_of
        >>> each_positive(rows_of([Example("a", ("b", "c"), ("d",)), Example("e", ("f",), ("d",))])).positives.tolist()
        [[0], [1], [3]]
    """
    assert data.positives is not None
    row, place = (data.positives >= 0).nonzero(as_tuple=True)
    return replace(data[row], positives=data.positives[row, place][:, None])


def _lists(parts: Parts, negatives: int | None, depth: int, finder: Any, language: str, seed: int) -> Data:
    """The training rows with their negatives, those that a search of all documents finds among them."""
    data = parts.train
    assert data.others is not None
    own = data.negatives is not None and bool((data.negatives >= 0).any())
    wanted = (0 if own else _NEGATIVES) if negatives is None else negatives
    if not wanted and not own:
        raise InputError("the rows have no negatives, and none are to be mined", fix="give --negatives 1 or more")
    if wanted:
        corpus = parts.test.corpus.values() if isinstance(parts.test, Retrieval) else ()
        known = set(data.others.texts)
        texts = [*data.others.texts, *dict.fromkeys(text for text in corpus if text not in known)]
        data = replace(data, others=Items("text", texts))
        ranker = lexical(texts, language=language) if finder is None else by_encoder(finder, data)
        data = mine(data, [ranker], wanted, depth=depth, draw=uniform, seed=seed)
    assert data.negatives is not None
    data = each_positive(data[(data.negatives >= 0).any(1)])
    if len(data) < 2:
        raise InputError("nothing is found that is no answer", file=parts.about.source, fix="give more documents")
    return data


def _test(parts: Parts, part: Data | Retrieval) -> Retrieval | None:
    """A part as queries that search the documents of all parts; None where there are none."""
    if isinstance(part, Retrieval):
        return part if part.queries else None
    if not len(part) or part.others is None or part.positives is None:
        return None
    texts, queries = whole(part.others), whole(part.anchors)
    rows = zip(part.anchor.tolist(), part.positives.tolist(), strict=True)
    examples = [Example(queries[anchor], tuple(texts[i] for i in own if i >= 0)) for anchor, own in rows]
    others = [other.others for other in (parts.train, parts.dev, parts.test) if isinstance(other, Data)]
    more = [text for items in others if items is not None for text in whole(items)]
    return retrieval_from_pairs(examples, more, parts.about.source)


def _validation(
    model: CrossEncoder, dev: Retrieval | None, depth: int, finder: Any, language: str
) -> Callable[[], dict[str, float]] | None:
    """nDCG@10 of the first queries of dev, whose candidates are found once."""
    if dev is None:
        return None
    asked = dict(list(dev.queries.items())[:_VALIDATED])
    part = replace(dev, queries=asked, qrels={query: gains for query, gains in dev.qrels.items() if query in asked})
    run = candidates(part, depth, encoder=finder, language=language)

    def validate() -> dict[str, float]:
        found = evaluate_reranking(model.score, part, run, metrics=["ndcg@10"], samples=0)
        return {"dev": found.after["ndcg@10"].value}

    return validate


def _given(base: str, seed: int, options: dict[str, Any]) -> CrossEncoder:
    """A model to go on from: a cross-encoder, or an encoder that becomes one."""
    name = resolve_base(base)
    folder = resolve(name)
    if saved_name(folder) == KERNELS or is_cross_encoder(folder):
        return load_cross_encoder(folder, **options)
    encoder = load(folder, backend="torch")
    if isinstance(encoder, TransformerEncoder):
        return TransformerCrossEncoder.of(encoder, seed=seed, **options)
    raise InputError(f"{base} is no transformer", fix=f"give one, or {SCRATCH}")


def _encoder(name: str) -> Any:
    from counterpoint.encoders._base import TextEncoder

    encoder = load(resolve_base(name))
    if not isinstance(encoder, TextEncoder):
        raise InputError("is no model of texts", file=name, fix="give another model, or bm25")
    return encoder


def _kernels(data: Data, seed: int) -> KernelCrossEncoder:
    # its tokenizer follows from the texts alone, so that a resumed run makes the same
    texts = list(dict.fromkeys(texts_of(data)))
    return KernelCrossEncoder(StaticEncoder.from_corpus(texts, vocab_size=20_000, dim=64, seed=seed, prompts={}))
