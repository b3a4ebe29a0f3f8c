"""Graphs compute what their models do, in rows that hold several texts, and the folders load everywhere."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import transformers
from scipy.stats import spearmanr
from typer.testing import CliRunner

import counterpoint as cp
from counterpoint.cli.main import app
from counterpoint.data.rows import rows_of
from counterpoint.encoders import Dense, StaticEncoder, TemplateEncoder, TransformerEncoder, fingerprint
from counterpoint.encoders.exported import FILES, ExportedEncoder
from counterpoint.encoders.scratch import small_transformer
from counterpoint.errors import InputError, MissingExtra
from counterpoint.exporting import export
from counterpoint.fitting.bases import make_base

for package in ("onnx", "onnxruntime", "openvino", "nncf"):
    pytest.importorskip(package)

pytestmark = pytest.mark.xdist_group("exports")  # one worker makes the folders once
WORDS = ["the", "a", "man", "dog", "cat", "plays", "runs", "sleeps", "in", "on", "park", "house", "river", "green"]
RNG = np.random.default_rng(0)
# up to 70 tokens: more than a row of several texts has
SIZES = (*range(1, 40), 45, 61, 68)
TEXTS = [" ".join(RNG.choice(WORDS, size=n)) for n in SIZES] + ["", "dog", "dog"]
SHAPE = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 80,
}


def make(kind: str = "bert", **options) -> TransformerEncoder:
    """Two layers with weights large enough that attention is far from uniform."""
    small = small_transformer(TEXTS, width=32, max_seq_length=70)
    model = small.model
    if kind != "bert":
        ids = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3, "vocab_size": len(small.tokenizer)}
        more = {"num_key_value_heads": 2} if kind == "qwen2" else {"embedding_size": 32} if kind == "albert" else {}
        config = transformers.AutoConfig.for_model(kind, **SHAPE, **ids, **more)
        model = transformers.AutoModel.from_config(config)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in model.parameters():
            if p.ndim == 2:
                p.copy_(torch.randn(p.shape, generator=generator) * 0.25)
    return TransformerEncoder(model, small.tokenizer, max_seq_length=70, **options).eval()


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A model with a head, prompts that are not pooled and fewer dimensions; and each export of it."""
    root = tmp_path_factory.mktemp("exports")
    torch.manual_seed(0)
    prompts = {"query": "the man: ", "document": "a "}
    make(heads=[Dense(32, 24)], prompts=prompts, truncate_dim=16, include_prompt=False).save(root / "model")
    for to, int8 in FILES:
        export(root / "model", root / name(to, int8), to=to, int8=int8, calibrate=TEXTS)
    return root


def name(to: str, int8: bool) -> str:
    return to + "-int8" * int8


def rewrite(folder, **values):
    """The record of an export with other values."""
    record = json.loads((folder / "export.json").read_text())
    (folder / "export.json").write_text(json.dumps(record | values))


@pytest.mark.parametrize("kind", [None, "query", "document"])
@pytest.mark.parametrize("to", ["openvino", "onnx"])
def test_a_float_graph_gives_the_models_vectors(folders, to, kind):
    graph = cp.load(folders / to, backend=to)
    assert isinstance(graph, ExportedEncoder)
    expected = cp.load(folders / "model").encode(TEXTS, kind=kind, dtype="float32")
    z = graph.encode(TEXTS, kind=kind, dtype="float32")
    assert z.shape == (len(TEXTS), 16)
    np.testing.assert_allclose(z, expected, atol=1e-4)
    # other texts have other vectors: what ignores its input does not pass
    assert np.median(np.abs(expected @ expected.T)) < 0.9
    # few tokens at a time, and one text alone, are rows of other shapes
    np.testing.assert_allclose(graph.encode(TEXTS, kind=kind, dtype="float32", batch_tokens=90), expected, atol=1e-4)
    np.testing.assert_allclose(graph.encode(TEXTS[7:8], kind=kind), expected[7:8], atol=1e-4)


@pytest.mark.parametrize("to", ["openvino", "onnx"])
def test_an_int8_graph_gives_almost_the_models_vectors(folders, to):
    expected = cp.load(folders / "model").encode(TEXTS, dtype="float32")
    z = cp.load(folders / name(to, True), backend=to).encode(TEXTS, dtype="float32")
    cosines = (z * expected).sum(1)
    assert cosines.mean() > 0.99
    assert 1 - cosines.mean() > 1e-5  # it is int8
    pairs = np.triu_indices(len(TEXTS), 1)
    assert spearmanr((z @ z.T)[pairs], (expected @ expected.T)[pairs])[0] > 0.97


