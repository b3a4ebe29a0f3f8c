"""The registry, the rule of the verdicts, and that what is kept and written is of the code as it is."""

from __future__ import annotations

import importlib.util
import io
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
from rich.console import Console
from scipy.stats import ttest_rel
from torch import nn
from typer.testing import CliRunner

from counterpoint.cli.ledger import print_system
from counterpoint.cli.main import app
from counterpoint.errors import InputError
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import InfoNCE
from counterpoint.systems import Claim, Registry, every, get, system, verify
from counterpoint.systems.core._digits import as_rows
from counterpoint.systems.core._recipes import perceptron
from counterpoint.systems.core._versus import claims, deviation, probe_accuracy, spread
from counterpoint.systems.measuring import (
    CANNOT_TELL,
    CONTRADICTED,
    NOT_HERE,
    REPRODUCED,
    current,
    difference_interval,
    entry,
    fingerprint,
    judge_interval,
    load,
    outcome,
    save,
)

ROOT = Path(__file__).parents[2]
CATALOGUE = Path(os.environ.get("COUNTERPOINT_CATALOG", ROOT.parent / "shared" / "catalog")) / "systems.jsonl"
SYSTEMS = every()
MEASURED = [s for s in SYSTEMS if s.claims]
numbers = st.floats(-10, 10).map(lambda x: round(x, 3))


def recipe(name: str) -> Recipe:
    return Recipe(name, (Stage(InfoNCE),), Takes("text"))


