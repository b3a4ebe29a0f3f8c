"""Measuring: each arm once and kept, settings chosen on validation rows, and the rule by known numbers."""

from __future__ import annotations

import importlib
import json
import multiprocessing
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from counterpoint.errors import InputError
from counterpoint.systems import fingerprints, jobs, measuring, rule, running
from counterpoint.systems.fingerprints import fingerprint
from counterpoint.systems.measuring import outcome
from counterpoint.systems.registry import Claim, Registry, Signal
from counterpoint.systems.rule import judge_interval, why_not
from counterpoint.testbeds import Figure, Richer, Seen, Trained, Tuned
from counterpoint.testbeds.naming import digest, root
from systems import fakes

NAMELESS = lambda made: 1.0  # noqa: E731
SCRIPT = Path(__file__).with_name("two_jobs.py")


@pytest.fixture(autouse=True)
def registry(monkeypatch, tmp_path):
    """The fake systems, for whoever asks the ledger."""
    found = fakes.register(Registry())
    monkeypatch.setattr(jobs, "get", found.get)
    monkeypatch.setenv(fakes.LOG, str(tmp_path / "log"))
    return found


@pytest.fixture
def log(tmp_path):
    """What was made since it was last asked."""
    file = tmp_path / "log"

    def read():
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return lines

    return read


def measured(registry, *names, seeds=(0, 1), folder, **options):
    return jobs.measure([registry.get(name) for name in names], seeds, folder=folder, **options)


# what is measured, and how often


def test_values_are_those_of_the_arms_by_claim_and_role(registry, tmp_path):
    assert measured(registry, "one", "whole", "checking", seeds=(0, 3), folder=tmp_path) == {}
    found = jobs.values(registry.get("one"), 3, tmp_path)
    assert found["0"]["values"] == {"baseline": 0.403, "system": 0.603, "ceiling": 0.903}
    assert found["1"]["values"] == pytest.approx({"baseline": 0.6, "system": 0.4, "ceiling": 0.1})
    assert found["0"]["steps"] == {"baseline": 7, "system": 7, "ceiling": 7}
    whole = jobs.values(registry.get("whole"), 0, tmp_path)["0"]
    test = fakes.rows(0)[1]
    assert whole["values"]["raw"] == pytest.approx(float(test.anchors.tensor.flatten(1)[:, :2].mean()))
    assert whole["steps"]["system"] == 2
    check = jobs.values(registry.get("checking"), 3, tmp_path)["0"]["values"]
    assert check == {"system": 2.3, "baseline": 1.0, "ceiling": 3.0}


def test_kept_arms_are_not_measured_again(registry, tmp_path, log):
    names = ("one", "shared", "whole", "checking", "tuned", "real")
    said, steps = [], []
    measured(registry, *names, folder=tmp_path, say=said.append, on_done=lambda done, of: steps.append((done, of)))
    assert log()
    assert said[0].startswith("tuned, seed 1000: temperature 0.1 in ")
    assert (steps[2], steps[-1][0] == steps[-1][1]) == ((3, 3), True)
    before = {file: file.read_bytes() for file in tmp_path.glob("*.json")}
    measured(registry, *names, folder=tmp_path, say=said.clear)
    assert log() == []
    assert said  # nothing was said, so nothing cleared it
    assert {file: file.read_bytes() for file in tmp_path.glob("*.json")} == before
    measured(registry, "one", seeds=(0, 1, 2), folder=tmp_path)
    assert log() == ["made middle fake places 2", "made high fake places 2", "made best fake places 2"]


def test_an_arm_that_systems_and_claims_share_is_measured_once(registry, tmp_path, log):
    measured(registry, "one", "shared", seeds=(0,), folder=tmp_path)
    assert Counter(log()) == {f"made {name} fake places 0": 1 for name in ("low", "middle", "high", "best")}
    (middle,) = [kept for file in tmp_path.glob("*.json") if (kept := json.loads(file.read_text()))["name"] == "middle"]
    assert sorted(middle["figures"].values()) == [0.4, 0.6]
    assert jobs.values(registry.get("shared"), 0, tmp_path)["signal"]["values"] == {"system": 0.6, "off": 0.1}


