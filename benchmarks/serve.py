"""`counterpoint serve` under load, beside the encoder by itself on the same texts, in turns.

    python benchmarks/serve.py                     # 64 clients, 3 turns of 8 seconds a side, MiniLM
    python benchmarks/serve.py --model runs/mine --texts 1

A server in a process of its own is asked over the loopback interface, by clients that ask again as soon as they are
answered. `own` is `encode` of the same texts, hundreds a call, in this process, while the server rests; both compute in
float32 with as many threads. Clients and server share the processors, as they seldom do where it counts. Base64 is what
OpenAI's own client asks for.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

TARGET = 0.9
_AT_ONCE = 512  # texts a call of the encoder by itself


async def client(port: int, bodies: list[bytes], end: float, took: list[float], errors: list[int]) -> None:
    """Ask until the time is over; how long each answer took."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    turn = 0
    while time.perf_counter() < end:
        begun = time.perf_counter()
        body = bodies[turn % len(bodies)]
        head = "POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(answer.split(b"content-length: ")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        if b" 200 " in answer[:15]:
            took.append(time.perf_counter() - begun)
        else:
            errors.append(int(answer.split()[1]))
        turn += 1
    writer.close()


async def load(port: int, bodies: list[bytes], clients: int, seconds: float) -> tuple[list[float], list[int], float]:
    """All clients at once, each beginning at another text."""
    took: list[float] = []
    errors: list[int] = []
    begun = time.perf_counter()
    shifts = [i * len(bodies) // clients for i in range(clients)]
    await asyncio.gather(*(client(port, bodies[at:] + bodies[:at], begun + seconds, took, errors) for at in shifts))
    return took, errors, time.perf_counter() - begun


def ask(port: int, body: bytes) -> dict:
    """One request, and its answer."""
    import urllib.request

    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/embeddings", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="a model folder; MiniLM if not given")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--texts", type=int, default=4, help="a request")
    parser.add_argument("--seconds", type=float, default=8, help="a turn")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--format", default="base64", choices=["float", "base64"])
    parser.add_argument("--max-batch", type=int, default=64)
    arguments = parser.parse_args()

    from counterpoint.data import debian
    from counterpoint.encoders import load as load_model
    from counterpoint.fitting.bases import resolve_base

    texts = list(dict.fromkeys(debian().heldout.corpus.values()))[:4096]
    encoder = load_model(arguments.model or resolve_base("minilm"), backend="torch")
    size = arguments.texts
    parts = [texts[i : i + size] for i in range(0, len(texts) - size + 1, size)]
    bodies = [json.dumps({"input": part, "encoding_format": arguments.format}).encode() for part in parts]

    with tempfile.TemporaryDirectory() as folder:
        encoder.save(f"{folder}/model")
        command = [
            sys.executable,
            "-m",
            "counterpoint",
            "serve",
            f"{folder}/model",
            "--port",
            "0",
            "--backend",
            "torch",
        ]
        command += ["--max-batch", str(arguments.max_batch)]
        environment = os.environ | {"PYTHONUNBUFFERED": "1"}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
            try:
                assert server.stdout is not None
                port = int(server.stdout.readline().split(" (")[0].rsplit(":", 1)[1])
                _check(port, encoder, texts[:size])
                measure(arguments, port, encoder, texts, bodies)
            finally:
                server.terminate()


def _check(port: int, encoder, texts: list[str]) -> None:
    """What is served is what the encoder gives."""
    answer = ask(port, json.dumps({"input": texts, "encoding_format": "base64"}).encode())
    found = np.stack([np.frombuffer(base64.b64decode(one["embedding"]), "<f4") for one in answer["data"]])
    np.testing.assert_allclose(found, encoder.encode(texts, dtype="float32"), atol=1e-5)


def measure(arguments: argparse.Namespace, port: int, encoder, texts: list[str], bodies: list[bytes]) -> None:
    own, served, every, failed = [], [], [], []
    encoder.encode(texts[:_AT_ONCE], dtype="float32")
    for turn in range(arguments.turns):
        begun, done = time.perf_counter(), 0
        while time.perf_counter() - begun < arguments.seconds:
            at = (turn * 7 * _AT_ONCE + done) % len(texts)
            done += len(encoder.encode(texts[at : at + _AT_ONCE], dtype="float32"))
        own.append(done / (time.perf_counter() - begun))
        took, errors, seconds = asyncio.run(load(port, bodies, arguments.clients, arguments.seconds))
        served.append(len(took) * arguments.texts / seconds)
        every += took
        failed += errors
        print(f"  turn {turn + 1}: own {own[-1]:7.0f} texts/s, served {served[-1]:7.0f}", flush=True)
    ratios = sorted(a / b for a, b in zip(served, own, strict=True))
    every.sort()
    p50, p95 = (1000 * every[int(share * (len(every) - 1))] for share in (0.5, 0.95))
    print(f"{arguments.clients} clients, {arguments.texts} texts a request, {arguments.format}:")
    print(f"  own       {statistics.median(own):8.0f} texts/s")
    print(
        f"  served    {statistics.median(served):8.0f} texts/s  {statistics.median(ratios):.2f}"
        f" ({ratios[0]:.2f} .. {ratios[-1]:.2f}) x own, target {TARGET}"
    )
    kinds = ", ".join(map(str, sorted(set(failed))))
    print(f"  {len(every):,} answers, p50 {p50:.0f} ms, p95 {p95:.0f} ms; {len(failed)} errors {kinds}")


if __name__ == "__main__":
    main()
