"""Any number of texts to vectors: sorted by length, batched by tokens, at constant memory, resumable."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from jaxtyping import Float, Int

from counterpoint.encoders._npy import NpyWriter
from counterpoint.encoders.features import Features, Kind, lengths, take
from counterpoint.errors import InputError, refuse_string

if TYPE_CHECKING:
    from counterpoint.encoders._base import TextEncoder

Precision = Literal["auto", "float32", "bfloat16"]
Progress = Callable[[int, int | None], None]

WINDOW = 16_384
"""Texts held and sorted at a time."""

FEW = 32
"""Up to so many texts `auto` stays at float32: converting the weights would cost more than it saves."""


def fast_bfloat16(device: torch.device) -> bool:
    """Whether the processor multiplies bfloat16 matrices faster than float32 (AMX, AVX512-BF16, a GPU)."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    checks = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return device.type == "cpu" and any(getattr(torch.cpu, c, lambda: False)() for c in checks)


def encode(
    encoder: TextEncoder,
    texts: Iterable[str],
    *,
    kind: Kind = None,
    batch_tokens: int | None = None,
    dtype: Precision = "auto",
    progress: bool | Progress = False,
    out: str | PathLike[str] | None = None,
    resume: bool = True,
    window: int = WINDOW,
) -> Float[np.ndarray, "n d"]:
    """One float32 vector a text, in the order of `texts`.

    Texts are taken in windows of `window`; in each, equal texts are encoded once, and the rest goes through
    the model sorted by length in batches of `batch_tokens` tokens. Memory does not grow with the number
    of texts except for the result, which with `out` is on disk.

    Args:
        encoder: The encoder.
        texts: Strings; a list, or any iterable (a generator is read window by window).
        kind: ``"query"`` or ``"document"``: chooses the prompt.
        batch_tokens: Tokens a forward; more is faster up to a point, and takes more memory.
        dtype: What the model computes in. ``"auto"`` is bfloat16 where the processor is made for it and
            there are more than a few texts, else float32.
        progress: True for a bar with rate and time left, or a function called with (done, total or None).
        out: Write to this .npy file instead; the result is then a read-only memory map of it. Until all is
            done the rows are in a hidden file beside it, which the same call goes on from after a kill:
            the file ends up identical to that of an unbroken run.
        resume: False to start over whatever was left by an earlier call.
        window: Texts held at a time (part of what must be the same to resume).

    Raises:
        InputError: A text is not a string; what an earlier call left in `out` was made with another
            model, settings or texts; the disk is full.

    Examples:
        >>> from counterpoint.encoders import StaticEncoder
        >>> encoder = StaticEncoder.from_corpus(["a small corpus", "of two texts"], dim=8)
        >>> encode(encoder, ["two", "small", "two"]).shape
        (3, 8)
    """
    if dtype not in ("auto", "float32", "bfloat16"):
        raise InputError(f"unknown dtype {dtype!r}", fix="choose auto, float32 or bfloat16")
    refuse_string(texts, "texts")
    total = len(texts) if isinstance(texts, Sized) else None
    half = fast_bfloat16(encoder.device) and (total is None or total > FEW)
    precision = torch.bfloat16 if dtype == "bfloat16" or (dtype == "auto" and half) else torch.float32
    budget = batch_tokens or encoder.batch_tokens
    was_training = encoder.training
    encoder.eval()
    try:
        with _reporting(progress, total) as report, encoder.at(precision), torch.inference_mode():
            if out is None:
                result = np.empty((total or 0, encoder.dim), dtype=np.float32)
                blocks, done = [result[:0]], 0
                for batch in _windows(texts, window):
                    block = _encode_window(encoder, batch, kind, budget, report)
                    if total is None:
                        blocks.append(block)
                    else:
                        result[done : done + len(batch)] = block
                    done += len(batch)
                return result if total is not None else np.concatenate(blocks)
            settings = repr([fingerprint(encoder), encoder.prompt(kind), precision, budget, window])
            made_with = hashlib.blake2b(settings.encode(), digest_size=16).hexdigest()
            with NpyWriter(Path(out), encoder.dim, made_with, resume) as writer:
                for batch in _windows(texts, window):
                    if writer.skip(batch):
                        if encoder.counted:
                            _count(encoder, encoder.tokenize(batch, kind))
                        report(len(batch))
                    else:
                        writer.append(batch, _encode_window(encoder, batch, kind, budget, report))
            # an empty file cannot be mapped
            rows: Float[np.ndarray, "n d"] = np.load(out, mmap_mode="r" if writer.rows else None)
            return rows
    finally:
        encoder.train(was_training)


