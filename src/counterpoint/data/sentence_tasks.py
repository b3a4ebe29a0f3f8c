"""The folders of SentEval and of SemEval's STS, in the layouts in which they are handed out."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from counterpoint.data._task_lines import cells_of, first_line, lines_of, spaced, there, uneven
from counterpoint.data.build import BadRowError
from counterpoint.data.layouts import beir_files, read
from counterpoint.data.types import Example, TextData
from counterpoint.errors import InputError

YEARS: dict[str, tuple[str, ...]] = {
    "STS12": ("MSRpar", "MSRvid", "SMTeuroparl", "surprise.OnWN", "surprise.SMTnews"),
    "STS13": ("FNWN", "headlines", "OnWN"),
    "STS14": ("deft-forum", "deft-news", "headlines", "images", "OnWN", "tweet-news"),
    "STS15": ("answers-forums", "answers-students", "belief", "headlines", "images"),
    "STS16": ("answer-answer", "headlines", "plagiarism", "postediting", "question-question"),
}
"""The subsets that SentEval takes of each year; of 2013 all but SMT, which is not free."""
STS = (*YEARS, "STS-B", "SICK-R")
TRANSFER = ("MR", "CR", "SUBJ", "MPQA", "SST", "TREC", "MRPC")
_DEPTH = 3
_INPUT = re.compile(r"STS(?:20\d\d)?\.input\.(.+)\.txt")
_BOTH = re.compile(r"STS\.([a-z]{2,3}-[a-z]{2,3})\.txt")
_PARALLEL = re.compile(r"tatoeba\.(([a-z]{3})-eng)\.(\2|eng)")
_MULTI = re.compile(r"stsb-([a-z]{2,3}(?:-[a-z]{2,3})?)-test\.csv")

Part = Mapping[str, TextData]


@dataclass(frozen=True)
class SentenceTasks:
    """What a folder of sentence tasks holds.

    Attributes:
        source: The folder.
        scored: Task (`STS12`, ..., `STS-B`, `SICK-R`, or a folder's name) -> subset -> scored pairs; a task that has no
            subsets has one of the name "".
        labelled: Task (`MR`, ..., `MRPC`) -> part -> labelled texts, in the order of SentEval; the parts are `all`, or
            `train` and `test`, or `train`, `dev` and `test`. The rows of MRPC are pairs with a label.
        parallel: Language pair (`deu-eng`) -> pairs of translations.
        notes: What was left out, and why.
    """

    source: str
    scored: dict[str, Part] = field(default_factory=dict)
    labelled: dict[str, Part] = field(default_factory=dict)
    parallel: dict[str, TextData] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def account(self) -> str:
        """What was read, in one sentence without a full stop; what was left out is in `notes`."""
        groups = {**self.scored, **self.labelled, **{name: {"": data} for name, data in self.parallel.items()}}
        sizes = (f"{name} ({sum(map(len, parts.values())):,})" for name, parts in groups.items())
        return f"read sentence tasks from {self.source}: {', '.join(sizes)}"

    def texts(self) -> list[str]:
        """Every text of every task."""
        groups = (*self.scored.values(), *self.labelled.values(), self.parallel)
        return [text for parts in groups for data in parts.values() for text in data.texts()]


def read_sentence_tasks(source: str | os.PathLike[str]) -> SentenceTasks | None:
    """Read a folder of sentence tasks, or any part of it; None where the source is something else.

    | in the folder, or up to three folders below it | task |
    |---|---|
    | `STS.input.NAME.txt`, `STS.gs.NAME.txt` (`STS12-en-test`, ...) | STS of 2012 to 2016, or of a folder's own name |
    | `STS.en-de.txt`: two texts and a score (`STS2017-extended`) | the same, a language pair a file |
    | `stsb-de-test.csv` (stsb_multi_mt) | STS-B in other languages |
    | `sts-test.csv` (`STSBenchmark`) | STS-B |
    | `SICK_test_annotated.txt` | SICK-R |
    | `rt-polarity.pos`, `custrev.pos`, `subj.objective`, `mpqa.pos`, ... | MR, CR, SUBJ, MPQA |
    | `sentiment-train`, `-dev`, `-test` (`SST/binary`) | SST |
    | `train_5500.label`, `TREC_10.label` | TREC, by the six coarse labels |
    | `msr_paraphrase_train.txt`, `..._test.txt` | MRPC |
    | `tatoeba.deu-eng.deu`, `tatoeba.deu-eng.eng` (LASER's `data/tatoeba`) | bitext: line i translates line i |

    As in SentEval, words are separated by single blanks, pairs without a score are left out, and a year of STS is its
    subsets in `YEARS` and no others. The scores of `STS.input` may be in another of these folders. Of STS-B and SICK
    the test part is read; `sts-dev.csv` or `SICK_trial.txt`, given by itself, is read instead. A file that is not
    UTF-8 is read as Latin-1, as SentEval reads MR, CR, SUBJ, MPQA and TREC.

    Raises:
        InputError: A part or a file of scores is missing, two files have other numbers of lines, a row cannot be read,
            or nothing is scored, or all of it the same.

    Examples:
        >>> import pathlib, tempfile
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> _ = (folder / "STS.input.en-de.txt").write_text("a cat\\teine Katze\\na cat\\tein Hund\\n")
        >>> _ = (folder / "STS.gs.en-de.txt").write_text("5.0\\n1.2\\n")
        >>> tasks = read_sentence_tasks(folder)
        >>> [[len(data) for data in parts.values()] for parts in tasks.scored.values()]
        [[2]]
    """
    name = os.fspath(source)
    path = Path(name)
    if name.startswith("hf:") or not path.exists() or beir_files(name, None):
        return None
    notes: list[str] = []
    if path.is_file():
        named = {"sts-": ("STS-B", _benchmark), "SICK_": ("SICK-R", _sick)}
        task, reader = next((made for start, made in named.items() if path.name.startswith(start)), ("", None))
        if reader is None or path.suffix not in (".csv", ".txt") or "\t" not in first_line(path):
            return None
        return SentenceTasks(name, {task: {"": _scored(path, reader(path), notes)}}, notes=tuple(notes))
    found = SentenceTasks(name)
    folders = list(_folders(path, _DEPTH))
    gold = {file.name: file for folder in reversed(folders) for file in folder.glob("STS*.gs.*.txt")}
    for folder in folders:
        _read_scored(folder, gold, found.scored, notes)
        _read_labelled(folder, found.labelled, notes)
        _read_parallel(folder, found.parallel)
    if not (found.scored or found.labelled or found.parallel):
        return None
    order = {task: i for i, task in enumerate((*STS, *TRANSFER))}
    scored, labelled = (
        dict(sorted(tasks.items(), key=lambda item: order.get(item[0], len(order))))
        for tasks in (found.scored, found.labelled)
    )
    return SentenceTasks(name, scored, labelled, found.parallel, tuple(notes))


def _folders(path: Path, depth: int) -> Iterator[Path]:
    yield path
    if depth:
        for below in sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith(".")):
            yield from _folders(below, depth - 1)


# -- scored pairs


def _read_scored(folder: Path, gold: Mapping[str, Path], tasks: dict[str, Part], notes: list[str]) -> None:
    names = sorted(file.name for file in folder.iterdir() if file.is_file())
    inputs = {match[1]: folder / name for name in names if (match := _INPUT.fullmatch(name))}
    if inputs:
        _put(tasks, *_subsets(folder, inputs, gold, notes), folder)
    both = {match[1]: folder / name for name in names if (match := _BOTH.fullmatch(name))}
    if both:
        _put(tasks, folder.name, {key: _scored(file, _three(file), notes) for key, file in both.items()}, folder)
    languages = {match[1]: folder / name for name in names if (match := _MULTI.fullmatch(name))}
    if languages:
        _put(tasks, folder.name, {key: _table(file) for key, file in languages.items()}, folder)
    if any(re.fullmatch(r"sts-(train|dev|test)\.csv", name) for name in names):
        file = there(folder / "sts-test.csv", "STS-B")
        _put(tasks, "STS-B", {"": _scored(file, _benchmark(file), notes)}, folder)
    if any(re.fullmatch(r"SICK_(train|trial|test_annotated)\.txt", name) for name in names):
        file = there(folder / "SICK_test_annotated.txt", "SICK-R")
        _put(tasks, "SICK-R", {"": _scored(file, _sick(file), notes)}, folder)


def _subsets(
    folder: Path, inputs: dict[str, Path], gold: Mapping[str, Path], notes: list[str]
) -> tuple[str, dict[str, TextData]]:
    """The name of the task, and its subsets: those of SentEval where it is a year's, else all there are."""
    said = re.match(r"STS(?:20)?(1[2-6])\b", folder.name)
    year = f"STS{said[1]}" if said else next((year for year, own in YEARS.items() if set(own) <= inputs.keys()), "")
    for subset in YEARS.get(year, ()):
        if subset not in inputs:
            there(folder / f"STS.input.{subset}.txt", year)
    wanted = YEARS.get(year, tuple(inputs))
    if left := sorted(inputs.keys() - set(wanted)):
        notes.append(f"not part of {year} in SentEval, so left out: {', '.join(left)}")
    return year or folder.name, {subset: _subset(inputs[subset], gold, notes) for subset in wanted}


def _subset(file: Path, gold: Mapping[str, Path], notes: list[str]) -> TextData:
    name = file.name.replace(".input.", ".gs.")
    own = file.with_name(name)
    scores = own if own.is_file() else gold.get(name)
    if scores is None:
        raise InputError("pairs without their scores", file=file, fix=f"put {name} beside it")
    pairs, values = list(lines_of(file)), list(lines_of(scores))
    if len(pairs) != len(values):
        raise uneven(file, len(pairs), scores, len(values))

    def rows() -> Iterator[tuple[int, str, str, str]]:
        for (number, pair), (_, value) in zip(pairs, values, strict=True):
            cells = pair.split("\t")
            if len(cells) < 2:
                raise InputError(f"{len(cells)} field where two texts belong", file=file, line=number, fix="add a tab")
            yield number, cells[0], cells[1], value.strip()

    return _scored(file, rows(), notes, scores)


def _scored(
    file: Path, rows: Iterator[tuple[int, str, str, str]], notes: list[str], scores: Path | None = None
) -> TextData:
    """Pairs that have a score; `scores` is the file of the scores, if they have one of their own."""
    examples, unscored = [], 0
    for line, first, second, value in rows:
        if not value:
            unscored += 1
            continue
        try:
            score = float(value)
        except ValueError:
            score = float("nan")
        if score != score or abs(score) == float("inf"):
            raise InputError(
                f"the score is not a finite number: {value!r}", file=scores or file, line=line, fix="correct it"
            )
        texts = (spaced(first), spaced(second))
        if not all(texts):
            raise InputError("a text of the pair is empty", file=file, line=line, fix="correct it")
        examples.append(Example(texts[0], (texts[1],), score=score, line=line))
    if len({example.score for example in examples}) < 2:
        what = "all scores are the same" if examples else "no pair has a score"
        raise InputError(what, file=scores or file, fix="give pairs whose scores differ, or take the file away")
    if unscored:
        notes.append(f"pairs of {file.name} left out, as they have no score: {unscored:,}")
    return TextData("scored", examples, os.fspath(file))


def _benchmark(file: Path) -> Iterator[tuple[int, str, str, str]]:
    """Genre, file, year, number, score and two texts, and perhaps more."""
    yield from ((line, cells[5], cells[6], cells[4]) for line, cells in cells_of(file, 7))


def _sick(file: Path) -> Iterator[tuple[int, str, str, str]]:
    """A header; number, two texts, relatedness, and more."""
    yield from ((line, cells[1], cells[2], cells[3]) for line, cells in cells_of(file, 4) if line > 1)


def _three(file: Path) -> Iterator[tuple[int, str, str, str]]:
    yield from ((line, *cells[:3]) for line, cells in cells_of(file, 3))  # type: ignore[misc]


def _table(file: Path) -> TextData:
    data = read(file)
    if not isinstance(data, TextData) or data.schema != "scored":
        raise InputError("no pairs with scores", file=file, fix="give two texts and a score a row")
    return data


# -- labelled texts


def _halves(positive: str, negative: str) -> Callable[[Path], dict[str, list[Example]]]:
    """Two files of one label each; the first has the label 1."""

    def read_both(folder: Path) -> dict[str, list[Example]]:
        files = {"1": folder / positive, "0": folder / negative}
        rows = [
            Example(spaced(text), label=label, line=line)
            for label, file in files.items()
            for line, text in lines_of(there(file, folder.name))
        ]
        return {"all": rows}

    return read_both


def _parts(
    files: Mapping[str, str], row: Callable[[str], Example], header: int = 0
) -> Callable[[Path], dict[str, list[Example]]]:
    """A file a part, a row a line."""

    def read_parts(folder: Path) -> dict[str, list[Example]]:
        return {part: list(rows(there(folder / name, folder.name))) for part, name in files.items()}

    def rows(file: Path) -> Iterator[Example]:
        for line, text in lines_of(file):
            if line <= header or not text.strip():
                continue
            try:
                yield replace(row(text), line=line)
            except BadRowError as bad:
                raise InputError(str(bad), file=file, line=line, fix="correct the row") from bad

    return read_parts


def _sentiment(text: str) -> Example:
    sentence, tab, label = text.strip().rpartition("\t")
    if not tab or label not in ("0", "1"):
        raise BadRowError("not a text, a tab and 0 or 1")
    return Example(spaced(sentence), label=label)


def _question(text: str) -> Example:
    label, colon, rest = text.strip().partition(":")
    _, blank, question = rest.partition(" ")
    if not colon or not blank or label not in ("ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM"):
        raise BadRowError("not COARSE:fine and a question")
    return Example(spaced(question), label=label)


def _paraphrase(text: str) -> Example:
    cells = text.strip().split("\t")
    if len(cells) < 5 or cells[0] not in ("0", "1"):
        raise BadRowError("not 0 or 1, two numbers and two texts")
    return Example(spaced(cells[3]), (spaced(cells[4]),), label=cells[0])


_LABELLED: dict[str, tuple[tuple[str, ...], Callable[[Path], dict[str, list[Example]]]]] = {
    "MR": (("rt-polarity.pos", "rt-polarity.neg"), _halves("rt-polarity.pos", "rt-polarity.neg")),
    "CR": (("custrev.pos", "custrev.neg"), _halves("custrev.pos", "custrev.neg")),
    # objective is the first in SentEval
    "SUBJ": (("subj.objective", "subj.subjective"), _halves("subj.objective", "subj.subjective")),
    "MPQA": (("mpqa.pos", "mpqa.neg"), _halves("mpqa.pos", "mpqa.neg")),
    "SST": (
        ("sentiment-train", "sentiment-dev", "sentiment-test"),
        _parts({part: f"sentiment-{part}" for part in ("train", "dev", "test")}, _sentiment),
    ),
    "TREC": (
        ("train_5500.label", "TREC_10.label"),
        _parts({"train": "train_5500.label", "test": "TREC_10.label"}, _question),
    ),
    "MRPC": (
        ("msr_paraphrase_train.txt", "msr_paraphrase_test.txt"),
        _parts({part: f"msr_paraphrase_{part}.txt" for part in ("train", "test")}, _paraphrase, header=1),
    ),
}


def _read_labelled(folder: Path, tasks: dict[str, Part], notes: list[str]) -> None:
    for task, (names, reader) in _LABELLED.items():
        if not any((folder / name).is_file() for name in names):
            continue
        if task == "SST" and folder.name == "fine":
            notes.append("SST of five classes left out: the seven transfer tasks have that of two")
            continue
        parts = {}
        for part, rows in reader(folder).items():
            kept = [row for row in rows if all(row.texts)]
            if len(kept) < len(rows):
                notes.append(f"empty lines of {task} left out: {len(rows) - len(kept):,}")
            if len({row.label for row in kept}) < 2:
                what = f"{task} has rows of one label alone" if kept else f"{task} has no rows"
                raise InputError(f"{what} ({part})", file=folder, fix="give rows of two labels or more")
            parts[part] = TextData("labelled", kept, os.fspath(folder))
        _put(tasks, task, parts, folder)


# -- translations


def _read_parallel(folder: Path, tasks: dict[str, TextData]) -> None:
    for file in sorted(folder.glob("tatoeba.*-eng.*")):
        match = _PARALLEL.fullmatch(file.name)
        if match is None or match[1] in tasks:
            continue
        sides = [folder / f"tatoeba.{match[1]}.{side}" for side in (match[2], "eng")]
        first, second = (list(lines_of(there(side, match[1]))) for side in sides)
        if len(first) != len(second):
            raise uneven(sides[0], len(first), sides[1], len(second))
        for side, lines in zip(sides, (first, second), strict=True):
            if empty := next((line for line, text in lines if not text.strip()), None):
                raise InputError("the line is empty", file=side, line=empty, fix="take it away in both files")
        if len(first) < 2:
            raise InputError(f"{len(first)} pairs of {match[1]}", file=sides[0], fix="give two or more")
        rows = [Example(spaced(a), (spaced(b),), line=line) for (line, a), (_, b) in zip(first, second, strict=True)]
        tasks[match[1]] = TextData("pairs", rows, os.fspath(sides[0]))


def _put(tasks: dict[str, Part], name: str, parts: Part, folder: Path) -> None:
    if name in tasks:
        raise InputError(f"a second {name}", file=folder, fix="give a folder that has each task once")
    tasks[name] = parts
