"""Folders of networks for images and of two towers: what is saved is what is loaded."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from counterpoint.data.items import Items
from counterpoint.encoders import (
    ImageEncoder,
    Perceptron,
    Projected,
    StaticEncoder,
    Towers,
    VisionTransformer,
    fingerprint,
    load,
)
from counterpoint.encoders.joined import Joined
from counterpoint.encoders.scratch import small_transformer
from counterpoint.errors import InputError

TEXTS = ["a red fox runs", "the blue ant sits"]
PIXELS = torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def static():
    return StaticEncoder.from_corpus(TEXTS, dim=16, prompts={"query": "red "})


MAKE = {
    "residual": lambda: ImageEncoder(3, widths=(8, 16), groups=4, stride=2, standardized=True),
    "transformer": lambda: VisionTransformer(3, size=8, patch=2, width=16, depth=1, heads=2, pooling="mean"),
    "perceptron": lambda: Perceptron(3 * 64, hidden=(8, 8), dim=4),
    "joined": lambda: Joined([ImageEncoder(3, widths=(8,)), Perceptron(3 * 64, dim=4)]),
    "projected": lambda: Projected(ImageEncoder(3, widths=(8,)), 5),
    "clip": lambda: Towers(Projected(ImageEncoder(3, widths=(8,)), 16), static()),
    "dual": lambda: Towers(static()),
    "text": lambda: Projected(small_transformer(TEXTS, layers=1, width=8, heads=2), 3),
}


def vectors(encoder):
    """What it makes of the items of each kind."""
    items = {"image": Items("image", PIXELS), "text": Items("text", TEXTS)}
    modality = encoder.modality if callable(encoder.modality) else lambda kind: encoder.modality
    return [encoder.encode_items(items[modality(kind)], kind=kind) for kind in ("query", "document")]


@pytest.fixture(params=MAKE)
def encoder(request):
    torch.manual_seed(1)
    encoder = MAKE[request.param]()
    with torch.no_grad():
        for parameter in encoder.parameters():
            # nothing is left as it is made
            parameter.add_(0.1 * torch.randn_like(parameter))
    return encoder


def test_what_is_saved_is_loaded(encoder, tmp_path):
    expected = vectors(encoder)
    encoder.save(tmp_path / "model")
    state = torch.random.get_rng_state()
    again = load(tmp_path / "model")
    assert torch.equal(state, torch.random.get_rng_state()), "nothing is drawn"
    assert type(again) is type(encoder)
    for a, b in zip(expected, vectors(again), strict=True):
        assert np.array_equal(a, b)
    assert fingerprint(again) == fingerprint(encoder)
    assert not [file for file in (tmp_path / "model").rglob("*") if file.suffix in (".bin", ".pt", ".pkl")]
    # it can be trained on, saved over itself, and moved
    sum(parameter.sum() for parameter in again.parameters()).backward()
    assert all(parameter.grad is not None for parameter in again.parameters())
    again.save(tmp_path / "model")
    (tmp_path / "model").rename(tmp_path / "moved")
    assert fingerprint(load(tmp_path / "moved")) == fingerprint(encoder)


def test_every_weight_is_in_the_fingerprint(encoder):
    before = {fingerprint(encoder)}
    for parameter in encoder.parameters():
        if parameter.numel():
            with torch.no_grad():
                parameter.view(-1)[0].add_(1)
        before.add(fingerprint(encoder))
    named = dict(encoder.named_parameters())
    # a pooler is no part of any vector
    assert len(before) == 1 + len(named) - sum("pooler" in name for name in named)


def test_settings_are_in_the_fingerprint():
    torch.manual_seed(0)
    a = VisionTransformer(1, size=8, patch=2, width=16, depth=1, heads=2)
    b = VisionTransformer(1, size=8, patch=2, width=16, depth=1, heads=4)
    b.load_state_dict(a.state_dict())
    c = VisionTransformer(1, size=8, patch=2, width=16, depth=1, heads=2)
    c.load_state_dict(a.state_dict())
    assert fingerprint(a) == fingerprint(c) != fingerprint(b)
    c.shape = (1, 8, 8)
    assert fingerprint(a) != fingerprint(c), "new pictures would be read otherwise"


def test_the_shape_of_the_pictures_is_kept(tmp_path):
    encoder = ImageEncoder(3, widths=(8,))
    encoder.shape = (3, 24, 32)
    Towers(encoder, Perceptron(64, dim=8)).save(tmp_path / "two")
    again = load(tmp_path / "two")
    assert (again.query.shape, again.document.shape) == ((3, 24, 32), None)


def test_folders_of_two_encoders_of_texts_without_settings(tmp_path):
    towers = Towers(static())
    with torch.no_grad():
        towers.document.embedding.weight.mul_(-1)
    for side in ("query", "document"):
        getattr(towers, side).save(tmp_path / "old" / side)
    again = load(tmp_path / "old", backend="torch")
    assert isinstance(again, Towers)
    for kind in ("query", "document"):
        assert np.array_equal(again.encode(TEXTS, kind=kind), towers.encode(TEXTS, kind=kind))


def test_options_are_for_the_encoders_of_texts(tmp_path):
    MAKE["clip"]().save(tmp_path / "clip")
    assert load(tmp_path / "clip", prompts={"query": "the "}).document.prompts == {"query": "the "}
    MAKE["residual"]().save(tmp_path / "image")
    with pytest.raises(InputError, match="truncate_dim is for encoders of texts"):
        load(tmp_path / "image", truncate_dim=4)
    with pytest.raises(InputError, match="backend is for encoders of texts"):
        load(tmp_path / "image", backend="onnx")


def test_projected_vectors_are_the_matrix_times_the_tower_s():
    projected = MAKE["text"]().eval()
    z = projected.encoder.encode(TEXTS, dtype="float32")
    weight = projected.linear.weight.detach().numpy()
    assert projected.encode(TEXTS, dtype="float32") == pytest.approx(z @ weight.T, abs=1e-5)
    assert projected(projected.tokenize(TEXTS)).detach().numpy() == pytest.approx(z @ weight.T, abs=1e-5)
    with pytest.raises(InputError, match="precision is not for projected vectors"):
        projected.encode(TEXTS, precision="binary")


def test_other_folders_are_not_replaced(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match="holds something else"):
        MAKE["residual"]().save(tmp_path)
    # a model of another kind is
    static().save(tmp_path / "model")
    MAKE["residual"]().save(tmp_path / "model")
    assert isinstance(load(tmp_path / "model"), ImageEncoder)
    static().save(tmp_path / "model")
    assert isinstance(load(tmp_path / "model"), StaticEncoder)


def test_a_kill_leaves_nothing_half_written(tmp_path, monkeypatch):
    encoder = MAKE["residual"]()
    encoder.save(tmp_path / "model")
    mark = fingerprint(encoder)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(InputError, match="no space left"):
        MAKE["residual"]().save(tmp_path / "model")
    assert fingerprint(load(tmp_path / "model")) == mark
    assert [file.name for file in tmp_path.iterdir()] == ["model"]


def change(folder, **fields):
    path = folder / "counterpoint.json"
    settings = json.loads(path.read_text())
    path.write_text(json.dumps(settings | fields))


def widen(folder, width):
    change(folder, arguments={"channels": 3, "widths": [8, width], "groups": 4, "stride": 2, "standardized": True})


def rename(folder):
    weights = load_file(folder / "model.safetensors")
    weights["other"] = weights.pop("stem.weight")
    save_file(weights, folder / "model.safetensors")


HARM = {
    "no JSON": (lambda f: (f / "counterpoint.json").write_text("{"), "is not valid JSON"),
    "a list": (lambda f: (f / "counterpoint.json").write_text("[]"), "is not what a model folder has there"),
    "no arguments": (lambda f: change(f, arguments=3), "is not what a model folder has there"),
    "unknown class": (lambda f: change(f, model="os.system"), "'os.system' that is not known here"),
    "unknown argument": (lambda f: change(f, arguments={"depth": 3}), "unexpected keyword argument 'depth'"),
    "wrong type": (lambda f: change(f, arguments={"channels": "three"}), "the model cannot be made"),
    "other widths": (lambda f: widen(f, 32), "size mismatch"),
    "huge": (lambda f: widen(f, 1 << 24), "size mismatch"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), r"model.safetensors: is missing"),
    "broken weights": (lambda f: (f / "model.safetensors").write_bytes(b"1234"), "truncated or not a weights file"),
    "other names": (rename, "other is missing or not its"),
    "out of it": (lambda f: change(f, arguments={"channels": {"folder": "../x"}}), "leads out of the folder"),
    "no part": (lambda f: change(f, arguments={"channels": {"folder": "x"}}), "x: is missing"),
}


@pytest.mark.parametrize("harm", HARM)
def test_broken_folders_give_one_sentence(tmp_path, harm):
    MAKE["residual"]().save(tmp_path / "model")
    does, says = HARM[harm]
    does(tmp_path / "model")
    with pytest.raises(InputError, match=says) as error:
        load(tmp_path / "model")
    assert "\n" not in str(error.value)
    assert "model" in str(error.value)


def test_towers_lack_a_side(tmp_path):
    MAKE["clip"]().save(tmp_path / "model")
    shutil.rmtree(tmp_path / "model" / "document")
    with pytest.raises(InputError, match="document: is missing"):
        load(tmp_path / "model")
