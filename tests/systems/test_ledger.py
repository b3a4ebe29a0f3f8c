"""The registry, the rule of the verdicts, and that what is kept and written is of the code as it is."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_rel
from typer.testing import CliRunner

from counterpoint.cli.main import app
from counterpoint.errors import InputError
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import InfoNCE
from counterpoint.systems import Claim, Registry, every, get, system, verify
from counterpoint.systems.jobs import arms
from counterpoint.systems.measuring import current, entry, load, moves, save
from counterpoint.systems.registry import ARMS
from counterpoint.systems.rule import (
    CONTRADICTED,
    NOT_HERE,
    REPRODUCED,
    difference_interval,
    judge_interval,
    why_not,
)

ROOT = Path(__file__).parents[2]
CATALOGUE = Path(os.environ.get("COUNTERPOINT_CATALOG", ROOT.parent / "shared" / "catalog")) / "systems.jsonl"
SYSTEMS = every()
MEASURED = [s for s in SYSTEMS if s.claims]
numbers = st.floats(-10, 10).map(lambda x: round(x, 3))


def recipe(name: str) -> Recipe:
    return Recipe(name, (Stage(InfoNCE),), Takes("text"))


def better(seed: int) -> dict[str, float]:
    return {"system": seed + 1.0, "baseline": 0.0}


def smaller(seed: int) -> dict[str, float]:
    return {"system": 1.0, "baseline": 1.0 + seed}


def registered(name: str, registry: Registry, **options) -> None:
    @system(
        name,
        title=f"The paper of {name}",
        year=2020,
        family="core",
        mechanism="",
        claims=(
            Claim("it is better", "accuracy", "nothing", check=better),
            Claim("it is smaller", "MB", "nothing", better="lower", check=smaller),
        ),
        setup="none",
        registry=registry,
        **options,
    )
    def method() -> Recipe:
        return recipe(name)


def test_the_founding_systems_are_listed():
    assert {s.name for s in SYSTEMS} >= {"SimCSE", "E5", "DPR", "SupCon", "SimCLR", "GradCache"}


@pytest.mark.parametrize("taken", ["DCL", "dcl", "Dcl"])
def test_a_taken_name_is_refused_whatever_its_case(taken):
    registry = Registry()
    registered("DCL", registry)
    with pytest.raises(InputError, match=r"called 'dcl' already: The paper of DCL \(2020\)"):
        registered(taken, registry)
    assert list(registry.systems) == ["dcl"]


def test_a_variant_takes_a_name_too():
    registry = Registry()
    registered("A", registry, variants={"A small": lambda: recipe("small")})
    assert registry.get("a SMALL").method().name == "small"
    assert registry.get("A").method().name == "A"
    with pytest.raises(InputError, match="a-small"):
        registered("A small", registry)


def test_an_unknown_name_is_told_the_nearest():
    assert get("simcse") is get("SimCSE")
    with pytest.raises(InputError, match="no system is called 'SimCES'; the nearest is simcse"):
        get("SimCES")
    with pytest.raises(InputError, match=r"choose from .*dcl, .*dpr, .*e5"):
        get("?")


@pytest.mark.parametrize("s", SYSTEMS, ids=lambda s: s.slug)
def test_every_system_is_whole(s):
    file, _, name = s.mechanism.partition("::")
    assert re.search(rf"^def {name}\(", (ROOT / file).read_text(), re.MULTILINE), "the mechanism test does not exist"
    for method in (s.method, *s.variants.values()):
        assert method().name
        assert method().takes.describe()
    for claim in s.claims:
        if claim.check is None:
            assert set(arms(s, claim)) <= set(ARMS)
            assert claim.bed.about
    assert s.setup


@pytest.mark.skipif(not CATALOGUE.exists(), reason="no catalogue at hand")
@pytest.mark.parametrize("s", SYSTEMS, ids=lambda s: s.slug)
def test_title_year_and_family_are_the_catalogue_s(s):
    rows = [json.loads(line) for line in CATALOGUE.read_text().splitlines()]
    assert (s.title, s.year, s.family) in {(r["title"], r["year"], r["family"]) for r in rows}


@given(st.lists(st.tuples(numbers, numbers), min_size=3, max_size=8))
def test_interval_is_that_of_a_paired_t_test(pairs):
    a, b = np.array(pairs).T
    value, (low, high) = difference_interval(pairs)
    assert value == pytest.approx((a - b).mean(), abs=1e-9)
    if np.ptp(a - b) > 1e-6:
        expected = ttest_rel(a, b).confidence_interval(0.95)
        assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-6)
    else:
        assert (low, high) == pytest.approx((value, value), abs=1e-5)


def test_one_seed_has_no_interval():
    with pytest.raises(InputError, match="two seeds"):
        difference_interval([(1.0, 0.0)])


@pytest.mark.parametrize(
    ("interval", "better", "verdict"),
    [
        ((0.1, 0.2), "higher", REPRODUCED),
        ((0.1, 0.2), "lower", CONTRADICTED),
        ((-0.2, -0.1), "higher", CONTRADICTED),
        ((-0.2, -0.1), "lower", REPRODUCED),
        ((-0.1, 0.2), "higher", NOT_HERE),
        ((-0.1, 0.2), "lower", NOT_HERE),
        ((0.0, 0.0), "higher", NOT_HERE),
        ((0.0, 0.2), "higher", NOT_HERE),
    ],
)
def test_rule(interval, better, verdict):
    assert judge_interval(interval, better) == verdict


def test_verify_measures_each_claim_over_the_seeds(tmp_path, monkeypatch):
    registry = Registry()
    registered("A", registry)
    mine = registry.get("A")
    monkeypatch.setattr("counterpoint.systems.jobs.get", registry.get)
    said = []
    done, failed = verify([mine], seeds=range(4), folder=tmp_path / "arms", say=said.append)
    verdict = done["a"]
    assert not failed
    assert [o.verdict for o in verdict.outcomes] == [REPRODUCED, NOT_HERE]
    assert verdict.outcomes[0].values["system"] == [1.0, 2.0, 3.0, 4.0]
    assert verdict.outcomes[1].value == pytest.approx(-1.5)
    assert len(said) == 8
    save(verdict, "a", tmp_path)
    assert load("a", tmp_path) == verdict
    assert current(mine, verdict)
    assert not current(mine, replace(verdict, code="older"))
    about = entry(mine, verdict)
    assert about["claim"]["verdict"] == REPRODUCED
    assert about["claim"]["interval"] == list(verdict.outcomes[0].interval)
    assert about["claim"]["arms"] == {"baseline": 0.0, "system": 2.5}
    assert entry(mine, None)["claim"]["value"] is None
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(InputError, match="verify a"):
        load("a", tmp_path)
    assert load("b", tmp_path) is None


UNMEASURED = set((Path(__file__).parent / "unmeasured.txt").read_text().split())
"""Whose verdicts are still to come: the list may only shrink."""


@pytest.mark.parametrize("s", MEASURED, ids=lambda s: s.slug)
def test_kept_verdict_is_of_the_code_as_it_is(s):
    verdict = load(s.slug)
    if s.slug in UNMEASURED:
        assert verdict is None or not current(s, verdict), "measured: take it off the list"
        return
    assert verdict is not None, f"never measured; run: counterpoint verify {s.slug}"
    assert current(s, verdict), f"what is measured has changed since; run: counterpoint verify {s.slug}"
    for i, (claim, o) in enumerate(zip(s.claims, verdict.outcomes, strict=True)):
        assert (o.text, o.metric, o.baseline, o.better) == (claim.text, claim.metric, claim.against, claim.better)
        pairs = list(zip(o.values["system"], o.values["baseline"], strict=True))
        assert (o.value, o.interval) == difference_interval(pairs)
        assert len(pairs) == len(verdict.seeds) >= 5
        if not o.reason:
            assert o.verdict == judge_interval(o.interval, o.better, o.margin)
            signal = verdict.signal if moves(s, i) else None
            floors = [floor for floor in claim.floors if floor in o.values]
            assert why_not(o.values, better=o.better, floors=floors, signal=signal) == ""


@pytest.mark.parametrize("script", ["systems_page.py", "self_supervised_page.py"])
def test_page_is_current(script):
    command = [sys.executable, str(ROOT / "scripts" / script), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_systems_as_json():
    done = CliRunner().invoke(app, ["systems", "--json"])
    assert done.exit_code == 0, done.output
    rows = json.loads(done.output)
    assert len(rows) == len(SYSTEMS)
    for row in rows:
        assert row.keys() >= {"title", "name", "year", "family", "run", "mechanism", "claim"}
        if row["claim"] is None:
            assert not get(row["name"]).claims
            continue
        assert row["claim"].keys() >= {"metric", "baseline", "value", "interval", "seeds", "verdict", "date"}


def test_systems_as_a_table():
    done = CliRunner().invoke(app, ["systems"])
    assert done.exit_code == 0, done.output
    assert all(s.name in done.output for s in SYSTEMS)


def test_verify_without_names_says_what_to_do():
    done = CliRunner().invoke(app, ["verify"])
    assert isinstance(done.exception, InputError)
    assert "--all" in str(done.exception)


def test_only_surveys_claim_nothing(tmp_path):
    assert {s.name for s in SYSTEMS if not s.claims} == {
        "CRL Framework and Review", "Contrastive NLP Primer", "Text-transformations CL review",
    }  # fmt: skip
    survey = get("CRL Framework and Review")
    assert entry(survey, None)["claim"] is None
    assert entry(survey, None)["further_claims"] == []
    done = CliRunner().invoke(app, ["verify", survey.slug, "--output", str(tmp_path)])
    assert isinstance(done.exception, InputError)
    assert "claims nothing that can be measured" in str(done.exception)
    assert not list(tmp_path.iterdir())


def test_verify_keeps_and_prints_the_verdict(tmp_path, monkeypatch):
    registry = Registry()
    registered("A", registry)
    monkeypatch.setattr("counterpoint.systems.get", registry.get)
    monkeypatch.setattr("counterpoint.systems.jobs.get", registry.get)
    given = ["--seeds", "4", "--output", str(tmp_path), "--cache", str(tmp_path / "arms")]
    done = CliRunner().invoke(app, ["verify", "A", *given, "--json"])
    assert done.exit_code == 0, done.output
    kept = load("a", tmp_path)
    assert kept is not None
    assert [o.verdict for o in kept.outcomes] == [REPRODUCED, NOT_HERE]
    assert json.loads(done.stdout)[0]["claim"]["verdict"] == REPRODUCED
    told = CliRunner().invoke(app, ["verify", "A", *given])
    assert "it is better: reproduced" in told.stdout
    assert "baseline 0  system 2.5" in told.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gradcache"])
def test_a_sample_measured_again_has_the_kept_values(name, tmp_path):
    kept, seeds = load(name), (0, 1)
    assert kept is not None
    again = verify([get(name)], seeds=seeds, folder=tmp_path)[0][name]
    for before, now in zip(kept.outcomes, again.outcomes, strict=True):
        # of fewer seeds the interval is wider, so the verdict may be another
        for arm, values in now.values.items():
            assert values == pytest.approx(before.values[arm][:2], rel=0.05, abs=1e-5)