def test_another_testbed_budget_or_code_is_another_arm(registry):
    (each,) = [e for e in jobs.asked(registry.get("one")) if e.place[1:] == ("0", "system")]
    others = [
        replace(fakes.PLACES, name="x"),
        replace(fakes.PLACES, steps=3),
        replace(fakes.PLACES, settings={"learning_rate": 1.0}),
        replace(fakes.PLACES, start=fakes.pixels),
        replace(fakes.PLACES, parts=fakes.missing),
    ]
    keys = {jobs._key(fakes.HIGH, bed) for bed in (*others, fakes.PLACES)}
    assert len(keys) == 6
    assert each.key in keys
    arms = [
        fakes.HIGH,
        Trained(fakes.trained),
        Trained(partial(fakes.trained, 0.1)),
        Trained(partial(fakes.trained, temperature=0.2)),
        Richer(fakes.HIGH, fakes.PLACES),
        Richer(fakes.HIGH, replace(fakes.PLACES, epochs=3)),
    ]
    assert len({jobs._key(arm, fakes.PLACES) for arm in arms}) == len(arms)
    same = (Tuned(fakes.trained, (0.1,)).at(0.1), Trained(partial(fakes.trained, temperature=0.1)))
    assert {jobs._key(arm, fakes.PLACES) for arm in same} == {jobs._key(arms[2], fakes.PLACES)}


def test_more_figures_are_added_to_what_is_kept(registry, tmp_path, log):
    registry.add(fakes.system("first", fakes.claim()))
    registry.add(fakes.system("second", fakes.claim(fakes.OTHER)))
    measured(registry, "first", seeds=(0,), folder=tmp_path)
    measured(registry, "second", seeds=(0,), folder=tmp_path)
    assert jobs.values(registry.get("first"), 0, tmp_path)["0"]["values"]["system"] == 0.6
    assert jobs.values(registry.get("second"), 0, tmp_path)["0"]["values"]["system"] == 0.4
    log()
    measured(registry, "first", "second", seeds=(0,), folder=tmp_path)
    assert log() == []


def test_a_testbeds_own_figures_are_measured_of_every_arm(registry, tmp_path, log):
    bed = replace(fakes.PLACES, figures=(fakes.OTHER,))
    registry.add(fakes.system("first", fakes.claim(bed=bed)))
    registry.add(fakes.system("second", fakes.claim(fakes.OTHER, bed=bed)))
    measured(registry, "first", seeds=(0,), folder=tmp_path)
    log()
    measured(registry, "second", seeds=(0,), folder=tmp_path)
    assert log() == []
    assert jobs.values(registry.get("second"), 0, tmp_path)["0"]["values"]["baseline"] == 0.6


def test_a_kill_between_arms_loses_nothing(registry, tmp_path, log):
    def killed(said):
        if "high" in said:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measured(registry, "one", folder=tmp_path, say=killed)
    assert log() == ["made middle fake places 0", "made high fake places 0"]
    with pytest.raises(InputError, match="one: ceiling was not measured with seed 0"):
        jobs.values(registry.get("one"), 0, tmp_path)
    measured(registry, "one", folder=tmp_path)
    rest = ["best fake places 0", *(f"{name} fake places 1" for name in ("middle", "high", "best"))]
    assert log() == [f"made {words}" for words in rest]


def test_figures_that_draw_numbers_do_not_depend_on_what_was_measured_before(registry, tmp_path):
    measured(registry, "real", "whole", seeds=(5,), folder=tmp_path / "a")
    torch.manual_seed(99)
    measured(registry, "whole", seeds=(5,), folder=tmp_path / "b")
    found = [jobs.values(registry.get("whole"), 5, tmp_path / name)["0"]["values"]["baseline"] for name in "ab"]
    torch.manual_seed(5)
    assert found == [float(torch.rand(1))] * 2


