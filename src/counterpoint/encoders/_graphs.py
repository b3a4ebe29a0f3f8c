"""Compiled graphs that give token vectors: OpenVINO and ONNX Runtime, fed in chunks that fit the processor's cache."""

from __future__ import annotations

import abc
import importlib.util
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int

from counterpoint.encoders.transformer import ROW
from counterpoint.errors import InputError, MissingExtra

if TYPE_CHECKING:
    import openvino

Target = Literal["openvino", "onnx"]

CHUNK = 512
"""Tokens a run of the graph: what it works on stays in the processor's cache, and every core has a run of its own."""
PACKAGES: dict[Target, str] = {"openvino": "openvino", "onnx": "onnxruntime"}


def installed(target: Target) -> bool:
    """Whether what runs such a graph is there."""
    return importlib.util.find_spec(PACKAGES[target]) is not None


def open_graph(target: Target, path: Path, width: int) -> Graph:
    """The graph in a file that `counterpoint.exporting` wrote; `width` is the dimension of its token vectors.

    Raises:
        MissingExtra: What runs it is not installed.
        InputError: The file is missing or broken.
    """
    if not installed(target):
        raise MissingExtra(PACKAGES[target], extra="export")
    if not path.is_file():
        raise InputError("is missing", file=path, fix="copy the whole folder, or export the model again")
    try:
        return OpenVinoGraph(path, width) if target == "openvino" else OnnxGraph(path, width)
    except Exception as error:  # both raise what has no common base
        raise InputError("is not a graph that can be read", file=path, fix="export the model again") from error


class Graph(abc.ABC):
    """Token ids and the text of each place -> the token's vector, in as many runs at a time as torch has threads."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.threads = torch.get_num_threads()
        # the runs of one call share their queue
        self._lock = threading.Lock()

    def __call__(
        self, ids_rw: Int[np.ndarray, "r w"], mask_rw: Int[np.ndarray, "r w"], dtype: torch.dtype
    ) -> Float[np.ndarray, "r w d"]:
        """The token vectors of rows; what stands where `mask_rw` is 0 has no meaning."""
        rows, columns = ids_rw.shape
        step = max(1, CHUNK // columns)
        hidden_rwd = np.empty((rows, columns, self.width), dtype=np.float32)
        chunks = []
        for start in range(0, rows, step):
            chunk = slice(start, min(start + step, rows))
            # texts come sorted by length: what is padding in all rows of a chunk is left out
            used = columns if columns == ROW else int(np.flatnonzero(mask_rw[chunk].any(0))[-1]) + 1
            chunks.append((chunk, used))
        with self._lock:
            self._run(ids_rw, mask_rw, chunks, hidden_rwd, dtype)
        return hidden_rwd

    @abc.abstractmethod
    def _run(
        self,
        ids_rw: Int[np.ndarray, "r w"],
        mask_rw: Int[np.ndarray, "r w"],
        chunks: list[tuple[slice, int]],
        hidden_rwd: Float[np.ndarray, "r w d"],
        dtype: torch.dtype,
    ) -> None:
        """Fill `hidden_rwd`: the first so many columns of each slice of rows."""


class OpenVinoGraph(Graph):
    """An OpenVINO graph, compiled for a dtype when it is first used at it."""

    def __init__(self, path: Path, width: int) -> None:
        import openvino

        super().__init__(width)
        self._core = openvino.Core()
        self._model = self._core.read_model(path)
        self._queues: dict[tuple[torch.dtype, bool], openvino.AsyncInferQueue] = {}

    def _queue(self, dtype: torch.dtype, fixed: bool) -> openvino.AsyncInferQueue:
        """Runs of any shape, or of the one shape that full chunks of short texts have, which is faster."""
        import openvino

        if (dtype, fixed) not in self._queues:
            model = self._model
            if fixed:
                model = model.clone()
                model.reshape({port: [CHUNK // ROW, ROW] for port in model.inputs})
            settings = {
                "INFERENCE_NUM_THREADS": self.threads,
                "INFERENCE_PRECISION_HINT": "bf16" if dtype == torch.bfloat16 else "f32",
                "PERFORMANCE_HINT": "THROUGHPUT",
            }
            self._queues[dtype, fixed] = openvino.AsyncInferQueue(self._core.compile_model(model, "CPU", settings))
        return self._queues[dtype, fixed]

    def _run(
        self,
        ids_rw: Int[np.ndarray, "r w"],
        mask_rw: Int[np.ndarray, "r w"],
        chunks: list[tuple[slice, int]],
        hidden_rwd: Float[np.ndarray, "r w d"],
        dtype: torch.dtype,
    ) -> None:
        size = CHUNK // ROW
        fixed = ids_rw.shape[1] == ROW and len(ids_rw) >= size
        if fixed:
            missing = ((0, -len(ids_rw) % size), (0, 0))
            ids_rw, mask_rw = np.pad(ids_rw, missing), np.pad(mask_rw, missing)
        queue = self._queue(dtype, fixed)

        def keep(request: Any, chunk: tuple[slice, int]) -> None:
            rows, columns = chunk
            hidden_rwd[rows, :columns] = request.get_output_tensor(0).data[: rows.stop - rows.start]

        queue.set_callback(keep)
        for rows, columns in chunks:
            taken = slice(rows.start, rows.start + size) if fixed else rows
            inputs = {"input_ids": ids_rw[taken, :columns], "attention_mask": mask_rw[taken, :columns]}
            queue.start_async(inputs, (rows, columns))
        queue.wait_all()


class OnnxGraph(Graph):
    """A graph in ONNX Runtime, which computes in the type that the graph is in."""

    def __init__(self, path: Path, width: int) -> None:
        import onnxruntime

        super().__init__(width)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def _run(
        self,
        ids_rw: Int[np.ndarray, "r w"],
        mask_rw: Int[np.ndarray, "r w"],
        chunks: list[tuple[slice, int]],
        hidden_rwd: Float[np.ndarray, "r w d"],
        dtype: torch.dtype,
    ) -> None:
        del dtype

        def run(chunk: tuple[slice, int]) -> None:
            rows, columns = chunk
            inputs = {"input_ids": ids_rw[rows, :columns], "attention_mask": mask_rw[rows, :columns]}
            (hidden_rwd[rows, :columns],) = self._session.run(None, inputs)

        with ThreadPoolExecutor(self.threads) as pool:
            for _ in pool.map(run, chunks):
                pass