@pytest.mark.parametrize(
    ("kind", "to"),
    [
        ("distilbert", "openvino"),
        ("roberta", "openvino"),
        ("roberta", "onnx"),
        ("gpt2", "openvino"),
        ("qwen2", "openvino"),
        ("qwen2", "onnx"),
        ("albert", "openvino"),  # not one whose texts share rows
    ],
)
def test_every_architecture(tmp_path, kind, to):
    make(kind, pooling="last" if kind in ("gpt2", "qwen2") else "mean").save(tmp_path / "model")
    export(tmp_path / "model", tmp_path / "made", to=to, calibrate=TEXTS)
    z = cp.load(tmp_path / "made", backend=to).encode(TEXTS, dtype="float32")
    np.testing.assert_allclose(z, cp.load(tmp_path / "model").encode(TEXTS, dtype="float32"), atol=1e-4)


@pytest.mark.parametrize("to", ["openvino", "onnx"])
def test_the_graph_takes_the_usual_mask(folders, to):
    """What runs Hugging Face's models feeds it rows of one text, padded, with a mask of ones and zeros."""
    encoder = cp.load(folders / "model")
    inputs = encoder.tokenizer(TEXTS[:9], padding=True, return_tensors="pt")
    with torch.no_grad():
        expected = encoder.model(inputs["input_ids"], inputs["attention_mask"]).last_hidden_state.numpy()
    fed = {key: inputs[key].numpy() for key in ("input_ids", "attention_mask")}
    path = folders / to / FILES[to, False]
    if to == "openvino":
        import openvino

        compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        found = compiled(fed)["last_hidden_state"]
    else:
        import onnxruntime

        (found,) = onnxruntime.InferenceSession(path).run(["last_hidden_state"], fed)
    kept = fed["attention_mask"] > 0
    np.testing.assert_allclose(found[kept], expected[kept], atol=1e-4)


@pytest.mark.parametrize("to", ["openvino", "onnx"])
def test_saved_again(folders, to, tmp_path):
    graph = cp.load(folders / name(to, True), backend=to, truncate_dim=8)
    graph.save(tmp_path / "again")
    again = cp.load(tmp_path / "again", backend=to)
    assert again.export == graph.export
    np.testing.assert_array_equal(again.encode(TEXTS[:3]), graph.encode(TEXTS[:3]))
    by_torch = cp.load(tmp_path / "again", backend="torch").encode(TEXTS[:3])
    np.testing.assert_allclose(by_torch, cp.load(folders / "model", truncate_dim=8).encode(TEXTS[:3]), atol=1e-6)


def test_an_int8_graph_is_another_model_and_a_float_graph_the_same(folders):
    original = fingerprint(cp.load(folders / "model"))
    for to, int8 in FILES:
        graph = cp.load(folders / name(to, int8), backend=to)
        assert (fingerprint(graph) == original) is not int8
        assert fingerprint(cp.load(folders / name(to, int8), backend="torch")) == original
    one, other = (fingerprint(cp.load(folders / name(to, True), backend=to)) for to in ("openvino", "onnx"))
    assert one != other


def test_sentence_transformers_loads_the_folder(folders):
    sentence_transformers = pytest.importorskip("sentence_transformers")
    z = sentence_transformers.SentenceTransformer(str(folders / "openvino-int8"), device="cpu").encode(TEXTS)
    # it does not scale vectors again that it cuts
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    np.testing.assert_allclose(z, cp.load(folders / "model").encode(TEXTS, dtype="float32"), atol=1e-5)


def test_auto_takes_what_was_faster_and_agrees(folders, tmp_path, monkeypatch):
    graph = cp.load(folders / "openvino", backend="openvino")
    graph.save(tmp_path / "made")

    def chosen():
        return type(cp.load(tmp_path / "made")) is ExportedEncoder

    for rate, cosine, expected in [(20, 0.99, True), (9, 0.99, False), (20, 0.9, False)]:
        rewrite(tmp_path / "made", rate=rate, torch_rate=10, mean_cosine=cosine)
        assert chosen() is expected
    rewrite(tmp_path / "made", mean_cosine=1)
    assert chosen()
    # what learns is never the graph
    assert type(make_base(str(tmp_path / "made"), rows_of([]), 0)) is TransformerEncoder
    monkeypatch.setattr("counterpoint.encoders.exported.installed", lambda _: False)
    assert not chosen()


def test_a_graph_does_not_learn(folders):
    graph = cp.load(folders / "openvino", backend="openvino").train()
    with pytest.raises(InputError, match="does not learn"):
        graph(graph.tokenize(["a dog"]))


