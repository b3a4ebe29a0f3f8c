"""Sentence systems on equal footing: one start, the same sentences, STS-B and transfer, with intervals over seeds.

Run: `python scripts/leaderboard_page.py [--sentences N] [--seeds N] [--jobs N] [--page]`; the folder of the data has
`snli/{dev,test}.tsv`, `stsb/en-test.tsv` and `classify/{mr,subj,trec-train}.tsv`. All start from SmolLM2's
first layers (`--base smollm2`), which no contrast has touched, and see the sentences of SNLI: systems without labels
each sentence once, the others the same sentences as a premise, one that it entails and one that it contradicts.
One pass in batches of 32 at a rate of 1e-3, for which the development part of STS-B was looked at with three systems
(SimCSE, ConSERT, GISTEmbed: better than 1e-4 and 3e-4, seed 0). Stopped, it goes on where it was; `--page` writes
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
KEPT = Path("benchmarks/leaderboard")
"""What each run came to: kept, as verdicts are, so that the table can grow. Texts are made anew from the data."""
START = "untrained"
BUDGET = {"epochs": 1.0, "batch_size": 32, "learning_rate": 1e-3}
"""`fit`'s own rate for a transformer, 2e-5, moves these two layers too little to tell systems apart."""
ROWS = 1000
MAIN = {
    "en-test: spearman": "STS-B",
    "mr: probe_accuracy": "MR",
    "subj: probe_accuracy": "SUBJ",
    "trec-train: probe_accuracy": "TREC",
}
"""Figures, and what they are called in the table."""
HEAD = """# Sentence systems on equal footing

<!-- Written by scripts/leaderboard_page.py; do not edit. -->

Every system trained on {sentences:,} sentences of SNLI from one start, SmolLM2's first layers, which no contrast had
touched, with the same batches of 32, rate of 1e-3 and number of encoded views, {seeds} seeds each (`counterpoint
compare`). The rate was chosen by the development part of STS-B, with SimCSE, ConSERT and GISTEmbed, for all.
STS-B: Spearman's correlation, times 100; MR, SUBJ and TREC: accuracy in percent of a linear probe, fitted to five
hundred texts and tested on as many others (SentEval's protocol fits 600 such probes a task). +- is half the 95%
interval over seeds (Student's t). *Untrained* is the start itself. A system is measured as its budget left it. It is a
table about this start and budget, and not about what a method comes to in the end.
"""
TABLE = "\n| system | {columns} | seconds | memory, MB |\n|---|{lines}---|---|\n"


def sources(folder: Path, n: int) -> tuple[Path, Path]:
    """Files of sentences and of triplets that have the same sentences."""
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
    alone, triplets = folder / "sentences.txt", folder / "triplets.tsv"
    alone.write_text("\n".join(sentences) + "\n")
    triplets.write_text("anchor\tpositive\tnegative\n" + "".join("\t".join(row) + "\n" for row in taken))
    return alone, triplets


def tests(folder: Path) -> list[Path]:
    """STS-B's test part, and `ROWS` texts each of MR, SUBJ and TREC, evenly chosen, TREC's by its coarse labels."""
    files = [folder / "en-test.tsv"]
    files[0].write_bytes(find("stsb/en-test.tsv").read_bytes())
    for name in ("mr", "subj", "trec-train"):
        rows = [line.split("\t") for line in find(f"classify/{name}.tsv").read_text().splitlines()[1:]]
        chosen = [rows[i * len(rows) // ROWS] for i in range(ROWS)]
        files.append(folder / f"{name}.tsv")
        lines = [f"{label.partition(':')[0]}\t{text}" for label, text in chosen]
        files[-1].write_text("\n".join(["label\ttext", *lines]) + "\n")
    return files


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
    lines = []
    for system in content.systems:
        cells = []
        for name in MAIN:
            f = system.figures[name]
            cells.append(f"{100 * f.value:.1f} +- {50 * (f.high - f.low):.1f}")
        seconds, memory = content.settings[system.name].split(" of training, ")
        lines.append(
            f"| {system.name} | {' | '.join(cells)} | {seconds.removesuffix(' s')} | {memory.removesuffix(' MB')} |"
        )
    return TABLE.format(columns=" | ".join(MAIN.values()), lines="---|" * len(MAIN)) + "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=KEPT)
    parser.add_argument("--base", default="smollm2")
    parser.add_argument("--sentences", type=int, default=3000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", nargs="*", help="some systems")
    parser.add_argument("--page", action="store_true", help="write docs/leaderboard.md")
    asked = parser.parse_args()
    alone, triplets = sources(asked.output, asked.sentences)
    on = [str(file) for file in tests(asked.output)]
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
            on=on, jobs=asked.jobs, **BUDGET,
        )  # fmt: skip
        print_figures(result.content, Console())
        page += f"\n## {title}\n{table(result.content)}"
    if asked.page:
        PAGE.write_text(page, "utf-8")
    (asked.output / "page.md").write_text(page, "utf-8")


if __name__ == "__main__":
    main()