def _encode_window(
    encoder: TextEncoder,
    texts: Sequence[str],
    kind: Kind,
    batch_tokens: int,
    report: Callable[[int], None],
) -> Float[np.ndarray, "n d"]:
    """The vectors of `texts`, in their order."""
    seen: dict[str, int] = {}
    index = [seen.setdefault(text, len(seen)) for text in texts]
    features = encoder.tokenize(list(seen), kind)
    repeats = np.bincount(index)
    _count(encoder, features, repeats)
    counts = lengths(features)
    order = counts.argsort(stable=True)
    # a new batch wherever the running number of tokens passes a multiple of the budget
    batch = (counts[order].cumsum(0) - 1).clamp(min=0) // batch_tokens
    unique = np.empty((len(seen), encoder.dim), dtype=np.float32)
    for rows in order.split(batch.unique_consecutive(return_counts=True)[1].tolist()):
        unique[rows.numpy()] = encoder(take(features, rows)).float().cpu().numpy()
        report(int(repeats[rows.numpy()].sum()))
    return unique if len(seen) == len(texts) else unique[index]


def _count(encoder: TextEncoder, features: Features, times: Int[np.ndarray, "n"] | None = None) -> None:
    """Tell who counts the texts that are cut (`TextEncoder.counting`)."""
    for cut in encoder.counted:
        cut.add(features, times)


def _windows(texts: Iterable[str], size: int) -> Iterator[list[str]]:
    iterator, row = iter(texts), 0
    while window := list(islice(iterator, size)):
        for i, text in enumerate(window):
            if not isinstance(text, str):
                raise InputError(
                    f"text is {type(text).__name__}, not a string",
                    line=row + i + 1,
                    fix="convert or remove it",
                )
        row += len(window)
        yield window


def fingerprint(encoder: TextEncoder) -> str:
    """A digest of what a text's vector depends on: the weights, the tokenizer, the prompts, the encoder's settings.

    Equal digests give equal vectors. A model that is saved and loaded again keeps its digest, wherever its
    folder is; weights that no vector depends on (a pooler) are not in it.

    Returns:
        32 hexadecimal digits (BLAKE2b, 128 bits).

    Examples:
        >>> from counterpoint.encoders import StaticEncoder
        >>> one, same, other = (StaticEncoder.from_corpus(["a small corpus"], dim=8, seed=s) for s in (0, 0, 1))
        >>> fingerprint(one) == fingerprint(same), fingerprint(one) == fingerprint(other)
        (True, False)
    """
    kinds: tuple[Kind, ...] = (None, "query", "document")
    settings = [*map(encoder.prompt, kinds), *encoder.identity()]
    digest = hashlib.blake2b(repr(settings).encode(), digest_size=16)
    for name, tensor in encoder.weights().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


@contextlib.contextmanager
def _reporting(progress: bool | Progress, total: int | None) -> Iterator[Callable[[int], None]]:
    """A function to call with the number of texts just done."""
    if progress is False:
        yield lambda _: None
        return
    if callable(progress):
        done = 0

        def report(n: int) -> None:
            nonlocal done
            done += n
            progress(done, total)

        yield report
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("encoding"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns) as bar:
        task = bar.add_task("", total=total, rate="")

        def advance(n: int) -> None:
            bar.advance(task, n)
            speed = bar.tasks[task].speed
            bar.update(task, rate=f"{speed:,.0f} texts/s" if speed else "")

        yield advance
