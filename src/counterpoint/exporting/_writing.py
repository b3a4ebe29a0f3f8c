"""A transformer's token vectors as a graph in a file: traced, converted, quantised."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from counterpoint.encoders.features import lengths, take
from counterpoint.encoders.packing import layout
from counterpoint.encoders.transformer import PACKABLE, TransformerEncoder
from counterpoint.errors import InputError, MissingExtra

if TYPE_CHECKING:
    from counterpoint.encoders._graphs import Target

NEEDS: dict[tuple[Target, bool], tuple[str, ...]] = {
    ("openvino", False): ("openvino",),
    ("openvino", True): ("openvino", "nncf"),
    ("onnx", False): ("onnx", "onnxruntime"),
    ("onnx", True): ("onnx", "onnxruntime"),
}
OPSET = 17
SMOOTH = 0.65
"""How much of the activations' outliers moves into the weights: alpha of Xiao et al. 2023, arXiv 2211.10438, eq. 4.
NNCF's own 0.95 overdoes it where all calibration texts are alike: on STS sentences, calibrated on such, MiniLM's least
cosine with the original is 0.60, with 0.65 it is 0.92 and the mean 0.997 instead of 0.978."""
ONNX_LIMIT = 2 << 30
"""Bytes: what a protobuf file can hold."""


class _Hidden(nn.Module):
    """Token ids and the number of each place's text (0: padding) -> token vectors.

    A place sees those of the same number (of a causal model: up to itself), and its position is how many of them come
    before it. A row that holds one text is numbered by the usual attention mask of ones and zeros, so that whatever
    runs models of Hugging Face runs this one; a row can also hold several texts, numbered 1, 2, 3.
    """

    def __init__(self, encoder: TransformerEncoder) -> None:
        super().__init__()
        self.model = encoder.model
        self.extra = encoder._extra
        self.packable = encoder._type in PACKABLE
        self.causal = PACKABLE.get(encoder._type, False)
        self.offset = encoder._position_offset

    def forward(self, input_ids: Int[Tensor, "r w"], attention_mask: Int[Tensor, "r w"]) -> Float[Tensor, "r w d"]:
        """The last hidden state."""
        inputs: dict[str, Any] = {"input_ids": input_ids, "attention_mask": attention_mask, **self.extra}
        if self.packable:
            same_rww = attention_mask[:, :, None] == attention_mask[:, None, :]
            earlier_rww = torch.ones_like(same_rww).tril(-1) & same_rww
            # padding has the first position: a row may be longer than the model has positions
            before_rw = earlier_rww.sum(-1) * (attention_mask > 0)
            inputs["position_ids"] = before_rw + self.offset
            seen_rww = torch.ones_like(same_rww).tril() & same_rww if self.causal else same_rww
            zeros = torch.zeros(seen_rww.shape, dtype=torch.float32)
            inputs["attention_mask"] = zeros.masked_fill(~seen_rww, torch.finfo(torch.float32).min)[:, None]
            if getattr(self.model.config, "type_vocab_size", 0):
                # the model's own are cut from a table as long as it has positions
                inputs["token_type_ids"] = torch.zeros_like(input_ids)
        hidden: Tensor = self.model(**inputs).last_hidden_state
        return hidden


def check_packages(target: Target, int8: bool) -> None:
    """Raise `MissingExtra` unless everything that writes such a graph is installed."""
    for package in NEEDS[target, int8]:
        if importlib.util.find_spec(package) is None:
            raise MissingExtra(package, extra="export")


def write_graph(encoder: TransformerEncoder, path: Path, target: Target, texts: Sequence[str]) -> None:
    """Write the encoder's graph to `path`; with `texts`, int8 and calibrated on them (OpenVINO).

    Raises:
        InputError: The model cannot be written so.
    """
    path.parent.mkdir()
    encoder.eval()
    try:
        with _quiet(), torch.no_grad():
            (_write_openvino if target == "openvino" else _write_onnx)(encoder, path, texts)
    except InputError:
        raise
    except Exception as error:  # tracing and converting raise whatever the model's code or the packages do
        first = str(error).strip().split("\n")[0].rstrip(".")
        raise InputError(f"a {encoder._type} model cannot be written as {target} ({first})") from error


def _batches(encoder: TransformerEncoder, texts: Sequence[str]) -> Iterator[dict[str, np.ndarray]]:
    """What the graph is fed: some texts at a time, sorted by length."""
    features = encoder.tokenize(texts)
    for rows in lengths(features).argsort(stable=True).split(4):
        laid = layout(take(features, rows), width=None, pad=encoder._pad)
        yield {"input_ids": laid.input_ids.numpy(), "attention_mask": (laid.text >= 0).long().numpy()}


def _write_openvino(encoder: TransformerEncoder, path: Path, texts: Sequence[str]) -> None:
    import openvino

    example = {name: torch.from_numpy(x) for name, x in next(_batches(encoder, _EXAMPLES)).items()}
    model = openvino.convert_model(_Hidden(encoder), example_input=example)
    for port, name in zip((*model.inputs, *model.outputs), (*example, "last_hidden_state"), strict=True):
        port.tensor.set_names({name})
    if texts:
        import nncf

        calibration = list(_batches(encoder, texts))
        smooth = nncf.AdvancedSmoothQuantParameters(matmul=SMOOTH)
        model = nncf.quantize(
            model,
            nncf.Dataset(calibration),
            model_type=nncf.ModelType.TRANSFORMER,
            subset_size=len(calibration),
            advanced_parameters=nncf.AdvancedQuantizationParameters(smooth_quant_alphas=smooth),
        )
    openvino.save_model(model, path, compress_to_fp16=False)


def _write_onnx(encoder: TransformerEncoder, path: Path, texts: Sequence[str]) -> None:
    size = sum(p.numel() * p.element_size() for p in encoder.model.parameters())
    if size > ONNX_LIMIT:
        raise InputError(f"the weights take {size / 2**30:.1f} GiB, an ONNX file holds 2", fix="give --to openvino")
    example = {name: torch.from_numpy(x) for name, x in next(_batches(encoder, _EXAMPLES)).items()}
    axes = {name: {0: "rows", 1: "columns"} for name in (*example, "last_hidden_state")}
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        plain = Path(folder) / path.name if texts else path
        torch.onnx.export(
            _Hidden(encoder),
            tuple(example.values()),
            str(plain),
            input_names=list(example),
            output_names=["last_hidden_state"],
            dynamic_axes=axes,
            opset_version=OPSET,
            # the other exporter needs one more package and fixes what is traced
            dynamo=False,
        )
        if texts:
            from onnxruntime.quantization import QuantType, quantize_dynamic

            quantize_dynamic(plain, path, weight_type=QuantType.QInt8, per_channel=True)


# of unequal length, so that no shape passes for a constant
_EXAMPLES = ("a", "a text of some more words", "two words")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporters' warnings, bars and log lines (what comes out is compared with the original)."""
    level = logging.root.manager.disable
    telemetry = os.environ.get("NNCF_CI")
    logging.disable(logging.WARNING)
    # NNCF reports its use over the network unless told that nobody is there
    os.environ["NNCF_CI"] = "1"
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
        if telemetry is None:
            del os.environ["NNCF_CI"]
