"""What vectors in fewer bits and dimensions cost: quality, bytes and milliseconds a query.

Run: `python benchmarks/precision.py [--scifact FOLDER] [--sts en-test.tsv] [--model minilm static] [--theirs]`.
The BEIR folder and the STS file (columns score, sentence1, sentence2) are left out where they are not given; the
included corpus always is there.
Figures are nDCG@10 of the 10 best and Spearman's correlation; a query is searched by itself, the median of all counts.
Documents are in a seeded random order, so that equal distances are decided by chance. sentence-transformers searches
the same vectors by its usearch, exactly, with its own rescoring (`semantic_search_usearch`).
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _measuring import at_hand

from counterpoint.precision import Ranges, fit_ranges, pack_bits, unpack_bits
from counterpoint.search import binary_search, hamming_search, int8_search
from counterpoint.search.exact import top_k

DIMS = (384, 256, 128, 64)
Search = Callable[[np.ndarray], tuple[np.ndarray, Any]]


def shortened(z: np.ndarray, dim: int) -> np.ndarray:
    """What `truncate_dim` gives."""
    z = z[:, :dim]
    return z / np.linalg.norm(z, axis=1, keepdims=True).clip(1e-12)


def ways(z: np.ndarray, sample: int) -> dict[str, tuple[float, Search]]:
    """Bytes a vector and how the 10 best are searched, by name."""
    ranges = fit_ranges(z[:sample])
    codes, bits, dim = ranges.quantize(z), pack_bits(z), z.shape[1]
    width = bits.shape[1]
    return {
        "float32": (4 * dim, lambda q: (top_k(torch.from_numpy(q @ z.T), 10)[0].numpy(), None)),
        "int8": (dim, lambda q: int8_search(q, codes, ranges, 10)),
        "binary": (width, lambda q: hamming_search(pack_bits(q), bits, 10)),
        "binary, rescored by bits": (width, lambda q: binary_search(q, bits, 10)),
        "binary, rescored by int8": (
            width + dim,
            lambda q: binary_search(q, bits, 10, documents=codes, ranges=ranges),
        ),
    }


def theirs(z: np.ndarray, sample: int) -> dict[str, tuple[float, Search]]:
    """sentence-transformers on the same vectors."""
    from sentence_transformers import quantize_embeddings
    from sentence_transformers.util.quantization import semantic_search_usearch

    ranges = np.stack((z[:sample].min(0), z[:sample].max(0)))

    def search(precision: Any) -> Search:
        small = quantize_embeddings(z, precision, ranges=ranges)
        options: dict[str, Any] = {"corpus_precision": precision, "ranges": ranges, "exact": True, "rescore": True}
        options |= {"top_k": 10, "rescore_multiplier": 16}
        index = semantic_search_usearch(z[:2], corpus_embeddings=small, output_index=True, **options)[2]

        def run(q: np.ndarray) -> tuple[np.ndarray, None]:
            found = semantic_search_usearch(q, corpus_index=index, **options)[0]
            return np.array([[hit["corpus_id"] for hit in hits] for hits in found]), None

        return run

    dim = z.shape[1]
    return {
        "theirs, int8, rescored": (dim, search("int8")),
        "theirs, binary, rescored": (dim // 8, search("binary")),
    }


def retrieval(
    name: str, queries: np.ndarray, documents: np.ndarray, relevant: list[dict[int, float]], peer: bool
) -> None:
    """The table of one corpus; `relevant` has the gain of each relevant row, a mapping a query."""
    from counterpoint.evaluate import evaluate_rankings

    order = np.random.default_rng(0).permutation(len(documents))
    qrels = {str(i): {str(row): gain for row, gain in rows.items()} for i, rows in enumerate(relevant)}
    print(f"\n{name}: {len(documents):,} documents, {len(queries):,} queries")
    print(f"{'':34}{'bytes':>8}{'nDCG@10':>10}{'ms/query':>10}")
    for dim in (d for d in DIMS if d <= documents.shape[1]):
        q, z = shortened(queries, dim), shortened(documents[order], dim)
        every = ways(z, 16_384) | (theirs(z, 16_384) if peer and dim == max(DIMS) else {})
        for way, (size, search) in every.items():
            search(q[:1])
            seconds, found = [], []
            for i in range(len(q)):
                start = time.perf_counter()
                found.append(search(q[i : i + 1])[0][0])
                seconds.append(time.perf_counter() - start)
            rankings = {str(i): [str(order[row]) for row in rows] for i, rows in enumerate(found)}
            figure = evaluate_rankings(rankings, qrels, metrics=["ndcg@10"]).figures["ndcg@10"].value
            ms = 1000 * statistics.median(seconds)
            print(f"  {dim:3d} {way:28}{size:8.0f}{figure:10.4f}{ms:10.2f}", flush=True)


def similarity(first: np.ndarray, second: np.ndarray, gold: list[float]) -> None:
    """The table of scored pairs: both sides in few bits."""
    from scipy.stats import spearmanr

    print(f"\nSTS: {len(gold):,} pairs\n{'':34}{'bytes':>8}{'Spearman':>10}")
    for dim in (d for d in DIMS if d <= first.shape[1]):
        a, b = shortened(first, dim), shortened(second, dim)
        ranges: Ranges = fit_ranges(a)
        pairs = {
            "float32": (4 * dim, a, b),
            "int8": (dim, *(ranges.restore(ranges.quantize(z)) for z in (a, b))),
            "binary": (dim // 8, *(unpack_bits(pack_bits(z), dim) for z in (a, b))),
            "binary, one side in float32": (dim // 8, a, unpack_bits(pack_bits(b), dim)),
        }
        for way, (size, x, y) in pairs.items():
            print(f"  {dim:3d} {way:28}{size:8.0f}{spearmanr((x * y).sum(1), gold)[0]:10.4f}", flush=True)


def encoded(
    model: Any, corpus: dict[str, str], queries: dict[str, str], qrels: dict[str, Any], limit: int
) -> tuple[Any, ...]:
    """Vectors of queries and documents, and which rows are relevant."""
    names = [q for q in queries if any(gain > 0 for gain in qrels.get(q, {}).values())][:limit]
    wanted = {document for q in names for document in qrels[q]}
    # at small size, what is relevant and as much again
    rest = [key for key in corpus if key not in wanted]
    keys = [key for key in corpus if key in wanted] + (rest if limit >= len(queries) else rest[: len(wanted)])
    row = {key: i for i, key in enumerate(keys)}
    found = [model.encode([queries[q] for q in names], kind="query")]
    found.append(model.encode([corpus[key] for key in keys], kind="document"))
    return *found, [{row[d]: gain for d, gain in qrels[q].items() if gain > 0 and d in row} for q in names]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scifact", type=Path, default=at_hand("scifact"), help="a BEIR folder")
    parser.add_argument("--sts", type=Path, default=at_hand("stsb/en-test.tsv"))
    parser.add_argument("--model", nargs="+", default=["minilm"], help="names or folders; static: an untrained table")
    parser.add_argument("--limit", type=int, default=1 << 30, help="queries at most, for a trial")
    parser.add_argument("--theirs", action="store_true", help="sentence-transformers' usearch beside, at full width")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    from counterpoint.data import Retrieval, debian, read
    from counterpoint.encoders import StaticEncoder, load
    from counterpoint.fitting.bases import resolve_base

    tests = {"included:debian": debian().heldout}
    if arguments.scifact:
        found = read(arguments.scifact, split="test")
        assert isinstance(found, Retrieval)
        tests = {arguments.scifact.name: found} | tests
    for name in arguments.model:
        if arguments.sts and name != "static":
            rows = [line.split("\t") for line in arguments.sts.read_text(encoding="utf-8").splitlines()[1:]]
            rows = rows[: arguments.limit]
            model = load(resolve_base(name))
            first, second = (model.encode([row[i] for row in rows]) for i in (1, 2))
            similarity(first, second, [float(row[0]) for row in rows])
        for test, data in tests.items():
            static = name == "static"
            model = StaticEncoder.from_corpus(data.corpus.values(), dim=384) if static else load(resolve_base(name))
            vectors = encoded(model, data.corpus, data.queries, data.qrels, arguments.limit)
            retrieval(f"{name}, {test}", *vectors, arguments.theirs)


if __name__ == "__main__":
    main()