def registered(name: str, registry: Registry, **options) -> None:
    @system(
        name,
        title=f"The paper of {name}",
        year=2020,
        family="core",
        mechanism="",
        run=lambda config, source, output, say: {},
        claims=(Claim("it is better", "accuracy", "nothing"), Claim("it is smaller", "MB", "nothing", "lower")),
        measure=lambda seed: (((seed + 1.0, 0.0), (1.0, 1.0 + seed)), {"seed": float(seed)}),
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
    with pytest.raises(InputError, match=r"choose from .*dcl, .*dpr, e5"):
        get("?")


@pytest.mark.parametrize("s", SYSTEMS, ids=lambda s: s.slug)
def test_every_system_is_whole(s):
    file, _, name = s.mechanism.partition("::")
    assert re.search(rf"^def {name}\(", (ROOT / file).read_text(), re.MULTILINE), "the mechanism test does not exist"
    assert s.module.startswith(f"counterpoint.systems.{s.family}.")
    for method in (s.method, *s.variants.values()):
        assert method().name
        assert method().takes.describe()
    assert bool(s.claims) == (s.measure is not None)
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


def test_verify_measures_each_claim_over_the_seeds(tmp_path):
    registry = Registry()
    registered("A", registry)
    mine = replace(registry.get("A"), module="counterpoint.systems.core.simclr")
    said = []
    verdict = verify(mine, seeds=range(4), say=said.append)
    assert [o.verdict for o in verdict.outcomes] == [REPRODUCED, NOT_HERE]
    assert verdict.outcomes[0].system_values == [1.0, 2.0, 3.0, 4.0]
    assert verdict.outcomes[1].value == pytest.approx(-1.5)
    assert verdict.figures == {"seed": 1.5}
    assert len(said) == 4
    save(verdict, "a", tmp_path)
    assert load("a", tmp_path) == verdict
    assert current(mine, verdict)
    assert not current(mine, replace(verdict, code="older"))
    about = entry(mine, verdict)
    assert about["claim"]["verdict"] == REPRODUCED
    assert about["claim"]["interval"] == list(verdict.outcomes[0].interval)
    assert entry(mine, None)["claim"]["value"] is None
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(InputError, match="verify a"):
        load("a", tmp_path)
    assert load("b", tmp_path) is None


def test_a_collapse_refuses_the_verdict():
    registry = Registry()
    registered("A", registry)

    def measure(seed):
        return ((seed + 1.0, 0.0, "A: complete collapse" * (seed > 1)), (1.0, 1.0 + seed)), {}

    mine = replace(registry.get("A"), module="counterpoint.systems.core.simclr", measure=measure)
    verdict = verify(mine, seeds=range(4))
    assert [o.verdict for o in verdict.outcomes] == [CANNOT_TELL, NOT_HERE]
    assert [o.reason for o in verdict.outcomes] == ["collapsed in 2 of 4 seeds (A: complete collapse)", ""]
    assert entry(mine, verdict)["claim"]["reason"] == verdict.outcomes[0].reason
    console = Console(width=200, file=io.StringIO())
    print_system(mine, verdict, console)
    assert "cannot tell, collapsed in 2" in " ".join(console.file.getvalue().split())


def _collapsed(metric, *which):
    """What `claims` says of a pair of arms of which some had collapsed."""

    def trained(recipe, images, seed):
        model = perceptron(as_rows(images), seed)
        model.collapsed = "complete collapse" if recipe.name in which else ""
        return model, nn.Identity()

    arms = [lambda name=name: recipe(name) for name in ("ours", "theirs")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("counterpoint.systems.core._versus.trained", trained)
        pairs, figures = claims((metric, *arms))(0)
    return pairs[0][2], figures


def test_a_baseline_that_collapsed_counts_unless_the_spread_is_what_is_measured():
    assert _collapsed(probe_accuracy) == ("", {})
    assert _collapsed(probe_accuracy, "theirs") == ("theirs: complete collapse", {})
    assert _collapsed(probe_accuracy, "ours", "theirs")[0] == "ours: complete collapse"
    for metric in (spread, deviation):
        said, figures = _collapsed(metric, "theirs")
        assert said == ""
        assert list(figures) == [f"mean cosine of the projection, {name}" for name in ("ours", "theirs")]
        assert _collapsed(metric, "ours")[0] == "ours: complete collapse"


def test_fingerprint_is_of_code_and_not_of_words(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "recipe.py"

    def digest(text: str) -> str:
        file.write_text(text)
        importlib.invalidate_caches()
        return fingerprint("recipe")

    plain = digest("def f():\n    return 1\n")
    assert digest('"""Doc."""\n\ndef f():\n    """Doc."""\n    return 1  # why\n') == plain
    assert digest("import os\n\ndef f():\n    import sys\n    return 1\n") == plain
    assert digest("def f():\n    return 2\n") != plain


def test_fingerprint_follows_what_a_system_shares_with_its_family():
    module = importlib.util.find_spec("counterpoint.systems.core._digits")
    assert module is not None
    before = fingerprint("counterpoint.systems.core.simclr")
    original = Path.read_text

    def changed(self, *arguments, **options):
        text = original(self, *arguments, **options)
        return text.replace("EPOCHS = ", "EPOCHS = 1 + ") if str(self) == module.origin else text

    other = fingerprint("counterpoint.systems.retrieval.dpr")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "read_text", changed)
        assert fingerprint("counterpoint.systems.core.simclr") != before
        assert fingerprint("counterpoint.systems.retrieval.dpr") == other


OLDER = set((Path(__file__).parent / "older.txt").read_text().split())


@pytest.mark.parametrize("s", MEASURED, ids=lambda s: s.slug)
def test_kept_verdict_is_of_the_code_as_it_is(s):
    verdict = load(s.slug)
    assert verdict is not None, f"never measured; run: counterpoint verify {s.slug}"
    again = f"the recipe has changed since it was measured; run: counterpoint verify {s.slug}"
    # listed until they are measured again; the page and the listing say of each that it is of older code
    assert current(s, verdict) != (s.slug in OLDER), again
    for claim, kept in zip(s.claims, verdict.outcomes, strict=True):
        pairs = list(zip(kept.system_values, kept.baseline_values, strict=True))
        # what was claimed of older code may have been put otherwise
        asked = Claim(kept.text, kept.metric, kept.baseline, kept.better) if s.slug in OLDER else claim
        assert kept == outcome(asked, pairs, kept.reason)


def test_systems_page_is_current():
    command = [sys.executable, str(ROOT / "scripts" / "systems_page.py"), "--check"]
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
    assert {s.name for s in SYSTEMS if not s.claims} == {"CRL Framework and Review"}
    survey = get("CRL Framework and Review")
    assert entry(survey, None)["claim"] is None
    assert entry(survey, None)["further_claims"] == []
    done = CliRunner().invoke(app, ["verify", survey.slug, "--output", str(tmp_path)])
    assert isinstance(done.exception, InputError)
    assert "claims nothing that can be measured" in str(done.exception)
    assert not list(tmp_path.iterdir())


def test_verify_keeps_and_prints_the_verdict(tmp_path):
    done = CliRunner().invoke(app, ["verify", "GradCache", "--seeds", "2", "--output", str(tmp_path), "--json"])
    assert done.exit_code == 0, done.output
    kept = load("gradcache", tmp_path)
    assert kept is not None
    assert kept.outcomes[0].verdict == REPRODUCED


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gradcache"])
def test_a_sample_measured_again_agrees_with_the_kept_verdict(name):
    kept, seeds = load(name), (0, 1)
    assert kept is not None
    again = verify(get(name), seeds=seeds)
    for before, now in zip(kept.outcomes, again.outcomes, strict=True):
        assert now.verdict == before.verdict
        assert now.system_values == pytest.approx(before.system_values[:2], rel=0.05, abs=1e-5)
        assert now.baseline_values == pytest.approx(before.baseline_values[:2], rel=0.05)
