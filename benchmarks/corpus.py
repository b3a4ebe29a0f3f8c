"""What a large corpus takes: rates measured here on a small one, and a calculation from them.

    python benchmarks/corpus.py                                      # what 100 million passages take
    python benchmarks/corpus.py --passages 5000000 --cores 16

Passages are of a hundred words of running text (`--texts`, a text file, perhaps .gz; without it the included corpus).
Encoding: passages a second by a static table and by MiniLM, as each is by default. Indexing and search: `--rows`
made vectors of 384 dimensions with the passages' texts, in each precision that an index has; milliseconds a query when
one is asked and when 64 are asked together. BM25: made from the passages, and asked for their first words.

The calculation says what is linear in the number of passages and what was assumed to be: encoding on several cores,
the time of search with the number of rows (as all are compared), and BM25's.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _measuring import at_hand, peak_mb

DIM, WORDS, K = 384, 100, 10
PRECISIONS = ("float32", "int8", "binary")


def passages(path: Path | None) -> list[str]:
    """Running text in pieces of a hundred words."""
    if path is None:
        from counterpoint.data.corpus import debian

        lines = [e.positives[0] for e in debian().train.examples]
    else:
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "rt", encoding="utf-8") as file:
            lines = file.read().splitlines()
    words = list(itertools.chain.from_iterable(line.split() for line in lines))
    return [" ".join(words[i : i + WORDS]) for i in range(0, len(words) - WORDS + 1, WORDS)]


def median(run: Callable[[], Any], repeats: int = 3) -> float:
    """Seconds of a run, the middle of several after one that is not counted."""
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def encoding(texts: list[str]) -> dict[str, float]:
    """Passages a second."""
    from counterpoint.encoders import StaticEncoder, load
    from counterpoint.fitting.bases import resolve_base

    static = StaticEncoder.from_corpus(texts, dim=256)
    rates = {"static": len(texts) / median(lambda: static.encode(texts))}
    few = texts[:256]
    try:
        minilm = load(resolve_base("minilm"))
    except Exception as error:  # it is an extra
        print(f"left out: minilm ({error})")
    else:
        rates["minilm"] = len(few) / median(lambda: minilm.encode(few))
    return rates


def indexing(texts: list[str], rows: int) -> dict[str, dict[str, float]]:
    """Of each precision: rows a second, bytes a row, and seconds a query alone and among 64."""
    from counterpoint.search import Index

    rng = np.random.default_rng(0)
    centres = rng.normal(size=(max(2, rows // 50), DIM)).astype(np.float32)
    z_md = centres[rng.integers(0, len(centres), rows)] + rng.normal(size=(rows, DIM)).astype(np.float32)
    z_md /= np.linalg.norm(z_md, axis=1, keepdims=True)
    q_nd = z_md[:64] + 0.03 * rng.normal(size=(64, DIM)).astype(np.float32)
    ids, shown = [f"p{i}" for i in range(rows)], [texts[i % len(texts)] for i in range(rows)]
    found = {}
    for precision in PRECISIONS:
        with tempfile.TemporaryDirectory() as place:
            start = time.perf_counter()
            Index.build(Path(place) / "index", ids, shown, z_md, precision=precision, approximate=False).close()
            seconds = time.perf_counter() - start
            size = sum(p.stat().st_size for p in Path(place).rglob("*") if p.is_file())
            with Index.open(Path(place) / "index") as index:
                alone = median(lambda index=index: index.search(q_nd[:1], K), 9)
                together = median(lambda index=index: index.search(q_nd, K)) / len(q_nd)
        found[precision] = {"rows/s": rows / seconds, "bytes": size / rows, "1": alone, "64": together}
    return found


def words(texts: list[str]) -> dict[str, float]:
    """Of BM25: passages a second, bytes of memory a passage, and seconds a query of five words."""
    from counterpoint.search import BM25

    before, start = peak_mb(), time.perf_counter()
    bm25 = BM25(texts)
    seconds, grown = time.perf_counter() - start, peak_mb() - before
    asked = [" ".join(text.split()[10:15]) for text in texts[:: max(1, len(texts) // 64)][:64]]
    each = median(lambda: bm25.search(asked, K)) / len(asked)
    return {"rows/s": len(texts) / seconds, "bytes": grown * 2**20 / len(texts), "query": each}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, default=100_000_000)
    parser.add_argument("--cores", type=int, default=64)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--texts", type=Path, default=at_hand("text/brown.txt.gz"))
    given = parser.parse_args()
    n, threads, texts = given.passages, torch.get_num_threads(), passages(given.texts)
    print(f"{len(texts):,} passages of {WORDS} words; {threads} threads here; {n:,} passages on {given.cores} cores\n")
    lexical = words(texts)  # first, as its memory is told by the peak
    print("encoding     passages/s a core    hours")
    for name, rate in encoding(texts).items():
        print(f"  {name:10} {rate / threads:20,.0f} {n / (rate / threads * given.cores) / 3600:8.1f}")
    print("\nindex         rows/s   hours  GB on disk   here, a million: ms a query, 1 and 64   s a query of 64")
    for name, of in indexing(texts, given.rows).items():
        million = 1e9 / given.rows
        print(
            f"  {name:9} {of['rows/s']:8,.0f} {n / of['rows/s'] / 3600:7.1f} {of['bytes'] * n / 1e9:11,.0f}"
            f"{of['1'] * million:27.1f} {of['64'] * million:9.1f} {of['64'] * n / given.rows:16.2f}"
        )
    print("\nBM25          rows/s   hours  GB of memory   ms a query here   s a query")
    times = n / len(texts)
    print(
        f"            {lexical['rows/s']:8,.0f} {n / lexical['rows/s'] / 3600:7.1f} {lexical['bytes'] * n / 1e9:13,.0f}"
        f"{1e3 * lexical['query']:18.2f} {lexical['query'] * times:11.2f}"
    )


if __name__ == "__main__":
    main()
