"""The taxonomy: every name in it can be imported, and the page says what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from counterpoint.errors import InputError
from counterpoint.systems import get
from counterpoint.systems.core.review import TAXONOMY, resolve

PAGE = Path(__file__).parents[2] / "docs" / "taxonomy.md"
NAMES = [name for families in TAXONOMY.values() for names in families.values() for name in names]


def test_every_name_of_the_taxonomy_is_public():
    assert len(set(NAMES)) == len(NAMES) > 20
    for name in NAMES:
        assert resolve(name) is not None
    for missing in ("counterpoint.objectives.Nothing", "counterpoint.objectives._base", "counterpoint.critics.Tensor_"):
        with pytest.raises(InputError, match="no public name"):
            resolve(missing)


def test_the_five_components_of_the_review_are_there():
    assert list(TAXONOMY) == [
        "query and key", "similarity", "dissimilarity", "encoder", "transform head", "contrastive loss",
    ]  # fmt: skip


def test_the_page_has_the_same_rows():
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", PAGE.read_text(), re.MULTILINE)[1:]
    wanted = [
        (component, family, ", ".join(f"`{name}`" for name in names) or "*none yet*")
        for component, families in TAXONOMY.items()
        for family, names in families.items()
    ]
    assert [r for r in rows if "---" not in r[0]] == wanted


def test_the_run_counts_the_families(tmp_path):
    said = []
    survey = get("crl-framework-and-review")
    figures = survey.run(survey.method(), tmp_path, said.append)
    assert figures["transform head: families of 3 that are here"] == 2
    assert "encoder, online and offline: none yet" in said
