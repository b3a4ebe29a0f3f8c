"""Retrieval systems on equal footing: one start, the same claims of SciFact, and BM25 and MiniLM beside them.

Run from the root of the repository: `python scripts/retrieval_page.py [--jobs N] [--page]`; the folder of the data has
`scifact`. All start from a table of token vectors that InfoNCE trained on SciFact's titles and abstracts, and which has
seen no claim. Stopped, it goes on where it was; `--page` writes docs/retrieval-systems.md.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

from leaderboard_page import START, rows, systems
from rich.console import Console

from counterpoint.comparing import compare
from counterpoint.comparing.given import read_tests
from counterpoint.data import Retrieval
from counterpoint.data.items import Data, Items
from counterpoint.evaluate import evaluate_judged, evaluate_retrieval, place, prepared
from counterpoint.files import atomic, write_json
from counterpoint.fitting.bases import make_base
from counterpoint.report import print_figures
from counterpoint.search import BM25
from counterpoint.systems import get
from counterpoint.testbeds.files import find
from counterpoint.testbeds.texts import SCIFACT

PAGE = Path(__file__).parents[1] / "docs" / "retrieval-systems.md"
KEPT = Path("benchmarks/retrieval")
"""What each run came to: kept, as verdicts are. The start is made anew where it is not there."""
BUDGET = {"epochs": 5.0, "batch_size": 32, "learning_rate": 2e-3, "weight_decay": 0.0}
LEFT_OUT = {
    "pre-train a transformer": "cocondenser cocondenser-qc costa cot-mae master query-as-context",
    "trains a transformer's biases alone": "sgpt",
    "learn from documents alone": "contriever cpt",
    "need texts with scores": "eredat eredat-hard-negatives eredat-all-negatives",
    "needs questions a word apart that have other answers": "meq-contrast-sets",
    "train no encoder of texts": "cet hyde sft-or-cl",
    "looks for its negatives anew at nearly every step of so few; a run was not done after six minutes": "ar2",
}
"""Systems of the ledger that are not in the table, and why."""
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
READING = """
## What held up at this scale, and what did not

Written of the runs that are kept in `benchmarks/retrieval`; the script does not check it.

- Read it with care: for 166 of the 300 test claims an abstract that answers them was an answer in training, too, and
  learning which abstracts are answers at all is a gain here ([the tutorial](retrieval.md) takes it apart). The start
  has seen the titles and abstracts; MiniLM and BM25 have learned nothing of them.
- In-batch contrast of claims alone (DPR) takes the start from 58 to 68, which is BM25's figure. All that is clearly
  above that either mines negatives from the model itself after a first stage (SimANS, Conan-embedding, ANCE, NevIR's
  fine-tuning, NV-Retriever, RocketQA, PAIR) or has more to contrast with (CoCLR's rewritten questions, mGTE's sparse
  weights beside the vectors, CoCoSoDa's queue, CodeSage's weights, GTE's four kinds of pairs, HybridPQA's weights).
- Ambiguous negatives (SimANS, 78) are clearly better than the nearest ones (ANCE, 73), as their paper says; leaving out
  what scores near the positive (NV-Retriever, 71) is not. That a reader's judgement of negatives (RocketQA, PAIR) is
  worth its training is not seen: a reader of kernels learned from 809 claims.
- Distillation ends no higher than plain contrast: DRAGON's teachers and R2anker's and Gecko's readers learned from the
  same few claims as their students. Nor does E5's clean-up of weak pairs, which these are not.
- SciNCL, which needs a graph of citations and has only pairs here, and MRL, whose variances are new and untrained, end
  below the start.
- Cost: from 5 seconds (NV-Retriever) to half a minute; HybridPQA, which compares weights of the whole vocabulary, takes
  half an hour, some of it beside other runs.
"""


def start(folder: Path) -> str:
    """The table that all start from, made where it is not there."""
    model = folder / "start"
    if not model.exists():
        folder.mkdir(parents=True, exist_ok=True)
        assert SCIFACT.start is not None
        SCIFACT.start(SCIFACT.parts(0)[0], 0).save(model)
    return str(model)


def scifact(folder: Path) -> str:
    """SciFact beside what is kept, so that the same runs are found wherever the data are."""
    copied = folder / "scifact"
    if not copied.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with atomic(copied) as part:
            shutil.copytree(find("scifact/corpus.jsonl").parent, part)
    return str(copied)


def absent() -> str:
    """Who is not in the table, and why."""
    said = ["\n## Not in the table\n\n"]
    for why, names in LEFT_OUT.items():
        said.append(f"- {', '.join(get(name).method().name for name in names.split())}: {why}.\n")
    return "".join(said)


def baselines(test: Retrieval, file: Path) -> dict[str, dict[str, list[float]]]:
    """BM25, and MiniLM as it is: each figure with its interval; kept in `file`."""
    if not file.exists():
        asked, _ = prepared(test)
        minilm = make_base("minilm", Data.alone(Items("text", ["a text"])), 0)
        found = place(BM25(list(asked.corpus.values())).score_rows(list(asked.queries.values())), asked)
        measured = {
            "BM25": evaluate_judged(found.judged, metrics=list(FIGURES), source=test.source),
            "all-MiniLM-L6-v2": evaluate_retrieval(minilm, test, metrics=list(FIGURES)),
        }
        write_json(file, {
            name: {key: [f.value, f.interval.low, f.interval.high] for key, f in result.items() if f.interval}
            for name, result in measured.items()
        })  # fmt: skip
    return json.loads(file.read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=KEPT)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", nargs="*", help="some systems")
    parser.add_argument("--page", action="store_true", help="write docs/retrieval-systems.md")
    asked = parser.parse_args()
    base, folder = start(asked.output), scifact(asked.output)
    left_out = {name for names in LEFT_OUT.values() for name in names.split()}
    chosen = [name for name in systems("pairs", ("retrieval",)) if name not in left_out]
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
    for name, found in baselines(test, asked.output / "claims" / "baselines.json").items():
        measured = [found[key] for key in FIGURES]
        cells = [f"{100 * value:.1f} +- {50 * (high - low):.1f}" for value, low, high in measured]
        lines.append((measured[0][0], [name, *cells, "", "", ""]))
    values = {system.name: system.figures["ndcg@10"].value for system in result.content.systems}
    for name, cells, gain in rows(result.content, list(FIGURES)):
        lines.append((values[name], [name, *cells, gain]))
    head = HEAD.format(
        rate=BUDGET["learning_rate"], epochs=BUDGET["epochs"], seeds=asked.seeds,
        columns=" | ".join(FIGURES.values()), lines="---|" * len(FIGURES),
    )  # fmt: skip
    ranked = sorted(lines, key=lambda line: -line[0])
    table = "".join(f"| {' | '.join(cells)} |\n" for _, cells in ranked)
    PAGE.write_text(head + table + absent() + READING, "utf-8")


if __name__ == "__main__":
    main()
