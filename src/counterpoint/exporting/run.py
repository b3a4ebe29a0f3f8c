"""The whole of an export: checked, written, measured against the original, and then in its place."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import torch
from jaxtyping import Float

from counterpoint.encoders import StaticEncoder, load
from counterpoint.encoders._graphs import Target
from counterpoint.encoders.exported import RECORD, Export
from counterpoint.encoders.transformer import TransformerEncoder
from counterpoint.errors import InputError, refuse_string
from counterpoint.exporting._writing import check_packages, write_graph
from counterpoint.files import atomic, check_output, write_json

if TYPE_CHECKING:
    from counterpoint.data import Retrieval, TextData

CALIBRATED = 300
"""Texts an int8 graph is calibrated on, at most."""
MEASURED = 512
"""Texts that speed and agreement are measured on, at most."""
TOLERANCE = 1e-3
"""How far a float graph's cosine with the original may be from 1: more is another model."""
REPEATS = 3


def export(
    model: str | PathLike[str],
    folder: str | PathLike[str],
    *,
    to: Target = "openvino",
    int8: bool = False,
    calibrate: Sequence[str] | None = None,
    measure: TextData | Retrieval | None = None,
    seed: int = 0,
) -> Export:
    """Write a model folder with the model's graph in it, compiled for processors, and measure it against the original.

    The folder loads everywhere as the plain model does; `load` and the command line run its graph where that was
    measured faster (see `Export.chosen`). The graph gives token vectors: prompts, pooling, heads, truncation and
    normalising stay ours. It takes rows that hold several texts, so that nothing is spent on padding.

    int8 for OpenVINO: weights and activations, the latter's ranges calibrated on texts (post-training quantisation by
    NNCF). int8 for ONNX: weights, and activations by the range they have in each run (dynamic quantisation), so that
    a text's vector depends a little on the texts beside it.

    Args:
        model: A model folder, or a name on the hub.
        folder: The folder to write.
        to: ``"openvino"`` or ``"onnx"``.
        int8: Quantise to int8: half the time or less, and vectors that differ a little.
        calibrate: Texts as the model will meet; up to `CALIBRATED` of them calibrate, others measure. Of the
            included corpus if not given.
        measure: What `evaluate_any` takes, to be evaluated with both.
        seed: Of the choice of texts.

    Returns:
        What was measured; it is in the folder as export.json, too.

    Raises:
        InputError: The model is no transformer, the target is unknown, the folder is there already, there are fewer
            than two different texts, or the graph would not compute what the model does.
        MissingExtra: The packages that write the graph are not installed.
    """
    if to not in get_args(Target):
        raise InputError(f"unknown target {to!r}", fix="choose openvino or onnx")
    folder = check_output(folder, "replaced folder", source=model)
    if folder.exists():
        raise InputError("is there already", file=folder, fix="choose another folder, or remove it")
    refuse_string(calibrate, "calibrate")
    check_packages(to, int8)
    encoder = load(model, backend="torch")
    if isinstance(encoder, StaticEncoder):
        raise InputError("is a static model, a table without a graph to compile", file=model, fix="use it as it is")
    if not isinstance(encoder, TransformerEncoder):
        raise InputError(f"is a {type(encoder).__name__}, no transformer by itself", file=model, fix="use it as it is")
    own, held = _texts(calibrate, seed)
    with atomic(folder) as part:
        encoder.save(part)
        record = Export(to, int8)
        write_graph(encoder, part / record.file, to, own if int8 else [])
        write_json(part / RECORD, record.to_json())
        graph = load(part, backend=to)
        assert isinstance(graph, TransformerEncoder)
        record = _compared(record, encoder, graph, held, part)
        if int8 and to == "openvino":
            source = "the included corpus" if calibrate is None else "the given source"
            record = replace(record, calibration=f"{len(own):,} texts of {source}")
        if measure is not None:
            record = replace(record, figures=_figures(encoder, graph, measure))
        write_json(part / RECORD, record.to_json())
    return record


def _texts(given: Sequence[str] | None, seed: int) -> tuple[list[str], list[str]]:
    """Texts to calibrate and to measure on; other ones, as far as there are enough."""
    if given is None:
        from counterpoint.data import debian

        given = list(debian().train.texts())
    texts = sorted({text for text in given if text.strip()})
    if len(texts) < 2:
        raise InputError(f"{len(texts)} different texts are too few to calibrate and measure on", fix="give more")
    texts = [texts[i] for i in np.random.default_rng(seed).permutation(len(texts))]
    split = min(CALIBRATED, len(texts) // 2)
    return texts[:split], texts[split : split + MEASURED]


def _compared(
    record: Export, encoder: TransformerEncoder, graph: TransformerEncoder, texts: list[str], part: Path
) -> Export:
    """The record with speed and agreement."""
    a_nd, b_nd = (_unit(e.encode(texts, dtype="float32")) for e in (encoder, graph))
    cosines = (a_nd * b_nd).sum(1)
    if not record.int8 and cosines.min() < 1 - TOLERANCE:
        raise InputError(
            f"the {record.target} graph of a {encoder._type} model does not compute what the model does "
            f"(cosine {cosines.min():.4f})",
            file=part,
            fix="use the model by torch",
        )
    from scipy.stats import spearmanr

    pairs = np.triu_indices(len(texts), 1)
    similarity = float(spearmanr((a_nd @ a_nd.T)[pairs], (b_nd @ b_nd.T)[pairs])[0]) if len(texts) > 2 else 1.0
    rates = [len(texts) / seconds for seconds in _best([encoder, graph], texts)]
    return replace(
        record,
        torch_rate=rates[0],
        rate=rates[1],
        mean_cosine=float(cosines.mean()),
        least_cosine=float(cosines.min()),
        similarity=similarity,
        texts=len(texts),
        threads=torch.get_num_threads(),
    )


def _unit(z_nd: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    z_nd = z_nd.astype(np.float64)
    lengths_n1 = np.linalg.norm(z_nd, axis=1, keepdims=True)
    unit_nd: Float[np.ndarray, "n d"] = z_nd / np.maximum(lengths_n1, 1e-12)
    return unit_nd


def _best(encoders: Sequence[TransformerEncoder], texts: list[str]) -> list[float]:
    """The least seconds of each, in turns, after a first time that counts for nothing."""
    seconds = []
    for _ in range(1 + REPEATS):
        turn = []
        for encoder in encoders:
            start = time.perf_counter()
            encoder.encode(texts)
            turn.append(time.perf_counter() - start)
        seconds.append(turn)
    return [min(column) for column in zip(*seconds[1:], strict=True)]


def _figures(encoder: TransformerEncoder, graph: TransformerEncoder, data: TextData | Retrieval) -> list[list[Any]]:
    """Task, source, figure, value of the original, value of the graph."""
    from counterpoint.evaluate import evaluate_any

    both = zip(*(evaluate_any(e, data, samples=0) for e in (encoder, graph)), strict=True)
    return [
        [before.task, before.source, name, figure.value, after[name].value]
        for before, after in both
        for name, figure in before.items()
    ]