def test_an_input_error_of_a_testbed_names_the_system_and_the_others_go_on(registry, tmp_path):
    failed = measured(registry, "missing", "one", folder=tmp_path)
    assert list(failed) == ["missing"]
    assert str(failed["missing"]) == "the data are not there; put them there."
    assert jobs.values(registry.get("one"), 1, tmp_path)["0"]["values"]["system"] == 0.601
    done, failed = running.verify([registry.get("missing"), registry.get("one")], seeds=(0, 1), folder=tmp_path)
    assert (list(done), list(failed)) == (["one"], ["missing"])


def test_a_setting_that_cannot_be_chosen_names_the_system_too(registry, tmp_path, log):
    bed = replace(fakes.PLACES, name="not there", parts=fakes.missing)
    tuned = {side: Tuned(fakes.trained, (0.1, 0.5)) for side in ("baseline", "system")}
    registry.add(fakes.system("hopeless", fakes.claim(bed=bed, **tuned), fakes.claim()))
    assert list(measured(registry, "hopeless", "one", seeds=(0,), folder=tmp_path)) == ["hopeless"]
    assert jobs.values(registry.get("one"), 0, tmp_path)["0"]["values"]["system"] == 0.6


# settings


def test_a_setting_is_chosen_on_the_validation_part_and_never_on_the_test(registry, tmp_path, log):
    measured(registry, "tuned", folder=tmp_path)
    lines = [line.removeprefix("figure temperature ") for line in log() if line.startswith("figure")]
    # a quarter of the training rows, with a seed of its own; on the test the chosen one alone
    assert lines == [f"{v} {fakes.TRAIN} 10 {jobs.CHOOSING}" for v in fakes.TEMPERATURES] + [
        f"0.5 {fakes.TEST} 12 {seed}" for seed in (0, 1)
    ]
    for each in jobs.asked(registry.get("tuned"))[:2]:
        assert jobs.chosen(each, tmp_path) == 0.5
    assert jobs.values(registry.get("tuned"), 1, tmp_path)["0"]["values"] == {"baseline": 2.0, "system": 2.0}
    verdict = measuring.judged(registry.get("tuned"), (0, 1), tmp_path)
    assert verdict.outcomes[0].chosen == {"baseline": 0.5, "system": 0.5}


def test_the_rest_of_the_training_part_is_what_is_trained_on_while_choosing():
    train, test = fakes.rows(jobs.CHOOSING)
    kept, held = jobs._validation((train, test))
    assert (len(kept), len(held)) == (30, 10)
    assert sorted([*kept.anchor.tolist(), *held.anchor.tolist()]) == list(range(40))
    assert held.anchor.tolist() != list(range(10))


def test_two_claims_may_choose_differently(registry, tmp_path):
    assert measured(registry, "either way", folder=tmp_path) == {}
    by_claim = {e.place[1]: jobs.chosen(e, tmp_path) for e in jobs.asked(registry.get("either way"))}
    assert by_claim == {"0": 0.5, "1": 0.1}
    found = jobs.values(registry.get("either way"), 0, tmp_path)
    assert found["0"]["values"] == {"baseline": 2.0, "system": 2.0}
    assert found["1"]["values"] == {"baseline": 3.0, "system": 3.0}


# side by side


