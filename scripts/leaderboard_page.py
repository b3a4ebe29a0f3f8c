"""Sentence systems on equal footing: one start, the same sentences, STS-B and transfer, with intervals over seeds.

Run: `python scripts/leaderboard_page.py [--sentences N] [--seeds N] [--jobs N] [--page]`; the folder of the data has
`snli/{dev,test}.tsv`, `stsb/en-test.tsv` and `classify/{mr,subj,trec-train,trec-test}.tsv`. All start from SmolLM2's
first layers (`--base smollm2`), which no contrast has touched, and see the sentences of SNLI: systems without labels
each sentence once, the others the same sentences as a premise, one that it entails and one that it contradicts.
Budgets, batches and learning rates are those of `compare`. Stopped, it goes on where it was; `--page` writes
docs/leaderboard.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from counterpoint.comparing import compare
from counterpoint.data import TextData, read
from counterpoint.report import Content, print_figures
from counterpoint.systems import every, get
from counterpoint.systems.registry import slug
from counterpoint.testbeds.files import find

PAGE = Path(__file__).parents[1] / "docs" / "leaderboard.md"
START = "untrained"
MAIN = ("STS-B", "MR", "SUBJ", "TREC")
HEAD = """# Sentence systems on equal footing

<!-- Written by scripts/leaderboard_page.py; do not edit. -->

Every system trained on {sentences:,} sentences of SNLI from one start, SmolLM2's first layers, which no contrast had
touched, with the same batches, learning rate and number of encoded views, {seeds} seeds each (`counterpoint compare`).
STS-B: Spearman's correlation, times 100; MR, SUBJ and TREC: accuracy of a logistic regression in SentEval's way, in
percent. +- is half the 95% interval over seeds (Student's t). *Untrained* is the start itself. What a system keeps is
the best of its validations on sentences held out, the start among them. It is a table about this start and budget, and
not about what a method comes to in the end.
"""
TABLE = "\n| system | {columns} | seconds | memory, MB |\n|---|{lines}---|---|\n"


def sources(folder: Path, n: int) -> tuple[Path, Path, Path]:
    """Files of sentences and of triplets that have the same sentences, and a folder in the layout of SentEval."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for part in ("dev", "test"):
        given = read(find(f"snli/{part}.tsv"))
        assert isinstance(given, TextData)
        for e in given.examples:
            rows += [(e.anchor, a, b) for a, b in zip(e.positives, e.negatives, strict=False)]
    sentences: dict[str, None] = {}
    taken = []
    for row in rows:
        if len(sentences.keys() | set(row)) > n:
            break
        sentences |= dict.fromkeys(row)
        taken.append(row)
    alone, triplets, tests = folder / "sentences.txt", folder / "triplets.tsv", folder / "tests"
    alone.write_text("\n".join(sentences) + "\n")
    triplets.write_text("anchor\tpositive\tnegative\n" + "".join("\t".join(row) + "\n" for row in taken))
    written(tests)
    return alone, triplets, tests


def written(tests: Path) -> None:
    """STS-B, MR, SUBJ and TREC in their original layouts."""

    def cells(name: str) -> list[list[str]]:
        return [line.split("\t") for line in find(name).read_text().splitlines()[1:]]

    def put(name: str, lines: list[str]) -> None:
        (tests / name).parent.mkdir(parents=True, exist_ok=True)
        (tests / name).write_text("\n".join(lines) + "\n")

    scored = [
        f"main\tincluded\ttest\t{i}\t{row[0]}\t{row[1]}\t{row[2]}" for i, row in enumerate(cells("stsb/en-test.tsv"))
    ]
    put("STS/STSBenchmark/sts-test.csv", scored)
    layouts = {
        "mr": ("MR", {"pos": "rt-polarity.pos", "neg": "rt-polarity.neg"}),
        "subj": ("SUBJ", {"subjective": "subj.subjective", "objective": "subj.objective"}),
    }
    for name, (folder, files) in layouts.items():
        rows = cells(f"classify/{name}.tsv")
        assert {label for label, _ in rows} == set(files), {label for label, _ in rows}
        for label, file in files.items():
            put(f"{folder}/{file}", [text for own, text in rows if own == label])
    for part, file in (("train", "train_5500.label"), ("test", "TREC_10.label")):
        put(f"TREC/{file}", [f"{label} {text}" for label, text in cells(f"classify/trec-{part}.tsv")])


def systems(schema: str) -> list[str]:
    """Names, of variants too, that learn from such rows of texts and nothing else, from any start."""
    found = []
    for name in (slug(name) for s in every() for name in (s.name, *s.variants)):
        method = get(name).method()
        takes = method.takes
        if takes.anchors == "text" and schema in takes.schemas and method.stages:
            found += [name] * (not method.own_start and not takes.columns)
    return found


def table(content: Content) -> str:
    """The rows of a comparison, best first."""
    names = [name for name in MAIN if name in content.systems[0].figures]
    lines = []
    for system in content.systems:
        cells = []
        for name in names:
            f = system.figures[name]
            cells.append(f"{100 * f.value:.1f} +- {50 * (f.high - f.low):.1f}")
        seconds, memory = content.settings[system.name].split(" of training, ")
        lines.append(
            f"| {system.name} | {' | '.join(cells)} | {seconds.removesuffix(' s')} | {memory.removesuffix(' MB')} |"
        )
    return TABLE.format(columns=" | ".join(names), lines="---|" * len(names)) + "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("runs/leaderboard"))
    parser.add_argument("--base", default="smollm2")
    parser.add_argument("--sentences", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", nargs="*", help="some systems")
    parser.add_argument("--page", action="store_true", help="write docs/leaderboard.md")
    asked = parser.parse_args()
    alone, triplets, tests = sources(asked.output, asked.sentences)
    page = HEAD.format(sentences=len(alone.read_text().splitlines()), seeds=asked.seeds)
    for title, source, schema in (
        ("Without labels", alone, "items"),
        ("With pairs or triplets of the same sentences", triplets, "tuples"),
    ):
        chosen = [name for name in systems(schema) if not asked.only or name in asked.only]
        if not chosen:
            continue
        print(f"{title}: {len(chosen)} systems")
        result = compare(
            str(source), [START, *chosen], asked.output / source.stem, base=asked.base, seeds=asked.seeds,
            on=[str(tests)], jobs=asked.jobs,
        )  # fmt: skip
        print_figures(result.content, Console())
        page += f"\n## {title}\n{table(result.content)}"
    if asked.page:
        PAGE.write_text(page, "utf-8")
    (asked.output / "page.md").write_text(page, "utf-8")


if __name__ == "__main__":
    main()
