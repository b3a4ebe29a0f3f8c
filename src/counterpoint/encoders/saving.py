"""Model folders of our own, for what is no encoder of texts: what it was made with, as JSON, and its weights."""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from counterpoint.encoders._checkpoint import MODEL_FILES, read_weights
from counterpoint.errors import InputError
from counterpoint.files import atomic, check_output, inside

SETTINGS = "counterpoint.json"
KERNELS = "KernelCrossEncoder"
"""The model that has such a file and is no encoder of one item (`counterpoint.encoders.crossing`)."""
CLASSES = {
    "AdapterEncoder": "frozen",
    "DeepEncoder": "deep",
    "AttentionPoolingEncoder": "multihead",
    "ContextualEncoder": "contextual",
    "ConvolutionEncoder": "convolution",
    "DemonstrationEncoder": "demonstrations",
    "ExpertEncoder": "experts",
    "FieldEncoder": "fields",
    "HalfPicture": "halves",
    "HybridEncoder": "hybrid",
    "ImageEncoder": "image",
    "Joined": "joined",
    "KnowledgeGraph": "knowledge",
    "MaskedEntityEncoder": "masking",
    "MultiVectorEncoder": "late",
    "MultivariateEncoder": "multivariate",
    "NGramEncoder": "ngrams",
    "NuggetEncoder": "nuggets",
    "Perceptron": "image",
    "PrefixEncoder": "frozen",
    "Projected": "towers",
    "PropositionEncoder": "propositions",
    "QueriedEncoder": "queried",
    "RowReader": "rows",
    "SpanEncoder": "spans",
    "TemplateEncoder": "templates",
    "TemplateMean": "templates",
    "SpladeEncoder": "lexicon",
    "Towers": "towers",
    "VisionTransformer": "image",
}
"""What `load_saved` makes, and its module among the encoders: a file's own word is never imported."""


class Saved(nn.Module):
    """A module that is saved as its class, its arguments and its weights.

    A subclass keeps each argument of its constructor as an attribute of that name, and stands in `CLASSES`. Arguments
    that are encoders themselves, or lists of them, are folders of their own within the folder.

    Examples:
        >>> import tempfile
        >>> from counterpoint.encoders import ImageEncoder, load
        >>> folder = tempfile.mkdtemp() + "/model"
        >>> ImageEncoder(3, widths=(8, 16)).save(folder)
        >>> sorted(file.name for file in Path(folder).iterdir()), load(folder).widths
        (['counterpoint.json', 'model.safetensors'], (8, 16))
    """

    kept: ClassVar[tuple[str, ...]] = ()
    """Further attributes that are saved."""

    def parts(self) -> dict[str, Any]:
        """The encoders among the arguments, by the names of their folders."""
        found: dict[str, Any] = {}
        for name in inspect.signature(type(self)).parameters:
            value = getattr(self, name)
            if isinstance(value, nn.ModuleList):
                found |= {f"{name}.{i}": part for i, part in enumerate(value)}
            elif isinstance(value, nn.Module):
                found[name] = value
        return found

    def settings(self) -> dict[str, Any]:
        """What is written as JSON."""
        arguments = {}
        for name in inspect.signature(type(self)).parameters:
            value = getattr(self, name)
            if isinstance(value, nn.ModuleList):
                value = [{"folder": f"{name}.{i}"} for i in range(len(value))]
            elif isinstance(value, nn.Module):
                value = {"folder": name}
            arguments[name] = value
        return {"model": type(self).__name__, "arguments": arguments} | {
            name: getattr(self, name) for name in self.kept
        }

    def identity(self) -> list[object]:
        """Everything but the weights that a vector depends on."""
        from counterpoint.encoders.encoding import fingerprint

        return [json.dumps(self.settings()), *map(fingerprint, self.parts().values())]

    def weights(self) -> Mapping[str, Tensor]:
        """The weights that are not its parts'."""
        parts = tuple(f"{name}." for name in self.parts())
        return {name: tensor for name, tensor in self.state_dict().items() if not name.startswith(parts)}

    def save(self, folder: str | PathLike[str]) -> None:
        """Write a model folder that `counterpoint.encoders.load` reads; it appears whole or not at all.

        Raises:
            InputError: The folder holds something else or cannot be written; the disk is full.
        """
        from safetensors.torch import save_file

        check_output(folder, "replaced folder", ours=MODEL_FILES)
        with atomic(folder) as new:
            new.mkdir()
            for name, part in self.parts().items():
                part.save(new / name)
            if weights := self.weights():
                plain = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
                save_file(plain, new / "model.safetensors")
            (new / SETTINGS).write_text(json.dumps(self.settings(), indent=2) + "\n", encoding="utf-8")