def test_two_processes_side_by_side_give_the_figures_of_one(registry, tmp_path):
    paths = [str(Path(__file__).parents[1]), *sys.path]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(p for p in paths if p)}
    failed = measured(registry, "real", "tuned", "missing", folder=tmp_path / "one")
    command = [sys.executable, str(SCRIPT), str(tmp_path / "two"), "2", "2"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == list(failed) == ["missing"]
    found = []
    for name in ("one", "two"):
        kept = {file.name: json.loads(file.read_text()) for file in (tmp_path / name).glob("*.json")}
        found.append({name: {**about, "seconds": 0} for name, about in kept.items()})
    assert found[0] == found[1]
    # what was chosen is what the others are, too
    assert len(found[0]) == 3 + 2


def test_workers_end_with_the_process_that_started_them(tmp_path):
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    parent = context.Process(target=fakes.start_a_worker, args=(theirs,))
    parent.start()
    theirs.close()
    worker = ours.recv()
    assert ours.recv() == "begun"
    parent.kill()
    parent.join()
    # the worker holds the other end, too: the end of the file is its own end
    assert ours.poll(60)
    with pytest.raises(EOFError):
        ours.recv()
    assert worker != parent.pid


# what is damaged, and what is no number


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "7", "{}", '{"figures": []}', '{"figures": {"check": "x"}, "name": "", "steps": 0}']
)
def test_a_damaged_file_is_measured_again(registry, tmp_path, text):
    measured(registry, "one", "checking", folder=tmp_path)
    before = jobs.values(registry.get("one"), 0, tmp_path), jobs.values(registry.get("checking"), 0, tmp_path)
    for file in tmp_path.glob("*-0.json"):
        file.write_text(text)
    with pytest.raises(InputError, match="was not measured with seed 0"):
        jobs.values(registry.get("one"), 0, tmp_path)
    measured(registry, "one", "checking", folder=tmp_path)
    assert (jobs.values(registry.get("one"), 0, tmp_path), jobs.values(registry.get("checking"), 0, tmp_path)) == before


def test_a_figure_that_is_no_number_is_kept_and_told_as_that(registry, tmp_path, log):
    registry.add(fakes.system("lost", fakes.claim(Figure("lost", fakes.lost))))
    done, failed = running.verify([registry.get("lost")], seeds=(0, 1), folder=tmp_path)
    assert failed == {}
    (found,) = done["lost"].outcomes
    assert (found.verdict, found.reason) == (rule.CANNOT_TELL, "the figure of baseline is not a number")
    log()
    running.verify([registry.get("lost")], seeds=(0, 1), folder=tmp_path)
    assert log() == []
    measuring.save(done["lost"], "lost", tmp_path / "verdicts")
    again = measuring.load("lost", tmp_path / "verdicts")
    assert again.outcomes[0].reason == found.reason
    assert np.isnan(again.outcomes[0].value)
    told = json.dumps(measuring.entry(registry.get("lost"), again), allow_nan=False)
    assert json.loads(told)["claim"]["value"] is None


def test_a_setting_whose_figure_is_no_number_is_not_chosen(registry, tmp_path):
    measured(registry, "tuned", seeds=(0,), folder=tmp_path)
    each = jobs.asked(registry.get("tuned"))[0]
    file = jobs._file(jobs._tries(each)[1], jobs.CHOOSING, tmp_path)
    about = json.loads(file.read_text())
    file.write_text(json.dumps(about | {"figures": dict.fromkeys(about["figures"])}))
    assert jobs.chosen(each, tmp_path) == 0.9


def test_seeds_processes_and_folders_that_cannot_be(registry, tmp_path):
    with pytest.raises(InputError, match="settings are chosen with seed 1000"):
        measured(registry, "one", seeds=(0, jobs.CHOOSING), folder=tmp_path)
    with pytest.raises(InputError, match="needs a process"):
        measured(registry, "one", jobs=0, folder=tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file"):
        measured(registry, "one", folder=tmp_path / "file")
    with pytest.raises(InputError, match="two seeds"):
        running.verify([registry.get("one")], seeds=(0, 0), folder=tmp_path)
    with pytest.raises(InputError, match="two seeds"):
        measuring.judged(registry.get("one"), (0, 0), tmp_path)


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({"check": fakes.checked}, "needs a testbed and a baseline, or a check"),
        ({"check": fakes.checked, "bed": None}, "has a check and"),
        ({"figure": "words"}, "names its figure in words"),
        ({"floors": ("cellar",)}, "no floor 'cellar'"),
        ({"better": "more"}, "say higher or lower"),
    ],
)
def test_a_claim_that_contradicts_itself_is_refused(about, said):
    with pytest.raises(InputError, match=said):
        replace(fakes.claim(), **about)


# the rule


