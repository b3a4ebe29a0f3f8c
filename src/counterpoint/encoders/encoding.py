"""Any number of texts to vectors: sorted by length, batched by tokens, at constant memory, resumable."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped

from counterpoint.data.items import Items
from counterpoint.encoders._npy import NpyWriter
from counterpoint.encoders.features import Features, Kind, lengths, take
from counterpoint.errors import InputError, refuse_string
from counterpoint.precision import PRECISIONS, Precision, Ranges, fit_ranges, pack_bits
from counterpoint.progress import Progress, reporting

if TYPE_CHECKING:
    from counterpoint.encoders._base import TextEncoder
    from counterpoint.encoders.saving import Saved
    from counterpoint.encoders.spreading import Spread

Dtype = Literal["auto", "float32", "bfloat16"]
WINDOW = 16_384
"""Texts held and sorted at a time."""

_ITEMS = 2048
"""Items other than texts that are encoded and written at a time."""

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
    prompt: str | None = None,
    truncate_dim: int | None = None,
    precision: Precision = "float32",
    ranges: Ranges | None = None,
    batch_tokens: int | None = None,
    dtype: Dtype = "auto",
    progress: bool | Progress = False,
    out: str | PathLike[str] | None = None,
    resume: bool = True,
    window: int = WINDOW,
    spread: Spread | None = None,
) -> Shaped[np.ndarray, "n d"]:
    """One vector a text, in the order of `texts`: float32, or fewer bits.

    Texts are taken in windows of `window`; in each, equal texts are encoded once, and the rest goes through
    the model sorted by length in batches of `batch_tokens` tokens. Memory does not grow with the number
    of texts except for the result, which with `out` is on disk.

    Args:
        encoder: The encoder.
        texts: Strings; a list, or any iterable (a generator is read window by window).
        kind: ``"query"`` or ``"document"``: chooses the prompt.
        prompt: Put before every text instead of the prompt of its kind; "" for none.
        truncate_dim: Keep only so many first dimensions (then normalise again) instead of what the encoder is set to.
        precision: ``"float32"``; ``"int8"``, a code a dimension (`Ranges`); or ``"binary"``, a bit a dimension, eight
            to a byte (`pack_bits`).
        ranges: For int8. Without them they are fitted on the first window, and with `out` (which is then needed) kept
            beside it as `OUT.ranges.json`.
        batch_tokens: Tokens a forward; more is faster up to a point, and takes more memory.
        dtype: What the model computes in. ``"auto"`` is bfloat16 where the processor is made for it and
            there are more than a few texts, else float32.
        progress: True for a bar with rate and time left, or a function called with (done, total or None).
        out: Write to this .npy file instead; the result is then a read-only memory map of it. Until all is
            done the rows are in a hidden file beside it, which the same call goes on from after a kill:
            the file ends up identical to that of an unbroken run.
        resume: False to start over whatever was left by an earlier call.
        window: Texts held at a time (part of what must be the same to resume).
        spread: Workers that windows are given to (`on_ray`); the result is the same.

    Raises:
        InputError: A text is not a string; more dimensions than the model has, an unknown precision, ranges of
            another model, other dimensions or another precision; what an earlier call left in `out` was made with
            another model, settings or texts; the disk is full.

    Examples:
        >>> from counterpoint.encoders import StaticEncoder
        >>> encoder = StaticEncoder.from_corpus(["a small corpus", "of two texts"], dim=8)
        >>> encode(encoder, ["two", "small", "two"]).shape
        (3, 8)
        >>> encode(encoder, ["two", "small"], truncate_dim=4).shape
        (2, 4)
        >>> encode(encoder, ["two", "small"], precision="binary").shape
        (2, 1)
    """
    if dtype not in ("auto", "float32", "bfloat16"):
        raise InputError(f"unknown dtype {dtype!r}", fix="choose auto, float32 or bfloat16")
    refuse_string(texts, "texts")
    check_precision(encoder, precision, ranges, truncate_dim)
    if precision == "int8" and ranges is None and out is None:
        raise InputError(
            "int8 vectors mean nothing without their ranges",
            fix="give ranges=fit_ranges(z) of some vectors z, or out=, beside which they are kept",
        )
    total = len(texts) if isinstance(texts, Sized) else None
    half = fast_bfloat16(encoder.device) and (total is None or total > FEW)
    computed_in = torch.bfloat16 if dtype == "bfloat16" or (dtype == "auto" and half) else torch.float32
    budget = batch_tokens or encoder.batch_tokens
    model = "" if out is None else fingerprint(encoder)
    with (
        as_asked(encoder, prompt, truncate_dim),
        reporting(progress, total) as report,
        encoding(encoder, kind, budget, computed_in, spread, report) as vectors,
    ):
        small = _Small(precision, encoder.dim, ranges, model)
        if out is None:
            result = np.empty((total or 0, small.width), dtype=small.dtype)
            blocks, done = [result[:0]], 0
            for batch, z_nd in vectors(windows(texts, window)):
                block = small(z_nd)
                if total is None:
                    blocks.append(block)
                else:
                    result[done : done + len(batch)] = block
                done += len(batch)
            return result if total is not None else np.concatenate(blocks)
        settings: list[object] = [model, encoder.prompt(kind), encoder.dim, computed_in, budget, window, precision]
        settings.append(ranges and ranges.to_json())
        made_with = hashlib.blake2b(repr(settings).encode(), digest_size=16).hexdigest()
        with NpyWriter(Path(out), small.width, made_with, resume, small.dtype) as writer:
            small.ranges = writer.ranges or ranges

            def left() -> Iterator[list[str]]:
                for batch in windows(texts, window):
                    if not writer.skip(batch):
                        yield batch
                        continue
                    if encoder.counted:
                        tell_counters(encoder, encoder.tokenize(batch, kind))
                    report(len(batch))

            for batch, z_nd in vectors(left()):
                block = small(z_nd)
                writer.ranges = small.ranges
                writer.append(batch, block)
        # an empty file cannot be mapped
        rows: Shaped[np.ndarray, "n d"] = np.load(out, mmap_mode="r" if writer.rows else None)
        return rows


Vectors = Callable[[Iterator[list[str]]], Iterator[tuple[list[str], Float[np.ndarray, "n d"]]]]
"""From windows of texts each with its vectors."""


@contextlib.contextmanager
def encoding(
    encoder: TextEncoder,
    kind: Kind,
    batch_tokens: int,
    computed_in: torch.dtype,
    spread: Spread | None,
    report: Callable[[int], None],
) -> Iterator[Vectors]:
    """Within, windows of texts become vectors, here or by workers."""

    def vectors(given: Iterator[list[str]]) -> Iterator[tuple[list[str], Float[np.ndarray, "n d"]]]:
        if spread is None:
            yield from ((batch, _encode_window(encoder, batch, kind, batch_tokens, report)) for batch in given)
            return
        name = "bfloat16" if computed_in is torch.bfloat16 else "float32"
        for batch, z_nd, cut in spread(encoder, given, kind=kind, batch_tokens=batch_tokens, dtype=name):
            for counter in encoder.counted:
                counter.texts, counter.of = counter.texts + cut.texts, counter.of + cut.of
            report(len(batch))
            yield batch, z_nd

    was_training = encoder.training
    encoder.eval()
    try:
        with encoder.at(computed_in), torch.inference_mode():
            yield vectors
    finally:
        encoder.train(was_training)


def encode_items_to(
    out: str | PathLike[str],
    encoder: Any,
    items: Items,
    *,
    kind: Kind = None,
    progress: bool | Progress = False,
    resume: bool = True,
) -> Float[np.ndarray, "n d"]:
    """One float32 vector an item of any modality, written to a .npy file, which a killed call goes on with.

    Args:
        out: The file; the result is a read-only memory map of it.
        encoder: Anything with `encode_items` and `dim`.
        items: What it takes.
        kind: ``"query"`` or ``"document"``: chooses the side.
        progress: As `encode`.
        resume: As `encode`.

    Raises:
        InputError: What an earlier call left was of another model or of other items; the disk is full.

    Examples:
        >>> import tempfile
        >>> from counterpoint.encoders import ImageEncoder
        >>> pictures = Items("image", torch.zeros(3, 1, 8, 8, dtype=torch.uint8))
        >>> encode_items_to(Path(tempfile.mkdtemp()) / "z.npy", ImageEncoder(widths=(8,)), pictures).shape
        (3, 8)
    """
    made_with = hashlib.blake2b(repr([fingerprint(encoder), kind]).encode(), digest_size=16).hexdigest()
    contents = list(map(str, items.hashes().tolist()))
    with (
        reporting(progress, len(items)) as report,
        NpyWriter(Path(out), encoder.dim, made_with, resume, np.dtype("<f4")) as writer,
    ):
        for rows in torch.arange(len(items)).split(_ITEMS):
            some = [contents[i] for i in rows.tolist()]
            if not writer.skip(some):
                writer.append(some, encoder.encode_items(items[rows], kind=kind))
            report(len(some))
    found: Float[np.ndarray, "n d"] = np.load(out, mmap_mode="r" if writer.rows else None)
    return found


def check_dim(truncate_dim: int, width: int) -> None:
    """Refuse a number of dimensions that cannot be kept of `width`.

    Raises:
        InputError: It is below 1 or above `width`.
    """
    if not 1 <= truncate_dim <= width:
        raise InputError(
            f"cannot truncate to {truncate_dim} dimensions, the model has {width}", fix=f"give 1 to {width}"
        )


def check_precision(encoder: TextEncoder, precision: str, ranges: Ranges | None, truncate_dim: int | None) -> None:
    """Refuse, before any work, what `encode` would refuse of these arguments.

    Raises:
        InputError: See `encode`.
    """
    if precision not in PRECISIONS:
        raise InputError(f"unknown precision {precision!r}", fix=f"choose {', '.join(PRECISIONS)}")
    if truncate_dim is not None:
        check_dim(truncate_dim, encoder.width)
    if ranges is None:
        return
    dim = encoder.dim if truncate_dim is None else truncate_dim
    if precision != "int8":
        raise InputError(f"ranges are for int8, not for {precision}", fix="leave them out")
    if ranges.dim != dim:
        raise InputError(f"the ranges are for {ranges.dim} dimensions, not {dim}", fix="give those for as many")
    if ranges.model and ranges.model != fingerprint(encoder):
        raise InputError("the ranges are of another model", fix="give those of this one's vectors")


@contextlib.contextmanager
def as_asked(encoder: TextEncoder, prompt: str | None, truncate_dim: int | None) -> Iterator[None]:
    """Within: the encoder has this prompt for all kinds, and truncates so, where they are given."""
    before = encoder.prompts, encoder.default_prompt_name, encoder.truncate_dim
    if truncate_dim is not None:
        encoder.truncate_dim = truncate_dim
    if prompt is not None:
        encoder.prompts, encoder.default_prompt_name = {"asked": prompt}, "asked"
    try:
        yield
    finally:
        encoder.prompts, encoder.default_prompt_name, encoder.truncate_dim = before


class _Small:
    """Vectors as asked; for int8 without ranges, the first ones that come settle them."""

    def __init__(self, precision: Precision, dim: int, ranges: Ranges | None, model: str) -> None:
        self.precision, self.ranges, self.model = precision, ranges, model
        self.width = -(-dim // 8) if precision == "binary" else dim
        self.dtype = np.dtype({"float32": "<f4", "int8": "|i1", "binary": "|u1"}[precision])

    def __call__(self, z_nd: Float[np.ndarray, "n d"]) -> Shaped[np.ndarray, "n w"]:
        if self.precision == "float32":
            return z_nd
        if self.precision == "binary":
            return pack_bits(z_nd)
        if self.ranges is None:
            self.ranges = fit_ranges(z_nd, model=self.model)
        return self.ranges.quantize(z_nd)


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
    tell_counters(encoder, features, repeats)
    counts = lengths(features)
    order = counts.argsort(stable=True)
    # a new batch wherever the running number of tokens passes a multiple of the budget
    batch = (counts[order].cumsum(0) - 1).clamp(min=0) // batch_tokens
    unique = np.empty((len(seen), encoder.dim), dtype=np.float32)
    for rows in order.split(batch.unique_consecutive(return_counts=True)[1].tolist()):
        unique[rows.numpy()] = encoder(take(features, rows)).float().cpu().numpy()
        report(int(repeats[rows.numpy()].sum()))
    return unique if len(seen) == len(texts) else unique[index]


def tell_counters(encoder: TextEncoder, features: Features, times: Int[np.ndarray, "n"] | None = None) -> None:
    """Tell who counts the texts that are cut (`TextEncoder.counting`)."""
    for cut in encoder.counted:
        cut.add(features, times)


def windows(texts: Iterable[str], size: int) -> Iterator[list[str]]:
    """So many texts at a time; one that is no string is refused."""
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


def fingerprint(encoder: TextEncoder | Saved) -> str:
    """A digest of what a vector depends on: the weights, the encoder's settings, of texts the tokenizer and prompts.

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
    prompt = getattr(encoder, "prompt", None)
    settings = [*([] if prompt is None else map(prompt, kinds)), *encoder.identity()]
    digest = hashlib.blake2b(repr(settings).encode(), digest_size=16)
    for name, tensor in encoder.weights().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