def is_saved(folder: Path) -> bool:
    """Whether `load_saved` is for this folder."""
    try:
        two = all((folder / side).is_dir() for side in ("query", "document"))
        return (folder / SETTINGS).is_file() or (two and not (folder / "config.json").is_file())
    except PermissionError:
        # whoever reads it says which file it is
        return False


def saved_name(folder: Path) -> str:
    """The class of the model that a folder of our own holds; "" for any other folder.

    Examples:
        >>> saved_name(Path("nowhere"))
        ''
    """
    try:
        settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return str(settings.get("model", "")) if isinstance(settings, dict) else ""


def load_saved(folder: Path, **options: Any) -> Any:
    """What `Saved.save` wrote; the global random state stays as it is.

    Args:
        folder: With `counterpoint.json`; or with `query/` and `document/` alone, which are two towers.
        options: For the encoders of texts among its parts (`counterpoint.encoders.load`).

    Raises:
        InputError: Something in it is missing or broken, or does not fit; options where there are no texts.
    """
    from counterpoint.encoders._base import TextEncoder

    # transformers draws what is not in its files, a pooler
    with torch.random.fork_rng(devices=[]):
        model = _load(folder, options)
    asked = [name for name, value in options.items() if value not in ("auto", "torch", False)]
    if asked and not any(isinstance(part, TextEncoder) for part in model.modules()):
        raise InputError(f"{asked[0]} is for encoders of texts, and this is none", file=folder, fix="leave it out")
    return model


def _load(folder: Path, options: dict[str, Any]) -> Any:
    path = folder / SETTINGS
    settings = _read(path) if path.is_file() else _TWO
    name = settings.get("model")
    if name not in CLASSES:
        raise InputError(f"is of a model {name!r} that is not known here", file=path, fix="use a newer version")

    def argument(value: Any) -> Any:
        if isinstance(value, dict):
            return _part(inside(folder, str(value.get("folder"))), options)
        return tuple(map(argument, value)) if isinstance(value, list) else value

    arguments = {key: argument(value) for key, value in settings["arguments"].items()}
    kind = getattr(importlib.import_module(f"counterpoint.encoders.{CLASSES[name]}"), name)
    try:
        # weights are neither drawn nor held twice
        with torch.device("meta"):
            model: Saved = kind(**arguments)
        own = set(model.weights())
        weights = read_weights(folder) if own else {}
        if lacking := sorted(own ^ set(weights)):
            raise ValueError(f"{lacking[0]} is missing or not its")
        model.load_state_dict(weights, strict=False, assign=True)
    except (AttributeError, TypeError, ValueError, RuntimeError) as error:
        first = str(error).strip().split("\n")[-1].strip().rstrip(".")
        raise InputError(f"the model cannot be made ({first})", file=path, fix="get its files again") from error
    for key in model.kept:
        value = settings.get(key)
        setattr(model, key, tuple(value) if isinstance(value, list) else value)
    return model


_TWO: dict[str, Any] = {"model": "Towers", "arguments": {side: {"folder": side} for side in ("query", "document")}}


def _part(folder: Path, options: dict[str, Any]) -> Any:
    from counterpoint.encoders.folder import load

    if not folder.is_dir():
        raise InputError("is missing", file=folder, fix="copy the whole model folder")
    return _load(folder, options) if is_saved(folder) else load(folder, **options)


def _read(path: Path) -> dict[str, Any]:
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError("is not valid JSON", file=path, fix="get the file again") from error
    if not isinstance(settings, dict) or not isinstance(settings.get("arguments"), dict):
        raise InputError("is not what a model folder has there", file=path, fix="get the file again")
    return settings