@pytest.mark.parametrize(
    ("interval", "better", "margin", "said"),
    [
        ((0.01, 0.2), "higher", 0.0, rule.REPRODUCED),
        ((0.0, 0.2), "higher", 0.0, rule.NOT_HERE),
        ((-0.2, 0.2), "higher", 0.0, rule.NOT_HERE),
        ((-0.2, -0.01), "higher", 0.0, rule.CONTRADICTED),
        ((-0.2, -0.01), "lower", 0.0, rule.REPRODUCED),
        ((0.01, 0.2), "lower", 0.0, rule.CONTRADICTED),
        ((-0.04, 0.2), "higher", 0.05, rule.REPRODUCED),
        ((-0.06, 0.2), "higher", 0.05, rule.NOT_HERE),
        ((-0.09, -0.06), "higher", 0.05, rule.CONTRADICTED),
        ((-0.2, 0.04), "lower", 0.05, rule.REPRODUCED),
        ((0.06, 0.2), "lower", 0.05, rule.CONTRADICTED),
    ],
)
def test_an_interval_is_judged_in_the_papers_direction(interval, better, margin, said):
    assert judge_interval(interval, better, margin) == said


def noisy(mean, spread=0.01):
    """Three seeds with this mean and this standard deviation."""
    return [mean - spread, mean, mean + spread]


def test_a_set_up_can_tell_where_nothing_stands_against_it():
    values = {
        "raw": noisy(0.2), "untrained": noisy(0.3), "baseline": noisy(0.5), "system": noisy(0.6), "ceiling": noisy(0.9)
    }  # fmt: skip
    signal = {"name": "rank", "system": [3.0, 3.1, 3.2], "off": [1.0, 1.1, 1.3]}
    fine = {"baseline": [""] * 3, "system": [""] * 3}
    assert why_not(values, floors=["raw", "untrained"], collapsed=fine, signal=signal) == ""
    flipped = {arm: [1 - x for x in of] for arm, of in values.items()}
    assert why_not(flipped, better="lower", floors=["raw", "untrained"], signal=signal) == ""


def test_a_collapse_of_the_system_or_of_the_baseline_tells_nothing():
    values = {"baseline": noisy(0.5), "system": noisy(0.6), "off": noisy(0.1)}
    fell, fine = ["", "all alike", "all alike"], [""] * 3
    said = "collapsed in 2 of 3 seeds (all alike)"
    assert why_not(values, collapsed={"system": fell, "baseline": fine}) == said
    assert why_not(values, collapsed={"system": fine, "baseline": fell}) == said
    assert why_not(values, collapsed={"system": fine, "off": fell, "ceiling": fell}) == ""
    # where it is what is measured, a baseline may
    assert why_not(values, collapsed={"system": fine, "baseline": fell}, spread=True) == ""
    assert why_not(values, collapsed={"system": fell, "baseline": fine}, spread=True) == said


def test_a_baseline_that_is_not_clearly_above_a_floor_tells_nothing():
    # paired differences 0.1 -+ 4.3027 s / sqrt(3): below 0.1 where s is below 0.0403
    base = np.array(noisy(0.5, 0.0))
    values = {"baseline": base, "system": base + 0.2, "raw": base - np.array([0.06, 0.1, 0.14])}
    assert why_not(values, floors=["raw"]) == ""
    values["raw"] = base - np.array([0.059, 0.1, 0.141])
    assert why_not(values, floors=["raw"]) == "the baseline (0.5) is not clearly better than the floor: raw (0.4)"
    assert why_not(values, floors=[]) == ""
    # where lower is better the same numbers are far below the floor's side
    assert "floor: raw" in why_not(values, better="lower", floors=["raw"])
    values["raw"] = base + 0.1
    assert why_not(values, better="lower", floors=["raw"]) == ""


def test_a_ceiling_within_twice_the_seeds_noise_tells_nothing():
    base = np.array(noisy(0.5, 0.0))
    # the difference of system and baseline has a standard deviation of 0.05
    values = {"baseline": base, "system": base + np.array([0.0, 0.05, 0.1]), "ceiling": base + 0.101}
    assert why_not(values) == ""
    values["ceiling"] = base + 0.099
    reason = why_not(values)
    assert reason.startswith("the ceiling (0.599) is not above the baseline (0.5) by more than twice the seeds' noise")
    assert "(0.05)" in reason
    assert why_not({**values, "ceiling": base - 0.101}, better="lower") == ""
    assert "ceiling" in why_not({**values, "ceiling": base + 0.101}, better="lower")


