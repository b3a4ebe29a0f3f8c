"""The index beside other embedded stores: build, open, search, filter, add, disk and memory, each in its own process.

    python benchmarks/index.py                       # 38,000 x 384
    python benchmarks/index.py --rows 38000 1000000  # needs about 20 GB of disk and 8 GB of memory
    python benchmarks/index.py --rows 2000 --only ours usearch

The vectors are those of a few thousand centres with noise, so that neighbours exist; texts have about 60 characters,
and two columns are kept beside them. `build` of ours makes BM25 too, which the others do not have. `open` is from a
process that has torch (a query must be encoded) to the first answer, the import of the store included. `1` and `64` are
milliseconds for one query and for a batch of 64, `filtered` is one query among about a tenth of the documents, by a
filter that was not asked before. `add` puts 1,000 documents more, on the disk when it returns. `own` is the memory that
no other process shares at the end of searching, `peak` with all that is mapped. Faiss and usearch keep vectors alone:
nothing is filtered there, texts are not kept, and a change writes the whole file again.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from _measuring import peak_mb

DIM, K, MORE = 384, 10, 1000
HEAD = "               build s open s    1 ms   64 ms  filtered add s disk MB own MB  peak  recall"
LANGUAGES = ("en", "de", "fr", "es", "zh")


def vectors(rows: int, file: Path) -> None:
    """Unit vectors, written a part at a time."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(max(2, rows // 50), DIM)).astype(np.float32)
    out = np.lib.format.open_memmap(file, mode="w+", dtype=np.float32, shape=(rows, DIM))
    for start in range(0, rows, 50_000):
        count = min(50_000, rows - start)
        z = centres[rng.integers(0, len(centres), count)] + rng.normal(size=(count, DIM)).astype(np.float32)
        out[start : start + count] = z / np.linalg.norm(z, axis=1, keepdims=True)
    out.flush()


def documents(start: int, count: int) -> dict[str, list[Any]]:
    numbers = range(start, start + count)
    return {
        "id": [f"doc-{i}" for i in numbers],
        "text": [f"document number {i}: a title of about sixty characters, like any" for i in numbers],
        "lang": [LANGUAGES[i % 5] for i in numbers],
        "year": [1980 + i // 5 % 50 for i in numbers],
    }


class Ours:
    options: ClassVar[dict[str, Any]] = {"approximate": False}

    def __init__(self, place: Path) -> None:
        from counterpoint.search import Index

        self.kind, self.folder = Index, place / "index"

    def build(self, z: np.ndarray, rows: dict[str, list[Any]]) -> None:
        columns = {"lang": rows["lang"], "year": rows["year"]}
        self.kind.build(self.folder, rows["id"], rows["text"], z, columns=columns, **self.options).close()

    def open(self) -> None:
        self.index = self.kind.open(self.folder)

    def search(self, queries: np.ndarray) -> list[list[str]]:
        return [[hit.id for hit in hits] for hits in self.index.search(queries, K)]

    def filtered(self, query: np.ndarray, lang: str, year: int) -> list[str]:
        return [hit.id for hit in self.index.search(query, K, where=[f"lang = {lang}", f"year >= {year}"])[0]]

    def add(self, z: np.ndarray, rows: dict[str, list[Any]]) -> None:
        self.index.add(rows["id"], rows["text"], z, columns={"lang": rows["lang"], "year": rows["year"]})


class OursApproximate(Ours):
    options: ClassVar[dict[str, Any]] = {"approximate": True}


class Lance:
    def __init__(self, place: Path) -> None:
        import lancedb

        self.db = lancedb.connect(place / "lance")

    def table(self, z: np.ndarray, rows: dict[str, list[Any]]) -> Any:
        import pyarrow as pa

        flat = pa.array(np.ascontiguousarray(z).reshape(-1))
        return pa.table({**rows, "vector": pa.FixedSizeListArray.from_arrays(flat, DIM)})

    def build(self, z: np.ndarray, rows: dict[str, list[Any]]) -> None:
        self.db.create_table("documents", self.table(z, rows))

    def open(self) -> None:
        self.index = self.db.open_table("documents")

    def _rows(self, query: Any) -> Any:
        return query.distance_type("dot").limit(K).select(["id", "text", "lang", "year", "_distance"])

    def search(self, queries: np.ndarray) -> list[list[str]]:
        if len(queries) == 1:
            return [[row["id"] for row in self._rows(self.index.search(queries[0])).to_list()]]
        found: list[list[str]] = [[] for _ in queries]
        for row in self._rows(self.index.search(list(queries))).to_list():
            found[row["query_index"]].append(row["id"])
        return found

    def filtered(self, query: np.ndarray, lang: str, year: int) -> list[str]:
        rows = self._rows(self.index.search(query[0])).where(f"lang = '{lang}' AND year >= {year}", prefilter=True)
        return [row["id"] for row in rows.to_list()]

    def add(self, z: np.ndarray, rows: dict[str, list[Any]]) -> None:
        self.index.add(self.table(z, rows))


class Milvus:
    def __init__(self, place: Path) -> None:
        import pymilvus

        self.client = pymilvus.MilvusClient(str(place / "milvus.db"), grpc_options={"grpc.enable_http_proxy": 0})

    def _insert(self, z: np.ndarray, rows: dict[str, list[Any]]) -> None:
        for start in range(0, len(z), 5000):
            part = slice(start, start + 5000)
            names = list(rows)
            cells = zip(*(values[part] for values in rows.values()), z[part], strict=True)
            self.client.insert("documents", [dict(zip([*names, "vector"], row, strict=True)) for row in cells])
        self.client.flush("documents")

    def build(self, z: np.ndarray, rows: dict[str, list[Any]]) -> None:
        from pymilvus import DataType

        schema = self.client.create_schema(auto_id=False)
        schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=64)
        schema.add_field("text", DataType.VARCHAR, max_length=1000)
        schema.add_field("lang", DataType.VARCHAR, max_length=8)
        schema.add_field("year", DataType.INT64)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=DIM)
        index = self.client.prepare_index_params()
        index.add_index("vector", index_type="FLAT", metric_type="IP")
        self.client.create_collection("documents", schema=schema, index_params=index)
        self._insert(z, rows)
        self.client.close()

    def open(self) -> None:
        self.client.load_collection("documents")

    def search(self, queries: np.ndarray, where: str = "") -> list[list[str]]:
        found = self.client.search(
            "documents", data=list(queries), limit=K, filter=where, output_fields=["text", "lang", "year"]
        )
        return [[hit["id"] for hit in hits] for hits in found]

    def filtered(self, query: np.ndarray, lang: str, year: int) -> list[str]:
        return self.search(query, f"lang == '{lang}' and year >= {year}")[0]

    def add(self, z: np.ndarray, rows: dict[str, list[Any]]) -> None:
        self._insert(z, rows)


