import dataclasses
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from counterpoint.errors import InputError
from counterpoint.report import Content, Data, Figure, Model, Scores, System, project_2d
from report.sample import sample


def test_the_content_survives_json():
    content = sample()
    text = json.dumps(content.to_json(), allow_nan=False)
    assert Content.from_json(json.loads(text)) == content


def test_numbers_of_numpy_and_numbers_that_are_not_finite_become_json():
    systems = (System("a", {"m": Figure(math.nan, -math.inf, np.float32(0.5), np.int64(7))}),)  # type: ignore[arg-type]
    value = Content("t", "m", Model("a"), Data("x"), systems).to_json()
    assert json.loads(json.dumps(value, allow_nan=False))["systems"][0]["figures"]["m"] == {
        "value": None,
        "low": None,
        "high": 0.5,
        "n": 7,
        "lower": False,
    }


def broken(path, value):
    content = sample().to_json()
    at = content
    for key in path[:-1]:
        at = at[key]
    if value is KeyError:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return content


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        (("title",), KeyError, "run.json: report lacks field 'title'"),
        (("model", "name"), KeyError, "run.json: report.model lacks field 'name'"),
        (("colour",), 1, "run.json: report has an unknown field 'colour'"),
        (("systems", 0, "figures", "MRR@10", "value"), "high", "report.systems[0].figures.MRR@10.value is str"),
        (("systems",), {}, "report.systems is dict"),
        (("map", "links"), [[1, 2, 3]], "report.map.links[0] is list"),
        (("data", "rejected"), True, "report.data.rejected is bool, not int"),
        (("history", 0), None, "report.history[0] is NoneType"),
    ],
)
def test_broken_content_is_named(path, value, sentence):
    with pytest.raises(InputError) as raised:
        Content.from_json(broken(path, value), file="run.json")
    assert sentence in str(raised.value)


def test_content_must_be_an_object():
    with pytest.raises(InputError, match="report is list"):
        Content.from_json([])


def test_separation_is_the_area_under_the_roc_of_the_bins():
    from sklearn.metrics import roc_auc_score

    random = np.random.default_rng(0)
    positive, negative = random.normal(0.4, 0.3, 400), random.normal(0.1, 0.3, 900)
    scores = Scores.count(positive, negative, bins=20)
    assert sum(scores.positive) == 400
    assert sum(scores.negative) == 900
    bins = [np.digitize(np.clip(x, -1, 1), scores.edges[1:-1]) for x in (positive, negative)]
    truth = np.repeat([1, 0], [400, 900])
    assert scores.separation == pytest.approx(roc_auc_score(truth, np.concatenate(bins)), abs=1e-12)
    assert Scores.count(positive, negative[:0]).separation is None


finite = st.floats(-10, 10, width=32)


@settings(max_examples=30, deadline=None)
@given(
    st.tuples(st.integers(1, 8), st.integers(1, 6)).flatmap(lambda shape: arrays(np.float64, shape, elements=finite))
)
def test_the_projection_keeps_distances_as_well_as_two_dimensions_can(z_nd):
    from scipy.spatial.distance import pdist

    flat = project_2d(z_nd)
    assert len(flat.points) == len(z_nd)
    short, full = pdist(np.array(flat.points)), pdist(z_nd)
    assert (short <= full + 1e-4).all()
    if flat.share is not None and flat.share > 1 - 1e-12:
        np.testing.assert_allclose(short, full, atol=1e-3)


def test_the_projection_is_pca():
    from sklearn.decomposition import PCA

    z_nd = np.random.default_rng(1).normal(size=(50, 8)) @ np.diag([5, 3, 1, 1, 1, 1, 1, 1])
    reference = PCA(2).fit(z_nd)
    flat = project_2d(z_nd)
    assert flat.share == pytest.approx(reference.explained_variance_ratio_.sum())
    np.testing.assert_allclose(np.abs(flat.points), np.abs(reference.transform(z_nd)), atol=1e-4)
    assert project_2d(z_nd.astype(np.float32)).share == pytest.approx(flat.share, abs=1e-5)


def test_the_projection_refuses_what_it_cannot_map():
    for z_nd in (np.zeros((0, 3)), np.array([[np.nan, 1.0]])):
        with pytest.raises(InputError):
            project_2d(z_nd)


def test_everything_but_the_first_fields_is_optional():
    needed = {f.name for f in dataclasses.fields(Content) if f.default is f.default_factory is dataclasses.MISSING}
    assert needed == {"title", "metric", "model", "data", "systems"}