def test_a_signal_that_did_not_move_tells_nothing():
    values = {"baseline": noisy(0.5), "system": noisy(0.6)}
    signal = {"name": "rank", "system": [3.0, 3.0, 3.0], "off": [3.1, 3.0, 2.9]}
    assert why_not(values, signal=signal) == "the mechanism moved nothing: rank is 3, and 3 without it"
    assert why_not(values, signal={**signal, "off": [4.1, 4.0, 3.9]}) == ""
    assert why_not(values, signal={**signal, "off": [2.1, 2.0, 1.9]}) == ""


def test_a_figure_that_is_no_number_tells_nothing():
    values = {"baseline": noisy(0.5), "system": [0.6, float("nan"), 0.6]}
    assert why_not(values) == "the figure of system is not a number"
    signal = {"name": "rank", "system": [3.0, float("nan"), 3.0], "off": [4.0, 4.1, 4.2]}
    fine = {"baseline": noisy(0.5), "system": noisy(0.6)}
    assert why_not(fine, signal=signal) == "the signal (rank) is not a number"


def rows_of(*values, **more):
    return [{"values": v, "collapsed": {}, "steps": {"system": 7}} | more for v in values]


def test_an_outcome_is_the_paired_difference_and_its_verdict():
    pairs = [(0.51, 0.4), (0.62, 0.5), (0.73, 0.6)]
    rows = rows_of(*({"system": s, "baseline": b, "raw": b - 0.3} for s, b in pairs))
    claim = fakes.claim(floors=("raw", "untrained"), ceiling=1.0)
    found = outcome(claim, rows, {}, {"system": 0.2})
    # differences 0.11, 0.12, 0.13: 0.12 -+ 4.3027 x 0.01 / sqrt(3)
    assert found.value == pytest.approx(0.12)
    assert found.interval == pytest.approx((0.12 - 0.024842, 0.12 + 0.024842), abs=1e-6)
    assert (found.verdict, found.reason) == (rule.REPRODUCED, "")
    assert list(found.values) == ["raw", "baseline", "system", "ceiling"]
    assert found.values["ceiling"] == [1.0] * 3
    assert (found.chosen, found.steps, found.bed) == ({"system": 0.2}, {"system": 7}, "fake places")
    assert outcome(replace(claim, better="lower", ceiling=0.0, floors=()), rows, {}, {}).verdict == (rule.CONTRADICTED)
    near = replace(claim, ceiling=0.5)
    assert outcome(near, rows, {}, {}).verdict == rule.CANNOT_TELL
    assert outcome(near, rows, {}, {}).reason.startswith("the ceiling (0.5)")


def test_an_outcome_is_told_of_collapse_margin_and_signal():
    pairs = [(0.49, 0.5), (0.5, 0.51), (0.509, 0.52)]
    rows = rows_of(*({"system": s, "baseline": b} for s, b in pairs))
    claim = fakes.claim(ceiling=None)
    assert outcome(claim, rows, {}, {}).verdict == rule.CONTRADICTED
    assert outcome(replace(claim, margin=0.02), rows, {}, {}).verdict == rule.REPRODUCED
    signal = {"name": "rank", "system": [1.0, 2.0, 3.0], "off": [1.0, 2.1, 2.9]}
    assert outcome(claim, rows, signal, {}).reason.startswith("the mechanism moved nothing")
    fell = [{**row, "collapsed": {"baseline": "middle: all alike"}} for row in rows]
    assert "all alike" in outcome(claim, fell, {}, {}).reason
    spread = replace(claim, figure=replace(fakes.VALUE, spread=True))
    assert outcome(spread, fell, {}, {}).reason == ""