class Faiss:
    filtered = None

    def __init__(self, place: Path) -> None:
        import faiss

        self.faiss, self.file = faiss, str(place / "faiss.index")

    def build(self, z: np.ndarray, rows: dict[str, list[Any]]) -> None:
        del rows
        index = self.faiss.IndexFlatIP(DIM)
        index.add(np.ascontiguousarray(z))
        self.faiss.write_index(index, self.file)

    def open(self) -> None:
        self.index = self.faiss.read_index(self.file)

    def search(self, queries: np.ndarray) -> list[list[str]]:
        return [[f"doc-{i}" for i in row] for row in self.index.search(queries, K)[1].tolist()]

    def add(self, z: np.ndarray, rows: dict[str, list[Any]]) -> None:
        del rows
        self.index.add(z)
        self.faiss.write_index(self.index, self.file)


class Usearch:
    filtered = None

    def __init__(self, place: Path) -> None:
        from usearch.index import Index

        self.kind, self.file = Index, str(place / "usearch.index")

    def build(self, z: np.ndarray, rows: dict[str, list[Any]]) -> None:
        del rows
        index = self.kind(ndim=DIM, metric="ip", dtype="f32")
        index.add(np.arange(len(z)), np.ascontiguousarray(z))
        index.save(self.file)

    def open(self) -> None:
        self.index = self.kind.restore(self.file, view=True)

    def search(self, queries: np.ndarray) -> list[list[str]]:
        keys = np.atleast_2d(self.index.search(queries, K).keys)
        return [[f"doc-{i}" for i in row] for row in keys.tolist()]

    def add(self, z: np.ndarray, rows: dict[str, list[Any]]) -> None:
        del rows
        index = self.kind.restore(self.file)
        index.add(np.arange(len(index), len(index) + len(z)), z)
        index.save(self.file)


STORES: dict[str, Callable[[Path], Any]] = {
    "ours": Ours,
    "ours, approx.": OursApproximate,
    "lancedb": Lance,
    "milvus lite": Milvus,
    "faiss flat": Faiss,
    "usearch hnsw": Usearch,
}


def median_ms(call: Callable[[Any], Any], given: list[Any], seconds: float = 20.0) -> float:
    """Of one call each, until the time is up."""
    times, begun = [], time.perf_counter()
    for one in given:
        start = time.perf_counter()
        call(one)
        times.append(time.perf_counter() - start)
        if time.perf_counter() - begun > seconds and len(times) >= 3:
            break
    return 1e3 * statistics.median(times)


def build(store: str, place: Path) -> dict[str, Any]:
    z = np.load(place / "z.npy", mmap_mode="r")
    made, rows = STORES[store](place / store), documents(0, len(z))
    start = time.perf_counter()
    made.build(z, rows)
    seconds = time.perf_counter() - start
    size = sum(p.stat().st_size for p in (place / store).rglob("*") if p.is_file())
    return {"build": seconds, "disk": size / 1e6, "peak building": peak_mb()}


