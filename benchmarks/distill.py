"""A distilled table beside one from scratch, both as they are and after `fit`, MiniLM itself and model2vec's table.

Run: `python benchmarks/distill.py [--data FOLDER] [--rows 20000] [--documents 0] [--rates 4e-3]`. FOLDER has `stsb/`,
`scifact/` and `classify/` (STS benchmark, SciFact in BEIR's shape, TREC question types); `fit` trains on each one's own
training part, and on at most `--rows` pairs of the included corpus. `--documents` keeps so many of the included
corpus, those that are looked for among them (0: all). model2vec's table needs `pip install 'model2vec[distill]'`.
Rates: texts of the included corpus, one text once, a new encoder; both sides' rates are taken in turns.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from _measuring import DATA, is_there

from counterpoint import evaluate
from counterpoint.data import Retrieval, debian
from counterpoint.encoders import StaticEncoder, distill, load
from counterpoint.fitting import fit, minilm_folder

TASKS = ("STS-B", "SciFact", "TREC", "included")
FIGURES = ("Spearman", "nDCG@10", "kNN accuracy", "MRR@10")


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def write(path: Path, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Path:
    lines = ["\t".join(" ".join(cell.split()) for cell in row) for row in [columns, *rows]]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def scifact(data: Path) -> tuple[Retrieval, list[tuple[str, str]]]:
    """The test, and the training claims with their abstracts."""
    read = lambda name: [json.loads(line) for line in (data / "scifact" / name).open(encoding="utf-8")]  # noqa: E731
    corpus = {d["_id"]: f"{d['title']} {d['text']}" for d in read("corpus.jsonl")}
    queries = {q["_id"]: q["text"] for q in read("queries.jsonl")}
    qrels: dict[str, dict[str, dict[str, float]]] = {"train": {}, "test": {}}
    for part, found in qrels.items():
        for row in rows_of(data / "scifact" / "qrels" / f"{part}.tsv"):
            found.setdefault(row["query-id"], {})[row["corpus-id"]] = float(row["score"])
    pairs = [(queries[q], corpus[d]) for q, documents in qrels["train"].items() for d in documents]
    test = Retrieval(corpus, {q: queries[q] for q in qrels["test"]}, qrels["test"], "scifact")
    return test, pairs


def included(documents: int) -> Retrieval:
    test = debian().heldout
    if not documents:
        return test
    wanted = dict.fromkeys(d for found in test.qrels.values() for d in found)
    kept = {**wanted, **dict.fromkeys(list(test.corpus)[: max(0, documents - len(wanted))])}
    return Retrieval({d: test.corpus[d] for d in kept}, test.queries, test.qrels, test.source)


class Theirs:
    """model2vec's model with our call."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def encode(self, texts: Sequence[str], *, kind: str | None = None) -> np.ndarray:
        del kind
        return np.asarray(self.model.encode(list(texts)), dtype=np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--documents", type=int, default=0)
    parser.add_argument("--rates", default="", help="learning rates of `fit` on the distilled table, by commas")
    parser.add_argument("--tasks", default=",".join(TASKS))
    arguments = parser.parse_args()
    if not is_there(arguments.data):
        return
    warnings.simplefilter("ignore")
    data, tasks = arguments.data, arguments.tasks.split(",")
    folder = Path(tempfile.mkdtemp())
    claims, pairs = scifact(data)
    sts_rows, trec = rows_of(data / "stsb/en-test.tsv"), rows_of(data / "classify/trec-train.tsv")
    trec_test, packages = rows_of(data / "classify/trec-test.tsv"), included(arguments.documents)
    own = [(e.anchor, e.positives[0]) for e in debian().train.examples[: arguments.rows]]
    coarse = lambda rows: [row["label"].split(":")[0] for row in rows]  # noqa: E731
    files = {
        "STS-B": data / "stsb/en-train.tsv",
        "SciFact": write(folder / "scifact.tsv", ("query", "document"), pairs),
        "TREC": write(
            folder / "trec.tsv", ("label", "text"), [(y, r["text"]) for y, r in zip(coarse(trec), trec, strict=True)]
        ),
        "included": write(folder / "included.tsv", ("query", "document"), own),
    }

    def sts(encoder: Any) -> float:
        first, second = (encoder.encode([row[f"sentence{i}"] for row in sts_rows]) for i in (1, 2))
        return evaluate.sts(first, second, [float(row["score"]) for row in sts_rows], samples=0)["spearman"].value

    def knn(encoder: Any) -> float:
        z_train, z_test = (encoder.encode([row["text"] for row in rows]) for rows in (trec, trec_test))
        return float(np.mean(evaluate.knn(z_train, coarse(trec), z_test) == np.array(coarse(trec_test))))

    def found(test: Retrieval, metric: str) -> Callable[[Any], float]:
        return lambda encoder: evaluate.evaluate_retrieval(encoder, test, metrics=[metric], samples=0)[metric].value

    measure = {"STS-B": sts, "SciFact": found(claims, "ndcg@10"), "TREC": knn, "included": found(packages, "mrr@10")}

    def show(name: str, encoders: dict[str, Any], rate: float | None = None) -> None:
        values = [f"{measure[task](encoders[task]):.3f}" if task in encoders else "" for task in TASKS]
        speed = "" if rate is None else f"{rate:,.0f}"
        print(f"| {name} | {' | '.join(values)} | {speed} |", flush=True)

    def trained(base: str, **settings: Any) -> dict[str, Any]:
        told: dict[str, Any] = {"test": 60, "dev": 0.1, "say": lambda _: None, **settings}
        runs = {t: folder / f"run-{base.replace('/', '_')}-{settings.get('learning_rate')}-{t}" for t in tasks}
        return {task: fit(files[task], run, base=base, **told).encoder for task, run in runs.items()}

    teacher = load(str(minilm_folder()))
    begun = time.perf_counter()
    student = distill(teacher)
    print(f"distilled in {time.perf_counter() - begun:.0f} s")
    student.save(folder / "distilled")
    informed = distill(teacher, [text for pair in own for text in pair])
    scratch = {
        task: StaticEncoder.from_corpus(
            text for row in rows_of(files[task]) for name, text in row.items() if name not in ("score", "label")
        )
        for task in tasks
    }
    sides: dict[str, Any] = {"distilled": student, "MiniLM": teacher}
    try:
        from model2vec.distill import distill as theirs

        sides["model2vec's"] = Theirs(theirs(str(minilm_folder())))
    except ImportError:
        print("model2vec[distill] is not installed: its table is left out")
    texts = list(debian().heldout.corpus.values())
    speeds: dict[str, list[float]] = {name: [] for name in sides}
    for i in range(3):
        for name, side in sides.items():
            some = texts[i * 12_000 :][: 12_000 if name != "MiniLM" else 300]
            start = time.perf_counter()
            side.encode(some)
            speeds[name].append(len(some) / (time.perf_counter() - start))
    rates = {name: statistics.median(found) for name, found in speeds.items()}
    print(f"| table | {' | '.join(f'{t}, {f}' for t, f in zip(TASKS, FIGURES, strict=True))} | texts/s |")
    print(f"|---|{'---:|' * (len(TASKS) + 1)}")
    for name, side in sides.items():
        if name != "MiniLM":  # the slowest comes last
            show(f"{name} as it is" if name == "distilled" else name, dict.fromkeys(tasks, side), rates[name])
    show("distilled, frequencies of the included corpus", dict.fromkeys(tasks, informed))
    show("from scratch, untrained", scratch)
    show("from scratch, fit", trained("static"))
    show("distilled, fit", trained(str(folder / "distilled")))
    for rate in filter(None, arguments.rates.split(",")):
        show(f"distilled, fit at {rate}", trained(str(folder / "distilled"), learning_rate=float(rate)))
    show("MiniLM", dict.fromkeys(tasks, teacher), rates["MiniLM"])


if __name__ == "__main__":
    main()
