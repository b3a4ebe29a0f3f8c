"""A model folder that holds a compiled graph beside its weights, and the encoder that runs the graph."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, cast, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.encoders._graphs import Graph, Target, installed, open_graph
from counterpoint.encoders.features import Features, lengths
from counterpoint.encoders.packing import layout
from counterpoint.encoders.transformer import LONGEST_PACKED, PACKABLE, ROW, Dense, TransformerEncoder
from counterpoint.errors import InputError

Backend = Literal["auto", "torch", "openvino", "onnx"]
BACKENDS: tuple[str, ...] = get_args(Backend)

RECORD = "export.json"
FILES: dict[tuple[Target, bool], str] = {
    ("openvino", False): "openvino/openvino_model.xml",
    ("openvino", True): "openvino/openvino_model_qint8_quantized.xml",
    ("onnx", False): "onnx/model.onnx",
    ("onnx", True): "onnx/model_qint8_quantized.onnx",
}
"""Target and whether it is int8: the graph's file, where sentence-transformers looks for it."""

AGREES = 0.95
"""An export with a lower mean cosine to the original's vectors is not used unless it is asked for."""


@dataclass(frozen=True)
class Export:
    """What `export.json` says of the graph in a folder: what it is, how fast, and how close to the original.

    Examples:
        >>> Export("openvino", True, torch_rate=700, rate=1400, mean_cosine=0.98).chosen
        True
    """

    target: Target
    int8: bool
    torch_rate: float = 0.0
    """Texts a second of the original by torch, when and where it was exported."""
    rate: float = 0.0
    """Texts a second of the graph, in the same run."""
    mean_cosine: float = 0.0
    """Between the vectors of the graph and the original's, on texts it was not calibrated on."""
    least_cosine: float = 0.0
    similarity: float = 0.0
    """Spearman's correlation, over all pairs of those texts, of their cosines by the graph and by the original."""
    texts: int = 0
    """Texts that the speed and the agreement were measured on."""
    calibration: str = ""
    """Which texts an int8 graph was calibrated on."""
    threads: int = 0
    figures: list[list[Any]] = field(default_factory=list)
    """Of `measure`: task, source, figure, the original's value, the graph's."""

    @property
    def file(self) -> str:
        """The graph's path in its folder."""
        return FILES[self.target, self.int8]

    @property
    def name(self) -> str:
        """In words: "OpenVINO int8"."""
        return ("OpenVINO" if self.target == "openvino" else "ONNX Runtime") + (" int8" if self.int8 else "")

    @property
    def chosen(self) -> bool:
        """Whether `auto` takes it: it was faster than torch, and its vectors agree with the original's."""
        return self.rate > self.torch_rate and self.mean_cosine >= AGREES

    def describe(self) -> str:
        """What runs and why, in half a sentence."""
        return (
            f"through {self.name} ({self.rate:,.0f} texts a second, by torch {self.torch_rate:,.0f}, when it was "
            f"exported; mean cosine with the original {self.mean_cosine:.4f})"
        )

    def to_json(self) -> dict[str, Any]:
        """As it is in export.json."""
        return asdict(self)


def read_record(folder: Path, values: Mapping[str, Any]) -> Export:
    """The record in `values`, the JSON of `folder`'s export.json.

    Raises:
        InputError: It is not one.
    """
    try:
        export = Export(**values)
        _ = export.file, export.chosen
    except (TypeError, KeyError) as error:
        raise InputError("is not a record of an export", file=folder / RECORD, fix="export the model again") from error
    return export


def choose(folder: Path, values: Mapping[str, Any], backend: Backend) -> Export | None:
    """The graph that a folder is run by; None for its weights, by torch.

    Args:
        folder: The model's folder.
        values: Its export.json; empty if it has none.
        backend: "auto" takes the graph if it can be run here, was faster than torch and agrees (`Export.chosen`), and
            there is no GPU for torch.

    Raises:
        InputError: An unknown backend, or a graph that the folder does not hold.
    """
    if backend not in BACKENDS:
        raise InputError(f"unknown backend {backend!r}", fix=f"choose one of {', '.join(BACKENDS)}")
    if backend == "torch" or (backend == "auto" and not values):
        return None
    export = read_record(folder, values) if values else None
    if backend == "auto":
        assert export is not None
        usable = installed(export.target) and (folder / export.file).is_file() and not torch.cuda.is_available()
        return export if usable and export.chosen else None
    if export is None or export.target != backend:
        raise InputError(
            f"holds no {backend} graph", file=folder, fix=f"make one with: counterpoint export MODEL --to {backend}"
        )
    return export


