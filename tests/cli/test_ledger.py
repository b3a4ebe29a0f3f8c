"""The list of systems, and what is told of one, as people read them."""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from dataclasses import replace

import pytest
from rich.console import Console
from typer.testing import CliRunner

from counterpoint.cli.ledger import print_system, print_systems
from counterpoint.cli.main import app
from counterpoint.errors import InputError
from counterpoint.systems import every, get
from counterpoint.systems.measuring import Verdict, current, load
from counterpoint.testbeds.files import VARIABLE

ROWS = [(s, load(s.slug)) for s in every()]
MARKS = {
    "✓": "reproduced",
    "~": "not reproduced at this scale",
    "✗": "contradicted",
    "?": "this set-up cannot tell",
    "·": "never measured",
}


def printed(show, *what, width=80):
    console = Console(file=io.StringIO(), width=width, highlight=False)
    show(*what, console)
    return console.file.getvalue()


def verdicts(s, verdict):
    return [o.verdict for o in verdict.outcomes] if verdict is not None else ["never measured"] * len(s.claims)


@pytest.mark.parametrize("width", [80, 160])
def test_each_system_is_one_line_with_its_verdicts(width):
    lines = printed(print_systems, ROWS, width=width).splitlines()
    assert max(map(len, lines)) <= width
    for (s, verdict), line in zip(ROWS, lines[1:], strict=False):
        assert line.startswith(s.name)
        year, family, *rest = line.removeprefix(s.name).split()
        assert (year, family) == (str(s.year), s.family)
        if s.claims:
            marks = rest[0].removesuffix("*")
            assert [MARKS[mark] for mark in marks] == verdicts(s, verdict)
    assert (ROWS[0][0].title in lines[1]) == (width == 160)


def test_below_them_everything_is_counted():
    text = printed(print_systems, ROWS)
    counts = Counter(said for s, v in ROWS for said in verdicts(s, v))
    assert f"{len(ROWS)} systems, {sum(len(s.claims) for s, _ in ROWS)} claims" in text
    for mark, verdict in MARKS.items():
        found = re.search(rf"{re.escape(mark)} +(\d+) {verdict}", text)
        assert (int(found[1]) if found else 0) == counts[verdict]
    older = sum(v is not None and not current(s, v) for s, v in ROWS)
    assert (f"{older} measured with older code" in text) == (older > 0)


def test_what_is_of_older_code_or_was_never_measured_is_marked():
    s, verdict = next((s, v) for s, v in ROWS if v is not None)
    older = replace(verdict, code="of another day")
    text = printed(print_systems, [(s, older), (get("simclr"), None)])
    assert "*   1 measured with older code" in text
    assert re.search(r"SimCLR +2020 +core +·+ ", text)
    assert "the code has changed since" in printed(print_system, s, older)


@pytest.mark.parametrize(("s", "verdict"), ROWS, ids=[s.slug for s, _ in ROWS])
def test_one_is_told_whole(s, verdict):
    text = printed(print_system, s, verdict)
    assert max(map(len, text.splitlines())) <= 80
    plain = " ".join(text.split())
    for told in (s.title, s.setup, f"counterpoint run {s.slug}", *s.variants, *(c.text for c in s.claims)):
        assert " ".join(told.split()) in plain
    for o in verdict.outcomes if verdict else ():
        for arm in o.values:
            assert f"{arm} {o.mean(arm):.4g}" in plain
        assert f"against {o.baseline}: {o.value:+.4g}" in plain


def test_by_name_on_the_command_line():
    told = CliRunner().invoke(app, ["systems", "SimCSE supervised"])
    assert told.exit_code == 0, told.output
    assert get("simcse").title in told.output
    whole = json.loads(CliRunner().invoke(app, ["systems", "simcse", "--json"]).output)
    assert (whole["name"], whole["variants"]) == ("SimCSE", ["SimCSE supervised"])
    assert isinstance(CliRunner().invoke(app, ["systems", "no-such-system"]).exception, InputError)


def test_a_verdict_of_fewer_claims_is_told():
    s = get("simclr")
    about = {"date": "2026-01-01", "seeds": [0, 1], "signal": {}, "figures": {}, "commit": "", "versions": {}}
    text = printed(print_system, s, Verdict(system=s.name, outcomes=[], code="of another day", **about))
    assert text.count("never measured") >= len(s.claims)


def test_what_is_missing_is_named_for_each_system_and_a_variant_is_its_system(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, "")  # the command sets it, and it is to be as it was
    (tmp_path / "data").mkdir()
    folders = ["--cache", str(tmp_path / "arms"), "--output", str(tmp_path / "out"), "--data-dir"]
    said = (
        CliRunner()
        .invoke(app, ["verify", "SimCSE supervised", "simclr", "--seeds", "2", *folders, str(tmp_path / "data")])
        .exception
    )
    assert isinstance(said, InputError)
    assert "simclr: not measured" in str(said)
    assert "cifar10.npz is not there" in str(said)
    assert "simcse: not measured" in str(said)
