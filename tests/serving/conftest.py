"""Servers over one small index."""

from __future__ import annotations

from pathlib import Path

import pytest

from counterpoint.data import debian
from counterpoint.encoders import StaticEncoder, load
from counterpoint.search import Index
from serving.sites import IMAGE, PNG, SCRIPT, site


def built(folder: Path, encoder) -> Path:
    """An index of package descriptions and of three documents that would break into a page."""
    corpus = list(debian().heldout.corpus.items())[:400]
    ids = [name for name, _ in corpus] + [SCRIPT, IMAGE, "sub/red.png"]
    texts = [text for _, text in corpus] + [f"break in {SCRIPT}", f"break in {IMAGE}", "a red picture"]
    columns = {
        "length": [len(text) for text in texts],
        "letter": [text[:1].lower() for text in texts],
        "short": [len(text) < 60 for text in texts],
        "note": [None] * 400 + [SCRIPT, IMAGE, None],
    }
    z = encoder.encode(texts, kind="document")
    Index.build(folder, ids, texts, z, columns=columns, encoder=encoder, metadata={"model": "../model"}).close()
    return folder


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    """A run with a model and an index, and a folder of pictures."""
    folder = tmp_path_factory.mktemp("served") / "packages"
    texts = list(debian().heldout.corpus.values())[:400]
    StaticEncoder.from_corpus([*texts, "break in a red picture"], dim=64).save(folder / "model")
    built(folder / "index", load(folder / "model"))
    (folder / "pictures" / "sub").mkdir(parents=True)
    (folder / "pictures" / "sub" / "red.png").write_bytes(PNG)
    (folder / "secret.png").write_bytes(b"secret")
    (folder / "pictures" / "sub" / "program.svg").write_text("<svg/>")
    (folder / "pictures" / "link.png").symlink_to(folder / "secret.png")
    return folder


@pytest.fixture(scope="session")
def encoder(place):
    return load(place / "model")


@pytest.fixture(scope="session")
def reading(place, encoder):
    """One that only reads."""
    from counterpoint.serving.service import Service

    index = Index.open(place / "index")
    with site(Service(encoder, "packages", index, pictures=place / "pictures")) as running:
        yield running


@pytest.fixture(scope="session")
def small(encoder):
    """A model alone, which takes little."""
    from counterpoint.serving import Limits
    from counterpoint.serving.service import Service

    limits = Limits(body=4096, characters=100, inputs=8, batch=4, wait=5, queue=16)
    with site(Service(encoder, "small", limits=limits)) as running:
        yield running


@pytest.fixture
def writing(tmp_path, encoder):
    """One that writes, with an index of its own."""
    from counterpoint.serving.service import Service

    texts = ["paint the boat", "feed the cat", "rain on the roof"]
    columns = {"lang": ["en", "en", "en"]}
    z = encoder.encode(texts, kind="document")
    index = Index.build(tmp_path / "index", ["a", "b", "c"], texts, z, columns=columns, encoder=encoder)
    with site(Service(encoder, "packages", index, writable=True)) as running:
        yield running
