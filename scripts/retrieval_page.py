"""Retrieval systems on equal footing: one start, the same claims of SciFact, and BM25 and MiniLM beside them.

Run from the root of the repository: `python scripts/retrieval_page.py [--jobs N] [--page]`; the folder of the data has
`scifact`. All start from a table of token vectors that InfoNCE trained on SciFact's titles and abstracts, and which has
seen no claim. Stopped, it goes on where it was; `--page` writes docs/retrieval-systems.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from leaderboard_page import START, rows, systems
from rich.console import Console

from counterpoint.comparing import compare
from counterpoint.comparing.given import read_tests
from counterpoint.data import Retrieval
from counterpoint.encoders import load
from counterpoint.evaluate import evaluate_judged, evaluate_retrieval, place, prepared
from counterpoint.report import Figure, print_figures
from counterpoint.search import BM25
from counterpoint.testbeds.files import find
from counterpoint.testbeds.texts import SCIFACT

PAGE = Path(__file__).parents[1] / "docs" / "retrieval-systems.md"
KEPT = Path("benchmarks/retrieval")
"""What each run came to: kept, as verdicts are. The start is made anew where it is not there."""
BUDGET = {"epochs": 5.0, "batch_size": 32, "learning_rate": 2e-3, "weight_decay": 0.0}
UNFIT = {"cocondenser", "cocondenser-qc", "costa", "cot-mae", "master", "query-as-context", "sgpt"}
"""What pre-trains a transformer or trains its biases alone: a table has none."""
SLOW = {"ar2"}
"""On so few claims it finds its negatives anew at nearly every step."""
FIGURES = {"ndcg@10": "nDCG@10", "mrr@10": "MRR@10", "recall@100": "recall@100"}
HEAD = """# Retrieval systems on equal footing

<!-- Written by scripts/retrieval_page.py; do not edit. -->

Every system of the ledger that learns from queries with documents, trained on SciFact's 809 training claims and
measured on its 300 test claims against all 5,183 abstracts: from one start, a table of token vectors that InfoNCE
trained on the titles and abstracts and that has seen no claim, with the same batches of 32, rate of {rate:g} and number
of encoded views ({epochs:g} passes), {seeds} seeds each (`counterpoint compare`). Nobody's settings were tuned.
Figures are times 100; +- is half the 95% interval over seeds (Student's t), for BM25 and MiniLM, which are not trained
here, half the interval over queries (bootstrap). *Seconds* are of training by one thread, what a system trains to
prepare its data (a reader, a teacher) comes on top; the last column is the paired difference in nDCG@10 to the start
(*untrained*), clearly above (+) or below (-) 0.
It is a table about this start and budget, and not about what a method comes to in the end.

| system | {columns} | seconds | memory, MB | against untrained |
|---|{lines}---|---|---|
"""


def start(folder: Path) -> str:
    """The table that all start from, made where it is not there."""
    model = folder / "start"
    if not model.exists():
        folder.mkdir(parents=True, exist_ok=True)
        assert SCIFACT.start is not None
        SCIFACT.start(SCIFACT.parts(0)[0], 0).save(model)
    return str(model)


def baselines(test: Retrieval) -> dict[str, dict[str, Figure]]:
    """BM25, and MiniLM as it is."""
    asked, _ = prepared(test)
    found = place(BM25(list(asked.corpus.values())).score_rows(list(asked.queries.values())), asked)
    return {
        "BM25": evaluate_judged(found.judged, metrics=list(FIGURES), source=test.source),
        "all-MiniLM-L6-v2": evaluate_retrieval(load("minilm"), test, metrics=list(FIGURES)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=KEPT)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", nargs="*", help="some systems")
    parser.add_argument("--page", action="store_true", help="write docs/retrieval-systems.md")
    asked = parser.parse_args()
    base, folder = start(asked.output), str(find("scifact/corpus.jsonl").parent)
    chosen = [name for name in systems("pairs", ("retrieval",)) if name not in UNFIT | SLOW]
    chosen = [name for name in chosen if not asked.only or name in asked.only]
    result = compare(
        folder, [START, *chosen], asked.output / "claims", base=base, seeds=asked.seeds, on=[folder], jobs=asked.jobs,
        reading={"split": "train"}, **BUDGET,
    )  # fmt: skip
    print_figures(result.content, Console())
    if not asked.page:
        return
    (test,) = read_tests([folder]).values()
    assert isinstance(test, Retrieval)
    lines = list[tuple[float, list[str]]]()
    for name, found in baselines(test).items():
        cells = [f"{100 * f.value:.1f} +- {50 * (f.high - f.low):.1f}" for f in map(found.__getitem__, FIGURES)]
        lines.append((found["ndcg@10"].value, [name, *cells, "", "", ""]))
    values = {system.name: system.figures["ndcg@10"].value for system in result.content.systems}
    for name, cells, gain in rows(result.content, list(FIGURES)):
        lines.append((values[name], [name, *cells, gain]))
    head = HEAD.format(
        rate=BUDGET["learning_rate"], epochs=BUDGET["epochs"], seeds=asked.seeds,
        columns=" | ".join(FIGURES.values()), lines="---|" * len(FIGURES),
    )  # fmt: skip
    ranked = sorted(lines, key=lambda line: -line[0])
    PAGE.write_text(head + "".join(f"| {' | '.join(cells)} |\n" for _, cells in ranked), "utf-8")


if __name__ == "__main__":
    main()
