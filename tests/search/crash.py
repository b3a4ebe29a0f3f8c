"""Many readers and one writer that is killed again and again, in processes of their own; run by test_crash.py.

    python tests/search/crash.py FOLDER --readers 64 --seconds 60 --kills 10 --precision float32

Every document is known from its id and its generation: its vector is drawn from them, its text and columns name
them. The writer says in a log what it is about to do and, after the call has returned, that it is done. So
every reader knows what it must find, and what it may find, whatever moment it looks at.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import time
import traceback
from functools import partial
from pathlib import Path

import numpy as np
import torch

from counterpoint.geometry import Ragged
from counterpoint.search import Index

DIM = 16
IDS = 400
NEAR = {"float32": 1e-5, "int8": 0.02, "binary": 0.02, "several": 0.002}
"""How far a score may be from that of the vector itself. "several": of float32, and one to three float16 beside it."""


def vector(number: int, generation: int) -> np.ndarray:
    z = np.random.default_rng([number, generation]).normal(size=DIM).astype(np.float32)
    return z / np.linalg.norm(z)


def document(number: int, generation: int) -> dict:
    return {
        "text": f"number{number} generation{generation} " + "filler " * (generation % 50),
        "columns": {"number": number, "generation": generation, "even": number % 2 == 0},
    }


def build(folder: Path, *arguments, precision: str, **more) -> None:
    Index.build(folder, *arguments, precision="float32" if precision == "several" else precision, **more).close()


def put(call, numbers: list[int], generation: int, precision: str, **more):
    """Add or build these documents."""
    every = [document(n, generation) for n in numbers]
    columns = {name: [one["columns"][name] for one in every] for name in every[0]["columns"]}
    z = np.stack([vector(n, generation) for n in numbers])
    if precision == "several":
        times = [1 + n % 3 for n in numbers]
        z = Ragged(np.repeat(z, times, axis=0), np.cumsum([0, *times]))
    return call([str(n) for n in numbers], [one["text"] for one in every], z, columns=columns, **more)


class Log:
    """What the writer has said so far."""

    def __init__(self, file: Path) -> None:
        self._file, self._at = file, 0
        self.state: dict[int, int] = {}  # what has been acknowledged: number -> generation
        self.pending: dict | None = None
        self.touched: dict[int, int] = {}  # how often a document was written to, or about to be

    def read(self) -> None:
        with self._file.open("rb") as file:
            file.seek(self._at)
            for line in file.read().split(b"\n")[:-1]:
                self._at += len(line) + 1
                self._take(json.loads(line))

    def _take(self, line: dict) -> None:
        if line["say"] == "about":
            self.pending = line
            every = set(line["numbers"]) | (set(self.state) if line["do"] == "build" else set())
            for number in every:
                self.touched[number] = self.touched.get(number, 0) + 1
            return
        assert self.pending is not None
        if line["say"] == "done":
            if self.pending["do"] == "build":
                self.state = {}
            for number in self.pending["numbers"]:
                if self.pending["do"] == "delete":
                    self.state.pop(number, None)
                else:
                    self.state[number] = self.pending["generation"]
        self.pending = None


def write(folder: Path, file: Path, seed: int, precision: str) -> None:
    """Write until killed. What was under way when the last writer was killed is done or not, never in part."""
    chance = random.Random(seed)
    log = Log(file)
    log.read()
    generation = max([0, *log.state.values(), log.pending["generation"] if log.pending else 0])
    out = os.open(file, os.O_WRONLY | os.O_APPEND)

    def say(what: str, **more) -> None:
        os.write(out, json.dumps({"say": what, **more}).encode() + b"\n")

    with Index.open(folder) as index:
        if log.pending:
            say("done" if done(index, log) else "not done")
        parent = os.getppid()
        while os.getppid() == parent:
            generation += 1
            do = chance.choices(["add", "delete", "build"], [80, 19, 1])[0]
            few = chance.choice([1, 1, 3, 40])
            if do == "build" and precision != "float32":
                few = 150  # ranges of a few vectors do not fit others
            numbers = chance.sample(range(IDS), few)
            say("about", do=do, numbers=numbers, generation=generation)
            if do == "add":
                put(index.add, numbers, generation, precision)
            elif do == "delete":
                index.delete([str(n) for n in numbers])
            else:
                put(partial(build, folder, precision=precision), numbers, generation, precision)
            say("done")


def done(index: Index, log: Log) -> bool:
    """Whether what the killed writer was about to do is done; all else must be as acknowledged."""
    assert log.pending is not None
    found = contents(index)
    before = dict(log.state)
    after = {} if log.pending["do"] == "build" else dict(before)
    for number in log.pending["numbers"]:
        if log.pending["do"] == "delete":
            after.pop(number, None)
        else:
            after[number] = log.pending["generation"]
    assert found in (before, after), "a write is there in part, or something acknowledged is not"
    return found == after


def contents(index: Index) -> dict[int, int]:
    found = index.get([str(n) for n in range(IDS)])
    assert len(index) == sum(one is not None for one in found)
    return {int(one.id): one.columns["generation"] for one in found if one is not None}


def check_hits(query: np.ndarray, hits: list, near: float) -> None:
    """Every hit is one document, whole: its text, columns and vector are of one generation."""
    assert len({hit.id for hit in hits}) == len(hits)
    for hit in hits:
        expected = document(int(hit.id), hit.columns["generation"])
        assert (hit.text, hit.columns) == (expected["text"], expected["columns"])
        assert abs(hit.score - float(query @ vector(int(hit.id), hit.columns["generation"]))) < near
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def read(folder: Path, file: Path, stop: Path, seed: int) -> int:
    """Look until told to stop; how many times."""
    chance = random.Random(seed)
    log, version, looks = Log(file), 0, 0
    index = Index.open(folder)
    precision = "several" if index.several else index.precision
    near, parent = NEAR[precision], os.getppid()
    while not stop.exists() and os.getppid() == parent:
        log.read()
        known = [
            n for n in log.state if not (log.pending and (n in log.pending["numbers"] or log.pending["do"] == "build"))
        ]
        if not known:
            continue
        number = chance.choice(known)
        generation, touched = log.state[number], dict(log.touched)
        query = vector(number, generation)
        (hits,) = index.search(given(query, precision), 5)
        check_hits(query, hits, near)
        log.read()
        if log.touched.get(number, 0) == touched.get(number, 0):
            assert hits[0].id == str(number), "an acknowledged document is not found"
            assert hits[0].columns["generation"] == generation
        now = index._store.read(lambda view: view.version)
        assert now >= version, "the version went back"
        version = now
        if looks % 4 == 0:
            (hits,) = index.search(given(query, precision), 5, where=["even = true", f"generation <= {generation}"])
            check_hits(query, hits, near)
            assert all(hit.columns["even"] and hit.columns["generation"] <= generation for hit in hits)
        if looks % 16 == 1:
            index._store.read(lambda view, query=query: check_whole(view, query, precision))
        if looks % 16 == 2:
            (hits,) = index.hybrid([f"number{number}"], given(query, precision), 5)
            check_hits(query, hits, np.inf)
        if looks % 16 == 3:
            index.close()
            index = Index.open(folder)
        looks += 1
    index.close()
    return looks


def check_whole(view, query: np.ndarray, precision: str) -> None:
    """Within one state, the nearest are those that brute force finds."""
    every = {name: int(text.split()[1].removeprefix("generation")) for name, text in view.texts().items()}
    assert len(every) == len(view)
    names = list(every)
    z = np.stack([vector(int(n), every[n]) for n in names]) if names else np.zeros((0, DIM), np.float32)
    if precision == "several":  # as they are kept, so that the order of near ones is theirs
        z = z.astype(np.float16).astype(np.float32)
    scores = z @ query
    best = np.argsort(-scores)[:5]
    (hits,) = view.search(given(query, precision), 5, None)
    if precision in ("float32", "several"):
        assert [hit.id for hit in hits] == [names[i] for i in best]
    else:  # near ones may change places, and bits miss some
        assert len(hits) == min(5, len(names))
    if precision in ("int8", "several"):
        assert np.allclose([hit.score for hit in hits], scores[best], rtol=0, atol=NEAR[precision])


def given(query: np.ndarray, precision: str):
    """The query as it is asked for."""
    return Ragged(query[None], np.array([0, 1])) if precision == "several" else query[None]


def start(work, *arguments) -> int:
    """Run in a process of its own, which ends with it, and when its parent is gone."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        work(*arguments)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--readers", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--precision", choices=list(NEAR), default="float32")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    asked.folder.mkdir(parents=True)
    folder, file, stop = asked.folder / "index", asked.folder / "log", asked.folder / "stop"
    chance = random.Random(asked.seed)
    first = list(range(0, IDS, 2))
    about = {"say": "about", "do": "build", "numbers": first, "generation": 1}
    file.write_text(json.dumps(about) + '\n{"say": "done"}\n')
    put(partial(build, folder, precision=asked.precision), first, 1, asked.precision)

    def look(number: int) -> None:
        looks = read(folder, file, stop, 1000 * asked.seed + number)
        (asked.folder / f"looks-{number}").write_text(str(looks))

    readers = [start(look, number) for number in range(asked.readers)]
    begun, killed = time.monotonic(), 0
    moments = sorted(chance.uniform(0, asked.seconds) for _ in range(asked.kills))
    writer = start(write, folder, file, asked.seed, asked.precision)
    for moment in moments:
        time.sleep(max(0.0, begun + moment - time.monotonic()))
        assert os.waitpid(writer, os.WNOHANG) == (0, 0), "the writer ended by itself"
        os.kill(writer, signal.SIGKILL)
        os.waitpid(writer, 0)
        killed += 1
        writer = start(write, folder, file, asked.seed + killed, asked.precision)
    time.sleep(max(0.0, begun + asked.seconds - time.monotonic()))
    alive = os.waitpid(writer, os.WNOHANG) == (0, 0)
    os.kill(writer, signal.SIGKILL)
    os.waitpid(writer, 0)
    stop.touch()
    wrong = sum(os.waitpid(pid, 0)[1] != 0 for pid in readers)
    log = Log(file)
    log.read()
    with Index.open(folder) as index:
        if log.pending:
            done(index, log)
        else:
            assert contents(index) == log.state, "something acknowledged is lost"
        index.delete(["none such"])  # the next writer takes away what the killed ones left
        data = folder / json.loads((folder / "index.json").read_text())["data"]
        named = {s.name for s in index._store.read(lambda view: view.snapshot.segments)}
        assert {p.stem for p in (data / "vectors").iterdir()} == named
    looks = [int((asked.folder / f"looks-{n}").read_text()) for n in range(asked.readers) if not wrong]
    writes = file.read_text().count('"done"')
    print(json.dumps({"killed": killed, "alive": alive, "wrong": wrong, "writes": writes, "looks": looks}))


if __name__ == "__main__":
    main()
