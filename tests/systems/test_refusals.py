"""Every system refuses data that it does not take: by `fit`, by `compare` and by `run`, in one sentence."""

from __future__ import annotations

import pytest

from counterpoint.comparing.entries import Job, check_job, parts_of
from counterpoint.errors import InputError
from counterpoint.fitting import fit
from counterpoint.systems import every, get, run
from counterpoint.systems.registry import slug

ROWS = "query\tdocument\n" + "".join(f"the {c} {n}\t{c} {n} here\n" for c in ("red", "blue") for n in range(40))
NAMES = [slug(name) for s in every() for name in (s.name, *s.variants)]


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """A source for each modality, and its parts."""
    file = tmp_path_factory.mktemp("data") / "pairs.tsv"
    file.write_text(ROWS)
    found = {"text": str(file), "image": "digits"}
    return {modality: (source, parts_of(Job(source))) for modality, source in found.items()}


def wrong(name):
    """The modality that a system does not take."""
    return "image" if get(name).method().takes.anchors == "text" else "text"


@pytest.mark.parametrize("name", NAMES)
def test_fit_and_compare_and_run_refuse_other_data(sources, tmp_path, name):
    system, (source, parts) = get(name), sources[wrong(name)]
    method, told = system.method(), []
    for attempt in (
        lambda: fit(source, tmp_path / "fit", method=method, say=told.append),
        lambda: run(system, tmp_path / "run", source=source, say=told.append),
        lambda: check_job(Job(source, system=name), parts),
    ):
        with pytest.raises(InputError, match=f"{name_of(method)} (trains on|trains nothing)"):
            attempt()
    assert not (tmp_path / "fit").exists()
    assert not (tmp_path / "run").exists()
    assert not any("training" in sentence for sentence in told)


def name_of(method):
    return method.name.replace("+", r"\+").replace("(", r"\(").replace(")", r"\)")
