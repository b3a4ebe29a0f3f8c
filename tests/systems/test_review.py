"""Surveys: every name in a taxonomy can be imported, and the page says what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from counterpoint.errors import InputError
from counterpoint.systems import get
from counterpoint.systems.core import review
from counterpoint.systems.sentences import primer, text_transformations
from counterpoint.systems.surveys import resolve
from counterpoint.views import logic, meaning, tokens, words

PAGE = Path(__file__).parents[2] / "docs" / "taxonomy.md"
SURVEYS = {
    "crl-framework-and-review": review.TAXONOMY,
    "contrastive-nlp-primer": primer.TAXONOMY,
    "text-transformations-cl-review": text_transformations.TAXONOMY,
}
of_each = pytest.mark.parametrize("slug", SURVEYS)


@of_each
def test_every_name_of_the_taxonomy_is_public(slug):
    names = [name for families in SURVEYS[slug].values() for names in families.values() for name in names]
    assert len(set(names)) == len(names) > 20
    for name in names:
        assert resolve(name) is not None


@pytest.mark.parametrize("missing", ["objectives.Nothing", "objectives._base", "critics.Tensor_"])
def test_what_is_not_public_is_refused(missing):
    with pytest.raises(InputError, match="no public name"):
        resolve(f"counterpoint.{missing}")


def test_the_five_components_of_the_review_are_there():
    assert list(review.TAXONOMY) == [
        "query and key", "similarity", "dissimilarity", "encoder", "transform head", "contrastive loss",
    ]  # fmt: skip


def test_both_kinds_of_pairs_of_the_primer_are_there():
    assert list(primer.TAXONOMY)[:2] == ["input with input", "input with label"]


def test_every_view_of_texts_is_in_the_review_of_them():
    functions = {f for module in (logic, meaning, tokens, words) for f in vars(module).values() if callable(f)}
    made = {f for f in functions if getattr(f, "__annotations__", {}).get("return") in ("WordView", "TokenView")}
    families = text_transformations.TAXONOMY.values()
    named = {resolve(name) for family in families for names in family.values() for name in names}
    assert len(made) > 15
    assert {f for f in made if not f.__name__.startswith("_")} <= named


@of_each
def test_the_page_has_the_same_rows(slug):
    title = get(slug).title
    section = next(part for part in PAGE.read_text().split("\n## ") if f"*{title}*" in part)
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", section, re.MULTILINE)[1:]
    wanted = [
        (component, family, ", ".join(f"`{name}`" for name in names) or "*none yet*")
        for component, families in SURVEYS[slug].items()
        for family, names in families.items()
    ]
    assert [r for r in rows if "---" not in r[0]] == wanted
    assert f"`counterpoint run {slug}`" in section


@of_each
def test_the_run_counts_the_families(slug, tmp_path):
    said = []
    survey = get(slug)
    figures = survey.run(survey.method(), tmp_path, said.append)
    for component, families in SURVEYS[slug].items():
        here = sum(1 for names in families.values() if names)
        assert figures[f"{component}: families of {len(families)} that are here"] == here
        for family, names in families.items():
            assert f"{component}, {family}: {', '.join(names) or 'none yet'}" in said


def test_the_run_says_what_is_not_here(tmp_path):
    said = []
    survey = get("crl-framework-and-review")
    figures = survey.run(survey.method(), tmp_path, said.append)
    assert figures["transform head: families of 3 that are here"] == 2
    assert "encoder, online and offline: none yet" in said
