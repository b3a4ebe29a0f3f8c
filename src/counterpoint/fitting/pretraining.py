"""From texts alone to an encoder that no contrastive loss has touched."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from counterpoint.encoders import Features, TransformerEncoder, load
from counterpoint.encoders._checkpoint import MODEL_FILES
from counterpoint.encoders.encoding import as_asked
from counterpoint.encoders.features import from_ids
from counterpoint.encoders.scratch import small_transformer
from counterpoint.errors import InputError, refuse_string
from counterpoint.files import alone, atomic, check_output, write_json
from counterpoint.fitting.bases import resolve_base, start_digest
from counterpoint.fitting.parts import amount
from counterpoint.fitting.resuming import TRAINING, bind, check_run
from counterpoint.fitting.run import environment
from counterpoint.fitting.texts import all_texts
from counterpoint.pretraining import (
    Condenser,
    Denoising,
    Guessing,
    MaskedAutoencoder,
    MaskedLM,
    ReplacedTokens,
    RetroMAE,
    guesses,
)
from counterpoint.training import TrainConfig, train
from counterpoint.training._processes import Processes

OBJECTIVES: dict[str, type[Guessing]] = {
    "mlm": MaskedLM, "maelm": MaskedAutoencoder, "rtd": ReplacedTokens, "tsdae": Denoising, "condenser": Condenser,
    "retromae": RetroMAE,
}  # fmt: skip
SMALL = "small"
"""The base that is made from the texts."""
FINISHED = "pretraining.json"
_SHAPE = {"layers": 4, "width": 256, "vocabulary": 16_000}
_SHOWN = frozenset({"step", "steps", "epoch", "loss", "ln_batch", "learning_rate", "items_per_second"})


@dataclass(frozen=True)
class Pretrained:
    """What `pretrain` leaves behind.

    Attributes:
        folder: The model folder.
        encoder: The encoder.
        steps: How many were taken.
        figures: Of the texts held out, see `guesses`; {} where none were.
    """

    folder: Path
    encoder: TransformerEncoder
    steps: int
    figures: dict[str, float]


@alone
def pretrain(
    *sources: str | os.PathLike[str] | Sequence[str],
    output: str | os.PathLike[str],
    objective: str = "mlm",
    base: str = SMALL,
    layers: int | None = None,
    width: int | None = None,
    vocabulary: int | None = None,
    whole_words: bool = False,
    max_length: int | None = None,
    held_out: float | int | str = 0.02,
    reading: dict[str, Any] | None = None,
    seed: int = 0,
    say: Callable[[str], None] = print,
    on_row: Callable[[dict[str, Any]], None] | None = None,
    **settings: Any,
) -> Pretrained:
    """Make an encoder from texts alone: it learns to guess tokens, and no text is contrasted with another.

    Texts longer than the encoder takes are cut into pieces; copies are taken once. The same call again after a kill
    goes on where it stopped and ends with the same model.

    Args:
        *sources: What `counterpoint.data.read` takes, of any schema, `included:debian`, or lists of texts.
        output: The model folder, which appears at the end, whole.
        objective: "mlm": a masked language model (`MaskedLM`); "maelm": one whose encoder sees no mask tokens
            (`MaskedAutoencoder`); "rtd": replaced-token detection (`ReplacedTokens`); "tsdae": a denoising auto-encoder
            (`Denoising`); "condenser" and "retromae": a masked language model with a second reader of the pooled vector
            (`Condenser`, `RetroMAE`).
        base: "small": BERT in miniature, its tokenizer trained on the texts; or a model folder or name to go on from.
        layers: Of a small one, 4 if not given.
        width: Of its states, 256 if not given; heads have 64.
        vocabulary: Of its tokenizer, 16,000 tokens if not given.
        whole_words: Words are masked or deleted as wholes.
        max_length: Tokens of a piece; 64 of a small one, what its folder says of another.
        held_out: Texts that are not trained on, to measure by: a fraction, or a number; 0: none.
        reading: Options of `counterpoint.data.read`, for all sources.
        seed: Of the base, what is held out and the training.
        say: Told what happens, a sentence at a time.
        on_row: Told each monitored step.
        **settings: Fields of `TrainConfig` to change, such as `steps=5000`; None leaves a field as it is. One epoch of
            batches of 64; the learning rate is 1e-3 of a small base and 5e-5 of another.

    Returns:
        The encoder, mean-pooled unless its folder says otherwise.

    Raises:
        InputError: For data, models or settings that do not do.

    Examples:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp()) / "start"
        >>> texts = [f"the {c} {n} is here" for c in ("red", "blue", "pink") for n in range(20)]
        >>> made = pretrain(texts, output=folder, layers=1, width=64, vocabulary=90, say=lambda _: None)
        >>> made.encoder.encode(["a red one"]).shape
        (1, 64)
    """
    output, processes = Path(output), Processes.current()
    say = say if processes.first else lambda _: None
    shape = {name: v for name, v in (("layers", layers), ("width", width), ("vocabulary", vocabulary)) if v is not None}
    given = {name: value for name, value in settings.items() if value is not None}
    config = _checked(objective, base, shape, given, seed)
    amount(held_out)  # refuses what is no amount, before anything is read
    names = [os.fspath(source) if isinstance(source, str | os.PathLike) else "memory" for source in sources]
    asked: dict[str, Any] = {
        "sources": names, "objective": objective, "base": base, **_SHAPE, **shape, "whole_words": whole_words,
        "max_length": max_length, "held_out": held_out, "reading": reading or {}, "seed": seed, **given,
    }  # fmt: skip
    where = {"finished": FINISHED, "shown": FINISHED}
    if processes.first:
        for name in names:
            check_output(output, "replaced folder", ours=MODEL_FILES, source=None if name == "memory" else name)
        check_run(output, asked, **where)
    # before texts are read, which takes long
    encoder = None if base == SMALL else _given(base, max_length)
    texts = _texts(sources, reading or {}, output, say)
    if processes.first:
        start = "" if encoder is None else start_digest(base)
        bind(output, {**asked, "data": _digest(texts), "start": start}, **where)
    kept, held = _held_out(texts, held_out, seed)
    encoder = encoder or _small(kept, {**_SHAPE, **shape}, max_length, seed, output, processes)
    features, measured = pieces(encoder, kept), pieces(encoder, held)
    say(
        f"training on {len(features['input_ids']):,} tokens in {len(features['offsets']) - 1:,} pieces of at most "
        f"{encoder.max_seq_length}; {len(held):,} texts are held out"
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        task = OBJECTIVES[objective](encoder, features, whole_words=whole_words, bias=True)
        if torch.cuda.is_available():
            task.to("cuda")

        def tell(row: dict[str, Any]) -> None:
            if on_row is not None:
                # what else is watched says how far texts are spread, and these are tokens
                on_row({name: value for name, value in row.items() if name in _SHOWN})

        result = train(task, task, task.objective(), config, folder=output / TRAINING, on_row=tell)
    figures = guesses(task, measured, seed=seed) if held else {}
    if processes.first:
        with atomic(output) as part:
            encoder.save(part)
            about = {"asked": asked, "steps": result.steps, "figures": figures, "environment": environment()}
            write_json(part / FINISHED, about)
        say(f"model: {output}")
    return Pretrained(output, encoder, result.steps, figures)


def pieces(encoder: TransformerEncoder, texts: Sequence[str]) -> Features:
    """What the tokenizer makes of texts, those that are too long as several, each with its special tokens.

    Examples:
        >>> encoder = small_transformer(["a b c d e"], layers=1, width=8, heads=2, max_seq_length=4)
        >>> encoder.tokenizer.convert_ids_to_tokens(pieces(encoder, ["a b c"])["input_ids"].tolist())
        ['[CLS]', 'a', 'b', '[SEP]', '[CLS]', 'c', '[SEP]']
    """
    tokenizer, longest = encoder.tokenizer, encoder.max_seq_length
    special = tokenizer.num_special_tokens_to_add()
    # a prompt, of which no piece but the first would have any, is nothing to guess
    with as_asked(encoder, "", None):
        found = encoder.tokenize(list(texts))
    rows = [row.tolist() for row in found["input_ids"].split(found["offsets"].diff().tolist())]
    cut = found["cut"].nonzero()[:, 0].tolist()
    if not cut:
        return from_ids(rows)
    # a tokenizer puts its special tokens before and after
    (example,), bare = rows[cut[0] : cut[0] + 1], longest - special
    whole = _bare_ids(encoder, [texts[i] for i in cut])
    before = next(i for i in range(special + 1) if example[i : i + bare] == whole[0][:bare])
    ends = example[:before], example[before + bare :]
    for i, ids in zip(cut, whole, strict=True):
        rows[i] = [[*ends[0], *ids[start : start + bare], *ends[1]] for start in range(0, len(ids), bare)]
    return from_ids([piece for row in rows for piece in (row if row and isinstance(row[0], list) else [row])])


def _bare_ids(encoder: TransformerEncoder, texts: Sequence[str]) -> list[list[int]]:
    """Tokens without special ones, however many there are."""
    from counterpoint.encoders._checkpoint import _quiet

    ready = [text.strip().lower() if encoder.do_lower_case else text.strip() for text in texts]
    with _quiet():
        ids: list[list[int]] = encoder.tokenizer(ready, add_special_tokens=False, truncation=False)["input_ids"]
    return ids


def _checked(objective: str, base: str, shape: dict[str, int], settings: dict[str, Any], seed: int) -> TrainConfig:
    """The settings of the loop, everything in its range."""
    if objective not in OBJECTIVES:
        raise InputError(f"unknown objective {objective!r}", fix=f"choose one of {', '.join(OBJECTIVES)}")
    if shape and base != SMALL:
        raise InputError(f"{next(iter(shape))} is of a small base, and {base} has its own", fix="leave it out")
    shape = {**_SHAPE, **shape}
    if shape["layers"] < 1 or shape["width"] < 64 or shape["width"] % 64 or shape["vocabulary"] < 10:
        raise InputError(
            f"a small model of {shape['layers']} layers of {shape['width']} with {shape['vocabulary']} tokens",
            fix="give one layer or more, a width of 64, 128, 192, ..., and 10 tokens or more",
        )
    start = {"learning_rate": 1e-3 if base == SMALL else 5e-5, "schedule": "linear", "validations": 1}
    return TrainConfig(**{**start, **settings, "seed": seed})


def _texts(sources: Sequence[Any], reading: dict[str, Any], output: Path, say: Callable[[str], None]) -> list[str]:
    """Every text of all sources, once."""
    texts: list[str] = []
    if not sources:
        raise InputError("no texts", fix="name a source")
    for i, source in enumerate(sources):
        if isinstance(source, str | os.PathLike):
            listed = output.with_name(f"{output.name}.rejected{i + 1 if len(sources) > 1 else ''}.jsonl")
            # of several, a split is of those that have any
            own = {**reading, "split": None} if len(sources) > 1 and Path(source).is_file() else reading
            found, said = all_texts(source, own, listed)
            say(said)
        else:
            refuse_string(source, "sources")
            found = list(source)
        texts += found
    once = list(dict.fromkeys(text for text in texts if text.strip()))
    if len(once) < len(texts):
        say(f"{len(texts) - len(once):,} of {len(texts):,} texts are empty or copies, and left out")
    if len(once) < 2:
        one = sources[0] if len(sources) == 1 and isinstance(sources[0], str | os.PathLike) else None
        raise InputError("fewer than two texts", file=one, fix="give more")
    return once


def _digest(texts: Sequence[str]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for text in texts:
        digest.update(text.encode("utf-8", "surrogatepass") + b"\n")
    return digest.hexdigest()


def _held_out(texts: Sequence[str], held_out: float | int | str, seed: int) -> tuple[list[str], list[str]]:
    """What is trained on, and what is measured by."""
    wanted = amount(held_out)
    n = wanted if isinstance(wanted, int) else round(wanted * len(texts))
    if not 0 <= n <= len(texts) - 2:
        raise InputError(f"{held_out} of {len(texts):,} texts cannot be held out", fix="leave two or more to train on")
    order = torch.randperm(len(texts), generator=torch.Generator().manual_seed(seed)).tolist()
    return [texts[i] for i in sorted(order[n:])], [texts[i] for i in sorted(order[:n])]


def _length(max_length: int | None) -> dict[str, Any]:
    return {} if max_length is None else {"max_seq_length": max_length}


def _given(base: str, max_length: int | None) -> TransformerEncoder:
    """A transformer to go on from."""
    encoder = load(resolve_base(base), backend="torch", **_length(max_length))
    if not isinstance(encoder, TransformerEncoder):
        raise InputError(f"{base} is no transformer", fix="give one, or small")
    return encoder


def _small(
    texts: Sequence[str], shape: dict[str, int], max_length: int | None, seed: int, output: Path, processes: Processes
) -> TransformerEncoder:
    """BERT in miniature; it is kept, so that a resumed run has the same tokenizer."""
    kept = output / TRAINING / "base"
    if processes.first and not kept.exists():
        small_transformer(
            texts, layers=shape["layers"], width=shape["width"], heads=shape["width"] // 64,
            vocab_size=shape["vocabulary"], seed=seed, **_length(max_length),
        ).save(kept)  # fmt: skip
    processes.wait()
    encoder = load(kept)
    assert isinstance(encoder, TransformerEncoder)
    return encoder