class _Graph(nn.Module):
    """Stands where the Hugging Face model would: its configuration, and the graph."""

    def __init__(self, config: Any, graph: Graph) -> None:
        super().__init__()
        self.config = config
        self.graph = graph

    def get_input_embeddings(self) -> Any:
        """As many rows as there are in the graph."""
        return SimpleNamespace(num_embeddings=self.config.vocab_size)


class ExportedEncoder(TransformerEncoder):
    """A transformer whose token vectors come from a compiled graph; pooling, heads, prompts and all else are ours.

    `load` makes one from a folder that `counterpoint.exporting.export` wrote. It does not learn.

    Args:
        folder: The model folder, with the weights that the graph was made from.
        export: What the folder's record says.
        config: Of the Hugging Face model.
        tokenizer: Its tokenizer.
        options: See `TransformerEncoder`.

    Raises:
        InputError: The graph's file is missing or broken.
        MissingExtra: What runs it is not installed.
    """

    def __init__(self, folder: Path, export: Export, config: Any, tokenizer: Any, **options: Any) -> None:
        graph = open_graph(export.target, folder / export.file, config.hidden_size)
        super().__init__(_Graph(config, graph), tokenizer, **options)
        self.folder = folder
        self.export = export
        self._dtype = torch.float32
        self.eval()

    @property
    def device(self) -> torch.device:
        """The processor: graphs run nowhere else."""
        return torch.device("cpu")

    def identity(self) -> list[object]:
        """See `TextEncoder`. A float graph computes what its weights do; an int8 graph is another model."""
        same = [TransformerEncoder.__name__, *super().identity()[1:]]
        if not self.export.int8:
            return same
        path = self.folder / self.export.file
        digest = hashlib.blake2b(path.read_bytes(), digest_size=16)
        if self.export.target == "openvino":
            digest.update(path.with_suffix(".bin").read_bytes())
        return [*same, self.export.target, digest.hexdigest()]

    def weights(self) -> Mapping[str, Tensor]:
        """See `TextEncoder`: those that the graph was made from."""
        return self._original().weights()

    @contextlib.contextmanager
    def at(self, dtype: torch.dtype) -> Iterator[None]:
        """Within: what is not int8 is computed in `dtype`, where the graph leaves it open (OpenVINO)."""
        before, self._dtype = self._dtype, dtype
        try:
            yield
        finally:
            self._dtype = before

    def _hidden(self, features: Features, layer: int = -1) -> Float[Tensor, "t d"]:
        if layer != -1:
            what = "a graph gives its last layer alone"
            raise InputError(what, file=self.folder, fix='load the folder with backend="torch"')
        if self.training and torch.is_grad_enabled():
            raise InputError("a graph does not learn", file=self.folder, fix='load the folder with backend="torch"')
        longest = int(lengths(features).max())
        packable = self._type in PACKABLE and longest <= LONGEST_PACKED
        # few widths: every new shape costs the graph time
        width = min(max(ROW, longest + -longest % 32), self.positions) if packable else None
        rows = layout(features, width=width, pad=self._pad)
        mask = rows.text + 1 if self._type in PACKABLE else (rows.text >= 0).long()
        hidden_rwd = self.model.graph(rows.input_ids.numpy(), mask.numpy(), self._dtype)
        return torch.from_numpy(hidden_rwd).flatten(0, 1)[rows.token]

    def _original(self) -> TransformerEncoder:
        """The same encoder with its weights."""
        from counterpoint.encoders._checkpoint import read_transformer

        model, _, _ = read_transformer(self.folder, False)
        settings = ("pooling", "include_prompt", "max_seq_length", "prompts", "default_prompt_name", "normalize")
        more = ("truncate_dim", "similarity", "do_lower_case")
        options = {name: getattr(self, name) for name in settings + more}
        return TransformerEncoder(model, self.tokenizer, heads=cast(list[Dense], list(self.heads)), **options)

    def _write(self, folder: Path) -> list[tuple[str, str]]:
        modules = self._original()._write(folder)
        shutil.copytree((self.folder / self.export.file).parent, folder / Path(self.export.file).parent)
        shutil.copy(self.folder / RECORD, folder / RECORD)
        return modules