def look(store: str, place: Path) -> dict[str, Any]:
    import torch

    torch.zeros(1)
    queries = np.load(place / "queries.npy")
    start = time.perf_counter()
    made = STORES[store](place / store)
    made.open()
    made.search(queries[:1])
    found: dict[str, Any] = {"open": time.perf_counter() - start}
    answers = made.search(queries[:64])
    exact = json.loads((place / "exact.json").read_text())
    found["recall"] = statistics.mean(len(set(a) & set(b)) / K for a, b in zip(answers, exact, strict=True))
    found["1"] = median_ms(made.search, [queries[i : i + 1] for i in range(64)])
    found["64"] = median_ms(made.search, [queries[i : i + 64] for i in range(0, len(queries), 64)])
    if made.filtered is not None:
        asked = [(queries[i : i + 1], LANGUAGES[i % 5], 2000 + i // 5) for i in range(64)]
        found["filtered"] = median_ms(lambda one: made.filtered(*one), asked)
    status = Path("/proc/self/status").read_text()
    found |= {"own": int(status.split("RssAnon:")[1].split()[0]) / 1024, "peak": peak_mb()}
    z = np.load(place / "more.npy")
    start = time.perf_counter()
    made.add(z, documents(len(np.load(place / "z.npy", mmap_mode="r")), MORE))
    found["add"] = time.perf_counter() - start
    return found


def prepare(rows: int, place: Path) -> None:
    """Vectors, queries near some of them, and what brute force finds."""
    vectors(rows, place / "z.npy")
    z, rng = np.load(place / "z.npy", mmap_mode="r"), np.random.default_rng(1)
    for name, count in (("queries", 320), ("more", MORE)):
        near = z[rng.choice(rows, count)] + 0.03 * rng.normal(size=(count, DIM)).astype(np.float32)
        np.save(place / f"{name}.npy", (near / np.linalg.norm(near, axis=1, keepdims=True)).astype(np.float32))
    queries, best = np.load(place / "queries.npy")[:64], np.empty((64, 0))
    ids = np.empty((64, 0), dtype=int)
    for start in range(0, rows, 50_000):
        scores = queries @ z[start : start + 50_000].T
        best = np.concatenate([best, scores], 1)
        ids = np.concatenate([ids, np.tile(np.arange(start, start + scores.shape[1]), (64, 1))], 1)
        order = np.argsort(-best, axis=1)[:, :K]
        best, ids = np.take_along_axis(best, order, 1), np.take_along_axis(ids, order, 1)
    (place / "exact.json").write_text(json.dumps([[f"doc-{i}" for i in row] for row in ids.tolist()]))


def in_process(step: str, store: str, place: Path, limit: float) -> dict[str, Any]:
    command = [sys.executable, __file__, "--step", step, "--only", store, "--place", str(place)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return {"failed": f"{step} took more than {limit:,.0f} s"}
    if done.returncode:
        return {"failed": f"{step}: {done.stderr.strip().splitlines()[-1][:60]}"}
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def line(store: str, found: dict[str, Any]) -> str:
    if "failed" in found:
        return f"{store:14}{found['failed']}"
    cells = [("build", "8.1f"), ("open", "6.2f"), ("1", "7.1f"), ("64", "7.0f"), ("filtered", "9.1f"), ("add", "6.2f")]
    cells += [("disk", "7.0f"), ("own", "6.0f"), ("peak", "6.0f"), ("recall", "7.3f")]
    width = {name: int(form.split(".")[0]) for name, form in cells}
    return f"{store:14}" + "".join(
        f"{found[name]:{form}}" if name in found else f"{'-':>{width[name]}}" for name, form in cells
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[38_000])
    parser.add_argument("--only", nargs="+", choices=list(STORES), default=list(STORES))
    parser.add_argument("--limit", type=float, default=3600, help="seconds that building or searching may take")
    parser.add_argument("--step", choices=["build", "look"], help=argparse.SUPPRESS)
    parser.add_argument("--place", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.step:
        (asked.place / asked.only[0]).mkdir(exist_ok=True)
        print(json.dumps({"build": build, "look": look}[asked.step](asked.only[0], asked.place)))
        return
    for rows in asked.rows:
        place = Path(tempfile.mkdtemp(prefix="benchmark-index-"))
        try:
            prepare(rows, place)
            print(f"\n{rows:,} x {DIM}, k = {K}, float32")
            print(
                "              build s open s    1 ms   64 ms  filtered add s disk MB own MB  peak  recall", flush=True
            )
            for store in asked.only:
                found = in_process("build", store, place, asked.limit)
                if "failed" not in found:
                    found |= in_process("look", store, place, asked.limit)
                print(line(store, found), flush=True)
                shutil.rmtree(place / store, ignore_errors=True)
        finally:
            shutil.rmtree(place)


if __name__ == "__main__":
    main()