def test_a_verdict_is_judged_saved_and_known_to_be_of_the_code(registry, tmp_path):
    seen = fakes.system("seen", fakes.claim(system=None, baseline=fakes.LOW, ceiling=None, figure=fakes.MEAN))
    signal = Signal(fakes.VALUE, off=fakes.HIGH, system=fakes.HIGH)
    registry.add(replace(seen, signal=signal, claims=(*seen.claims, fakes.claim())))
    one = registry.get("seen")
    (verdict,), failed = (found.values() if i == 0 else found for i, found in
                          enumerate(running.verify([one], seeds=(0, 1), folder=tmp_path)))  # fmt: skip
    assert failed == {}
    # what moves in the method says nothing of the claim that something else stands for
    assert [o.reason[:28] for o in verdict.outcomes] == ["the mechanism moved nothing:", ""]
    assert verdict.signal == {"name": "value", "system": [0.6, 0.601], "off": [0.6, 0.601]}
    assert verdict.outcomes[1].verdict == rule.REPRODUCED
    measuring.save(verdict, "seen", tmp_path)
    again = measuring.load("seen", tmp_path)
    assert again == verdict
    assert measuring.current(one, again)
    for changed in (
        replace(fakes.claim(), margin=0.5),
        replace(fakes.claim(), ceiling=0.7),
        fakes.claim(floors=("untrained",)),
        fakes.claim(fakes.OTHER),
    ):
        assert not measuring.current(replace(one, claims=(one.claims[0], changed)), again)
    assert measuring.current(replace(one, title="Another", setup="Other words."), again)


def test_a_signal_is_of_the_method_tuned_or_not_and_of_nothing_else(registry):
    tuned = {"baseline": Tuned(fakes.trained, (0.1, 0.2)), "figure": fakes.MEAN}
    claims = (
        fakes.claim(system=Tuned(fakes.trained, (0.1, 0.2)), **tuned),
        fakes.claim(system=fakes.HIGH, baseline=fakes.LOW),
        fakes.claim(system=None, baseline=fakes.LOW),
    )
    one = fakes.system("one", *claims, signal=Signal(fakes.VALUE, off=fakes.LOW))
    assert [measuring.moves(one, i) for i in range(3)] == [True, False, True]
    other = replace(one, signal=Signal(fakes.VALUE, off=fakes.HIGH))
    assert [measuring.moves(other, i) for i in range(3)] == [True, False, False]
    # what the signal itself is measured of has it, too
    named = replace(one, signal=Signal(fakes.VALUE, off=fakes.LOW, system=fakes.HIGH))
    assert [measuring.moves(named, i) for i in range(3)] == [True, True, True]
    assert not measuring.moves(replace(one, signal=None), 0)


def test_too_few_seeds_and_a_survey_are_refused(registry, tmp_path):
    with pytest.raises(InputError, match="two seeds"):
        running.verify([registry.get("one")], seeds=(0,), folder=tmp_path)
    with pytest.raises(InputError, match="claims nothing"):
        running.verify([fakes.system("survey")], seeds=(0, 1), folder=tmp_path)
    with pytest.raises(InputError, match="tunes its arms unequally"):
        fakes.claim(system=Tuned(fakes.trained, (0.1,)))
    with pytest.raises(InputError, match="over no values"):
        Tuned(fakes.trained, ())
    with pytest.raises(InputError, match="needs a testbed and a baseline"):
        Claim("it is", "words", "others")


def test_the_system_itself_by_another_figure_is_what_stands_for_the_system():
    for system in (fakes.HIGH, Seen(fakes.HIGH, fakes.MEAN)):
        one = fakes.system("itself", fakes.claim(baseline=Seen(None, fakes.OTHER), system=system))
        baseline = next(each for each in jobs.asked(one) if each.place[2] == "baseline")
        assert (baseline.arm, baseline.figure) == (fakes.HIGH, fakes.OTHER)
    method = fakes.system("method", fakes.claim(baseline=Seen(None, fakes.OTHER), system=Seen(None, fakes.MEAN)))
    assert {each.arm for each in jobs.asked(method) if each.place[2] != "ceiling"} == {Trained(fakes.trained)}


