"""A plausible report for the tests: real texts of the included corpus, figures that were made up.

`python tests/report/sample.py OUT.html` writes it, to look at.
"""

from __future__ import annotations

import functools
import math
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

import counterpoint
from counterpoint.report import (
    Command,
    Content,
    Data,
    Difference,
    Figure,
    Hit,
    Map,
    Model,
    Query,
    QueryList,
    Scores,
    System,
    project_2d,
    write_report,
)


def texts(n: int) -> list[tuple[str, str, str]]:
    """Section, title and description of `n` packages of the included corpus."""
    table = pq.read_table(Path(counterpoint.__file__).parent / "data/included/debian.parquet")
    rows = table.slice(0, 40 * n).to_pylist()[::40]
    return [(row["section"], row["title"], row["description"]) for row in rows]


def system(name: str, *values: float) -> System:
    half = (0.021, 0.023, 0.019, 0.019)
    names = ("MRR@10", "Recall@1", "Recall@10", "nDCG@10")
    return System(name, {m: Figure(v, v - h, v + h, 1500) for m, v, h in zip(names, values, half, strict=True)})


def history(steps: int = 170) -> tuple[dict[str, float | None], ...]:
    random = np.random.default_rng(0)
    rows: list[dict[str, float | None]] = []
    for step in range(1, steps + 1):
        t = step / steps
        rows.append(
            {
                "step": step,
                "epoch": 10 * t,
                "loss": 0.25 + 6.6 * math.exp(-4.5 * t) + random.normal(0, 0.09),
                "ln_batch": math.log(2048),
                "alignment": 0.35 + 0.75 * math.exp(-4 * t) + random.normal(0, 0.004),
                "uniformity": -3.5 + 2.6 * math.exp(-6 * t) + random.normal(0, 0.01),
                "effective_rank": 290 - 240 * math.exp(-5 * t),
                "learning_rate": 0.01 * math.cos(t * math.pi / 2),
                "items_per_second": 8900 + random.normal(0, 200),
                "dev": 0.61 - 0.45 * math.exp(-6 * t) - 0.02 * t if step % 17 == 0 else None,
            }
        )
    return tuple(rows)


def embeddings(sections: list[str], spread: float) -> np.ndarray:
    random = np.random.default_rng(3)
    centres = {name: random.normal(size=32) for name in sorted(set(sections))}
    return np.stack([centres[name] for name in sections]) + spread * random.normal(size=(len(sections), 32))


@functools.cache
def sample() -> Content:
    random = np.random.default_rng(1)
    rows = texts(600)
    sections = [section for section, _, _ in rows]

    def query(i: int, before: int, after: int) -> Query:
        picks = [i + 1, i + 2, i + 3]
        if 0 < after <= 3:
            picks[after - 1] = i
        hits = tuple(Hit(rows[j][2], 0.83 - 0.06 * k, j == i) for k, j in enumerate(picks))
        return Query(rows[i][1], rows[i][2], before, after, hits)

    measured = (
        system("BM25", 0.578, 0.489, 0.729, 0.612),
        system("untrained", 0.291, 0.224, 0.431, 0.324),
        system("trained", 0.606, 0.511, 0.779, 0.645),
        system("BM25 + trained", 0.641, 0.549, 0.806, 0.679),
    )
    return Content(
        title="Debian packages: from title to description",
        metric="MRR@10",
        model=Model("trained", "static", "", "InfoNCE (symmetric)", 384, "apache-2.0", {"query": "", "document": ""}),
        data=Data(
            "included corpus (debian)",
            "pairs",
            {"anchor": "title", "positive": "description"},
            {"train": 35_102, "dev": 1_500, "test": 1_500},
            3,
            "out/rejected.jsonl",
        ),
        systems=measured,
        differences=(
            Difference("trained", "untrained", "MRR@10", 0.315, 0.293, 0.337, 1500),
            Difference("trained", "BM25", "MRR@10", 0.028, 0.009, 0.047, 1500),
            Difference("BM25 + trained", "BM25", "MRR@10", 0.063, 0.051, 0.075, 1500),
            Difference("BM25 + trained", "trained", "MRR@10", 0.035, 0.021, 0.049, 1500),
            Difference("trained", "BM25", "Recall@10", 0.050, 0.031, 0.069, 1500),
            Difference("trained", "BM25", "Recall@1", 0.012, -0.009, 0.033, 1500),
        ),
        summary=("Fused with BM25 it is better than either alone: use both for search.",),
        history=history(),
        settings={"batch size": 2048, "epochs": 10, "learning rate": 0.01, "temperature": "0.05, learned", "seed": 13},
        environment={"counterpoint": "0.1.0", "torch": "2.13.0", "device": "CPU, 2 threads", "time": "41 s"},
        scores_before=Scores.count(random.normal(0.42, 0.14, 1500), random.normal(0.21, 0.11, 6000)),
        scores_after=Scores.count(random.normal(0.68, 0.13, 1500), random.normal(0.04, 0.09, 6000)),
        map=Map(
            project_2d(embeddings(sections, 2.4)),
            project_2d(embeddings(sections, 0.5)),
            tuple(title for _, title, _ in rows),
            tuple(sections),
        ),
        queries=(
            QueryList(
                "Queries that gained most", tuple(query(i, before, 1) for i, before in ((20, 88), (50, 41), (9, 0)))
            ),
            QueryList(
                "Queries that are still worst", tuple(query(i, 12, after) for i, after in ((70, 97), (31, 0), (44, 60)))
            ),
            QueryList("Free searches", (Query("edit photos", results=(Hit(rows[3][2], 0.71), Hit(rows[4][2], 0.64))),)),
        ),
        files={"model": "out/model", "report": "out/report.html", "index": "out/index.db"},
        commands=(
            Command("Search with it", "counterpoint search out 'edit photos'"),
            Command("Encode your texts", "counterpoint encode texts.jsonl --model out/model --out vectors.npy"),
        ),
    )


if __name__ == "__main__":
    write_report(sample(), sys.argv[1])