def test_what_cannot_be_exported(folders, tmp_path, monkeypatch):
    def refused(match, model=folders / "model", output=tmp_path / "made", error=InputError, **options):
        with pytest.raises(error, match=match):
            export(model, output, **options)
        assert not list(tmp_path.glob("*made*"))

    StaticEncoder.from_corpus(["a small corpus"], dim=8).save(tmp_path / "static")
    refused("static model", model=tmp_path / "static")
    TemplateEncoder(small_transformer(["a b"], layers=1, width=8, heads=2), ["{} [MASK]"]).save(tmp_path / "within")
    refused("is a TemplateEncoder, no transformer by itself", model=tmp_path / "within")
    refused("unknown target 'tensorrt'", to="tensorrt")
    refused("there already", output=tmp_path / "static")
    refused("too few", calibrate=["a dog", "a dog", " "])
    refused("no such model folder", model=tmp_path / "nothing")
    monkeypatch.setattr("counterpoint.exporting._writing.importlib.util.find_spec", lambda name: None)
    refused(r"onnx is not installed.*counterpoint\[export\]", error=MissingExtra, to="onnx")


def test_a_graph_that_computes_something_else_is_not_kept(folders, tmp_path, monkeypatch):
    write = cp.exporting.run.write_graph

    def wrong(encoder, *rest):
        with torch.no_grad():
            encoder.model.encoder.layer[0].output.dense.weight.mul_(-1)
            write(encoder, *rest)
            encoder.model.encoder.layer[0].output.dense.weight.mul_(-1)

    monkeypatch.setattr("counterpoint.exporting.run.write_graph", wrong)
    with pytest.raises(InputError, match="does not compute what the model does"):
        export(folders / "model", tmp_path / "made", calibrate=TEXTS)
    assert not list(tmp_path.iterdir())


def test_broken_folders(folders, tmp_path):
    with pytest.raises(InputError, match="unknown backend 'tensorrt'; choose one of auto, torch, openvino, onnx"):
        cp.load(folders / "model", backend="tensorrt")
    with pytest.raises(InputError, match="holds no onnx graph; make one with: counterpoint export MODEL --to onnx"):
        cp.load(folders / "openvino", backend="onnx")
    cp.load(folders / "onnx", backend="onnx").save(tmp_path / "made")
    (tmp_path / "made" / FILES["onnx", False]).write_bytes(b"nothing")
    with pytest.raises(InputError, match="not a graph that can be read"):
        cp.load(tmp_path / "made", backend="onnx")
    (tmp_path / "made" / FILES["onnx", False]).unlink()
    with pytest.raises(InputError, match="is missing"):
        cp.load(tmp_path / "made", backend="onnx")
    assert type(cp.load(tmp_path / "made")) is TransformerEncoder
    for values in ({"target": "../../elsewhere"}, {"rate": "fast"}, {"more": 1}):
        cp.load(folders / "model").save(tmp_path / "broken")
        record = json.loads((folders / "onnx" / "export.json").read_text())
        (tmp_path / "broken" / "export.json").write_text(json.dumps(record | values))
        with pytest.raises(InputError, match="not a record of an export"):
            cp.load(tmp_path / "broken")


def test_the_command(folders, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "texts.txt").write_text("\n".join(t for t in TEXTS if t) + "\n")
    rows = [f"{a}\t{b}\t{i % 6}" for i, (a, b) in enumerate(zip(TEXTS[:30], TEXTS[5:35], strict=True))]
    (tmp_path / "pairs.tsv").write_text("\n".join(["sentence1\tsentence2\tscore", *rows]))
    run = CliRunner().invoke
    options = "--to openvino --int8 --calibrate texts.txt --measure pairs.tsv --output made"
    done = run(app, ["export", str(folders / "model"), *options.split()])
    assert done.exit_code == 0, done.output
    for said in (
        "OpenVINO int8",
        "MB",
        "texts a second",
        "least cosine",
        "spearman",
        "calibrated on 21 texts",
        "encode",
    ):
        assert said in done.output
    rewrite(tmp_path / "made", rate=20, torch_rate=10)
    done = run(app, ["encode", "texts.txt", "--model", "made", "--output", "a.npy"])
    assert "made: through OpenVINO int8 (20 texts a second, by torch 10" in done.output
    done = run(app, ["encode", "texts.txt", "--model", "made", "--backend", "torch", "--output", "b.npy"])
    assert done.exit_code == 0
    assert "through" not in done.output
    a_nd, b_nd = np.load("a.npy"), np.load("b.npy")
    assert 1e-6 < 1 - (a_nd * b_nd).sum(1).mean() < 0.02