# fingerprints


@pytest.fixture
def house(tmp_path, monkeypatch):
    """Writes modules of a small house, and gives the fingerprint of `use` in `first`."""
    (tmp_path / "smallhouse").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(fingerprints, "_FOLLOWED", ("smallhouse.",))
    fingerprints._definitions.cache_clear()

    def written(**modules):
        files = {"__init__": "", "first": FIRST, "second": SECOND, "third": THIRD} | modules
        for name, text in files.items():
            (tmp_path / "smallhouse" / f"{name}.py").write_text(text)
        for name in [name for name in sys.modules if name.partition(".")[0] == "smallhouse"]:
            del sys.modules[name]
        importlib.invalidate_caches()
        fingerprints._definitions.cache_clear()
        return fingerprint("smallhouse.first", "use")

    yield written
    fingerprints._definitions.cache_clear()


FIRST = '''"""First."""
from smallhouse.second import helper as other
from smallhouse import third

LIMIT = 3
UNUSED = 1

def use(x):
    """Uses it."""
    return other(x) + third.deep(x) + LIMIT

def aside(x):
    return x
'''
SECOND = """from smallhouse.third import SCALE

class Thing:
    size = 2

def helper(x):
    return Thing().size * x * SCALE

def nobody():
    return 0
"""
THIRD = """SCALE = 2
def deep(x):
    return x
def unseen(x):
    return x
"""


def test_a_fingerprint_is_the_same_in_every_version_of_python(house):
    """Pinned, since what Python prints of a tree has changed between its versions, and verdicts are kept with these."""
    more = "\n\ndef use(x, *a, k=None, **b):\n    class Inner:\n        pass\n    return [f'{x!r:>{k}}', lambda: ()]\n"
    assert house() == "50705390b04bac43"
    assert house(first=more) == "3a1b4adc59ad5add"


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("first", "return other(x)", "return -other(x)"),
        ("first", "LIMIT = 3", "LIMIT = 4"),
        ("second", "size = 2", "size = 3"),
        ("second", "* SCALE", "+ SCALE"),
        ("third", "SCALE = 2", "SCALE = 1"),
        ("third", "def deep(x):\n    return x", "def deep(x):\n    return 2 * x"),
    ],
)
def test_a_fingerprint_follows_names_through_modules(house, module, old, new):
    text = {"first": FIRST, "second": SECOND, "third": THIRD}[module]
    assert old in text
    assert house(**{module: text.replace(old, new)}) != house()


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("first", '"""Uses it."""', '"""In other words."""'),
        ("first", '"""First."""', "# a comment"),
        ("first", "UNUSED = 1", "UNUSED = 2"),
        ("first", "def aside(x):\n    return x", "def aside(x):\n    return 2 * x"),
        ("second", "return 0", "return 1"),
        ("third", "def unseen(x):\n    return x", "def unseen(x):\n    return 2 * x"),
    ],
)
def test_a_fingerprint_ignores_words_and_what_is_not_used(house, module, old, new):
    text = {"first": FIRST, "second": SECOND, "third": THIRD}[module]
    assert old in text
    assert house(**{module: text.replace(old, new)}) == house()


def test_a_figure_is_known_by_what_is_bound_of_it():
    def made_by(of):
        def measure(made):
            return of(made)

        return measure

    figures = [Figure("the same", made_by(of)) for of in (fakes.looked_up, fakes.other)]
    keys = {jobs.Asked(("x", "0", "system"), fakes.HIGH, fakes.PLACES, f, "").figure_key for f in figures}
    assert len(keys) == 2
    assert jobs._code_of(partial(made_by, fakes.other)) != jobs._code_of(partial(made_by, fakes.mean))


def test_lambdas_name_nothing():
    with pytest.raises(InputError, match="a lambda names no arm"):
        Trained(lambda: fakes.trained())
    with pytest.raises(InputError, match="a lambda names no figure"):
        Figure("x", NAMELESS)
    assert root(partial(fakes.trained, 0.1)) == "trained"
    assert digest("a", "b") != digest("ab")
