"""The main job: from a file or folder of anything to a better model, measured, saved and searchable."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from counterpoint.data.rows import texts_of
from counterpoint.data.schema import ColumnMap
from counterpoint.data.shards import shard_files
from counterpoint.data.stored import give_back, is_stored, some
from counterpoint.encoders import TransformerEncoder, count_cut, load, unknown_note
from counterpoint.encoders.cutting import FIX
from counterpoint.encoders.towers import Towers
from counterpoint.errors import InputError, refuse_string
from counterpoint.files import alone, check_output, remove, write_json
from counterpoint.fitting.bases import check_length, choose_base, from_scratch, lock, make_base, start_digest
from counterpoint.fitting.content import content_of
from counterpoint.fitting.each import EachSource
from counterpoint.fitting.parts import Parts, kind_of_source, load_parts
from counterpoint.fitting.presets import left_out, preset, seen_by
from counterpoint.fitting.prompts import share_prompt
from counterpoint.fitting.resuming import STORED, bind, check_run
from counterpoint.fitting.task import make_task
from counterpoint.fitting.tracking import Tracking, check_tracker
from counterpoint.methods import Recipe
from counterpoint.report import Content, model_card, write_report
from counterpoint.search.language import check_language
from counterpoint.tasks import Measured
from counterpoint.training import TrainConfig, TrainResult
from counterpoint.training._processes import Processes

RUN_FILES = ("run.json", ".training", "rejected.jsonl", "rejected-dev.jsonl", "rejected-test.jsonl")
"""What tells the folder of a run, at whatever point it stopped."""

_VOCABULARY = 100_000
"""Rows of shards from whose texts a base from scratch has its tokens."""

_UNTRAINED = (
    "no validation was better than the one before training, so the model is the untrained one; give more data, a larger"
    " --dev, or another --learning-rate"
)


@dataclass(frozen=True)
class FitResult:
    """What `fit` leaves behind.

    Attributes:
        folder: Holds `model/`, `report.html`, `run.json` and, if asked for, `index/`.
        encoder: The trained encoder.
        content: What the report says.
        measured: Figures of every system, with their per-item values.
    """

    folder: Path
    encoder: Any
    content: Content
    measured: list[Measured]


@alone
def fit(
    source: Any,
    output: str | os.PathLike[str] = "runs/fit",
    *,
    more: Sequence[Any] = (),
    base: str = "auto",
    method: Recipe | None = None,
    columns: ColumnMap | None = None,
    schema: str | None = None,
    split: str | None = None,
    skip_bad: bool = False,
    dev: float | int | str = 0.05,
    test: float | int | str = 0.1,
    strict_split: bool = False,
    index: bool = False,
    language: str = "auto",
    log: str | None = None,
    max_length: int | None = None,
    seed: int = 0,
    say: Callable[[str], None] = print,
    on_row: Callable[[dict[str, Any]], None] | None = None,
    **settings: Any,
) -> FitResult:
    """Train a better embedding model for the texts of a file, and measure whether it is better.

    Reads and recognises the data, splits it without leaks, chooses a system by the schema and a base model, measures
    the baselines, trains with the best dev weights kept, evaluates on test with intervals, and saves the model, a model
    card and a report. The same call again after a kill goes on where it stopped and ends with the same model.

    Args:
        source: A file, folder or hub name that `counterpoint.data.read` takes, or `included:debian`; or a folder of
            shards, which are not held in memory (`counterpoint.data.shards`).
        output: The folder of the run.
        more: Further sources of the same kind; batches mix all rows, and the report has the figures of each source.
        base: "auto" (MiniLM where its extra is installed, else static), "static", "minilm", or a model folder or name.
        method: How to train; chosen by what the data are if not given.
        columns: Role -> column, where recognition is to be overruled.
        schema: The schema, likewise.
        split: Which part of a dataset to read, see `counterpoint.data.read`; of the source, not of `dev` and `test`.
        skip_bad: Go on without bad rows; they are written to `rejected.jsonl` with their reasons.
        dev: Rows held out for validation: a fraction, a number, or a file of its own; 0: none, the last weights are
            kept.
        test: Rows held out for the figures: the same, but not none. Of texts alone dev and test may be BEIR folders,
            whose queries find them.
        strict_split: Of retrieval data: leave out of training what shares a document with dev or test.
        index: Make a search index of all documents.
        language: Of the texts, for BM25's stems: recognised, or a name, or "none" (see `counterpoint.search.BM25`).
        log: Also show the run in "tensorboard", "wandb" or "trackio"; the files are in the folder's `logs`.
        max_length: Tokens at which a transformer cuts texts, up to its positions; what its folder says if not given.
        seed: Of the split, the base and the training.
        say: Told what happens, a sentence at a time.
        on_row: Told each monitored step.
        **settings: Fields of `TrainConfig` to change, such as `epochs=3`; None leaves a field as it is.

    Returns:
        The encoder, its figures and where everything is.

    Raises:
        InputError: for data, models or settings that do not do.

    Examples:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> rows = [f"the {c} {n}\\t{c} {n} here\\n" for c in ("red", "blue", "pink") for n in range(40)]
        >>> _ = (folder / "pairs.tsv").write_text("query\\tdocument\\n" + "".join(rows))
        >>> result = fit(folder / "pairs.tsv", folder / "run", base="static", epochs=1, say=lambda _: None)
        >>> sorted(p.name for p in result.folder.iterdir())
        ['model', 'report.html', 'run.json']
    """
    check_language(language)
    started = time.time()
    if log is not None:
        check_tracker(log)
    output, processes = Path(output), Processes.current()
    say = say if processes.first else lambda _: None
    settings = {name: value for name, value in settings.items() if value is not None}
    refuse_string(more, "more")
    # what is out of its range is said before anything is written
    TrainConfig(**settings, seed=seed)
    base = choose_base(base, kind_of_source(source, columns))
    names = [os.fspath(each) if isinstance(each, str | os.PathLike) else "memory" for each in (source, *more)]
    name = " and ".join(names)
    asked = {
        "source": name, "base": base, "system": None if method is None else method.name,
        "columns": columns, "schema": schema, "split": split, "dev": str(dev), "test": str(test), "index": index,
        "language": language, "max_length": max_length, "strict_split": strict_split, "seed": seed, **settings,
    }  # fmt: skip
    check_length(base, max_length)
    if processes.first:
        check_output(output, ours=RUN_FILES, source=names[0])
        check_run(output, asked)
    if index and shard_files(source):
        fix = "leave out --index; afterwards: counterpoint index"
        raise InputError("--index holds all vectors in memory, and shards may be larger", file=names[0], fix=fix)
    reading = {"columns": columns, "schema": schema, "split": split, "skip_bad": skip_bad}
    parts = load_parts(
        source,
        reading,
        dev,
        test,
        seed,
        output if processes.first else None,
        strict=strict_split,
        more=more,
        stored=output / ".training" / STORED,
        say=say,
    )
    if not parts.sizes["test"]:
        fix = "give --test a fraction, a number of rows or a file"
        raise InputError("nothing is held out for the figures", file=parts.about.source, fix=fix)
    say(parts.description)
    validated = parts.sizes["dev"] > 0
    if not validated:
        if settings.get("patience"):
            raise InputError("nothing is held out for validation, which --patience waits for", fix="give --dev, too")
        say("nothing is held out for validation: the last weights are kept")
    if method is not None:
        method.refuse(parts.train)
    # a model that does not take these is refused before anything is written
    encoder = None if from_scratch(base) else make_base(base, some(parts.train), seed, max_length)
    if processes.first:
        bind(output, {**asked, "data": parts.digest(), "start": start_digest(base)})
    if encoder is None:
        encoder = _from_scratch(parts, base, seed, max_length, output, processes)
    if is_stored(parts.train):
        give_back()
    if torch.cuda.is_available():
        encoder.to("cuda")
    recipe = method or preset(parts.train, encoder)
    recipe = seen_by(recipe.changed(**settings), encoder)
    parts, recipe, about_prompts = share_prompt(parts, recipe, encoder)
    if about_prompts:
        say(about_prompts)
    encoder = recipe.settle(encoder, seed)
    task, each = make_task(parts, encoder), EachSource(parts, encoder)
    cut = (*text_notes(parts, encoder), *left_out(parts.train, recipe)) if processes.first else ()
    for sentence in cut:
        say(f"note: {sentence}")
    say(f"training {recipe.name} from {base} on {len(parts.train):,} {parts.about.schema}")
    baselines, before = [], None
    if processes.first:
        baselines, before = task.baselines(language), task.measure("untrained", encoder)
        for m in (*baselines, before):
            say(_sentence(m))
        each.baselines(language)
        each.measure("untrained", encoder)
    if is_stored(parts.train):
        give_back()
    shown = {**asked, "objective": recipe.name, **asdict(recipe.stages[-1].train)}
    tracking = Tracking(log, output, shown) if log and processes.first else None
    listeners = [listen for listen in (on_row, tracking and tracking.row) if listen]

    def tell(row: dict[str, Any]) -> None:
        for listen in listeners:
            listen(row)

    _, result = recipe.make(
        parts.train,
        seed,
        encoder=encoder,
        folder=output / ".training",
        validate=(lambda: {"dev": task.validate(encoder)}) if validated else None,
        on_row=tell,
    )
    if not processes.first or before is None:
        return FitResult(output, encoder, Content("", "", None, None, ()), [])  # type: ignore[arg-type]
    for warning in result.warnings:
        say(f"warning: {warning}")
    kept = () if result.best is None or result.best_step else (_UNTRAINED,)
    for sentence in kept:
        say(f"note: {sentence}")
    after = task.measure("trained", encoder)
    each.measure("trained", encoder)
    measured = [*baselines, before, after, *task.combined(baselines, after)]
    for m in measured[len(baselines) + 1 :]:
        say(_sentence(m))
    if tracking is not None:
        values = {f"{m.name}/{name}": figure.value for m in measured for name, figure in m.figures.items()}
        tracking.figures(values, result.steps)
    content = content_of(
        parts, recipe, encoder, task, measured, each.groups(), before, after, result, output, index, base,
        (*task.notes, *cut, *kept), {"seed": seed, "seconds": round(time.time() - started, 1), **environment()},
    )  # fmt: skip
    _save(output, encoder, content, asked, result, parts if index else None, say)
    return FitResult(output, encoder, content, measured)


def environment() -> dict[str, Any]:
    """Versions and machine, for whoever wants to do it again."""
    import transformers

    from counterpoint import __version__

    return {
        "counterpoint": __version__,
        "torch": str(torch.__version__),
        "transformers": transformers.__version__,
        "python": platform.python_version(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else platform.machine(),
    }


def text_notes(parts: Parts, encoder: Any) -> tuple[str, ...]:
    """What there is to say of texts: those longer than the encoder takes, each side once; tokens that it lacks."""
    fix = f"give --max-length, {FIX}" if isinstance(encoder, TransformerEncoder) and encoder.can_take_more else FIX
    sides = parts.sides()
    towers = {kind: encoder.side(kind) if isinstance(encoder, Towers) else encoder for _, kind, _ in sides}
    counts = {side: count_cut(towers[kind], texts, kind) for side, kind, texts in sides}
    unknown = (
        unknown_note(next(iter(towers.values())), list(dict.fromkeys(texts_of(some(parts.train))))) if sides else ""
    )
    return (*(cut.sentence(side, fix) for side, cut in counts.items() if cut.texts), *filter(None, [unknown]))


def _from_scratch(
    parts: Parts, base: str, seed: int, max_length: int | None, output: Path, processes: Processes
) -> Any:  # fmt: skip
    """A base that is made from the data; it is kept, so that a resumed run has the same tokenizer."""
    kept = output / ".training" / "base"
    if processes.first and not kept.exists():
        make_base(base, some(parts.train, _VOCABULARY), seed, max_length, parts.relations).save(kept)
    processes.wait()
    encoder = load(kept)
    lock(base, encoder)
    return encoder


def _save(
    output: Path,
    encoder: Any,
    content: Content,
    asked: dict[str, Any],
    result: TrainResult,
    parts: Parts | None,
    say: Callable[[str], None],
) -> None:
    encoder.save(output / "model")
    (output / "model" / "README.md").write_text(model_card(content))
    write_report(content, output / "report.html")
    if parts is not None:
        _index(output, encoder, parts, str(asked["language"]), say)
    about = {"asked": asked, "content": content.to_json(), "steps": result.steps, "best_step": result.best_step}
    write_json(output / "run.json", about)
    remove(output / ".training")
    say(f"model: {output / 'model'}; report: {output / 'report.html'}")


def _index(output: Path, encoder: Any, parts: Parts, language: str, say: Callable[[str], None]) -> None:
    from counterpoint.encoders import encode_nonzero
    from counterpoint.search import Index

    for name, documents, texts in parts.collections():
        ids = list(documents.names) or [f"d{i}" for i in range(len(documents))]
        if getattr(encoder, "several", False):
            z: Any = encoder.encode_each(documents, kind="document", half=True)
        elif getattr(encoder, "sparse", False) and not documents.prompts:
            z = encode_nonzero(encoder, documents.texts, kind="document")
        else:
            z = encoder.encode_items(documents, kind="document")
        Index.build(
            output / name,
            ids,
            texts,
            z,
            encoder=encoder,
            metadata={"model": os.path.relpath(output / "model", output / name)},
            language=language,
        ).close()
        say(f"index of {len(ids):,} {documents.modality}s: {output / name}")


def _sentence(m: Measured) -> str:
    return f"{m.name}{m.about and f' ({m.about})'}: " + ", ".join(
        f"{name} {f.value:.3f}" + (f" [{f.interval.low:.3f}, {f.interval.high:.3f}]" if f.interval else "")
        for name, f in m.figures.items()
    )
