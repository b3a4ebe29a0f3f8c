"""Groups of terms: synonyms, and what is found near."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.errors import InputError
from counterpoint.negatives import term_groups

N = 40


class Known(nn.Module):
    """A vector for each text, which ends with its number."""

    def __init__(self, z: np.ndarray) -> None:
        super().__init__()
        self.z = z

    def encode_items(self, items: Items) -> np.ndarray:
        return self.z[[int(text.split()[1]) for text in items.texts]]


def known(seed: int = 0) -> tuple[Data, Known]:
    generator = torch.Generator().manual_seed(seed)
    label = torch.randint(-1, 8, (N,), generator=generator)
    # the last is alone in its class
    label[-1] = 9
    return Data.alone(Items("text", [f"term {i}" for i in range(N)]), label=label), Known(
        torch.randn(N, 4, generator=generator).numpy()
    )


def places(data: Data, ids: torch.Tensor) -> list[list[int]]:
    return [[int(data.others.texts[i].split()[1]) for i in row if i >= 0] for row in ids.tolist()]


def test_near_terms_are_the_first_that_are_found_and_not_in_the_group_already():
    data, encoder = known()
    label = data.columns["label"].tolist()
    found = term_groups(5, 2)(data, encoder, 0)
    unit = encoder.z / np.linalg.norm(encoder.z, axis=1, keepdims=True)
    kept = [i for i in range(N) if label[i] >= 0]
    assert [int(t.split()[1]) for t in found.anchors[found.anchor].texts] == kept
    alike = places(found, found.positives)
    brought = places(found, found.negatives)
    hard = 0
    for row, i in enumerate(kept):
        of = [j for j in kept if j != i and label[j] == label[i]]
        assert len(alike[row]) == len(set(alike[row])) == min(2, len(of))
        assert set(alike[row]) <= set(of)
        order = [j for j in sorted(kept, key=lambda j: -unit[i] @ unit[j]) if j != i and j not in alike[row]]
        assert brought[row] == order[:5]
        assert found.columns["found"][row].tolist() == [label[j] for j in order[:5]]
        hard += sum(label[j] == label[i] for j in order[:5])
    assert hard > 0, "near terms of the own concept are among them"


def test_done_again_it_finds_other_terms_and_keeps_synonyms():
    data, encoder = known()
    step = term_groups(5, 2)
    first = step(data, encoder, 0)
    later = step(first, Known(encoder.z * np.array([1, 3, 0.1, 1], np.float32)), 1)
    assert torch.equal(later.positives, first.positives)
    assert torch.equal(later.anchor, first.anchor)
    assert later.negatives.shape == first.negatives.shape
    assert not torch.equal(later.negatives, first.negatives)
    other = step(data, encoder, 3)
    assert not torch.equal(other.positives, first.positives), "they are drawn"
    assert torch.equal(step(data, encoder, 0).positives, first.positives)


def test_where_there_are_few_terms_rows_have_fewer():
    data, encoder = known()
    found = term_groups(60, 30)(data, encoder, 0)
    n = len(found)
    for row, (alike, near) in enumerate(
        zip(places(found, found.positives), places(found, found.negatives), strict=True)
    ):
        assert len(alike) + len(near) == n - 1, row
    assert torch.equal(found.columns["found"] >= 0, found.negatives >= 0)


def test_drawn_terms_are_any():
    data, encoder = known()
    found = term_groups(5, 2, drawn=True)(data, nn.Identity(), 0)
    label = found.columns["label"]
    for row in range(len(found)):
        near = [i for i in found.negatives[row].tolist() if i >= 0]
        assert row not in near
        assert not set(near) & set(found.positives[row].tolist())
        assert label[near].tolist() == [k for k in found.columns["found"][row].tolist() if k >= 0]
    again = term_groups(5, 2, drawn=True)(found, nn.Identity(), 1)
    assert not torch.equal(again.negatives, found.negatives)
    del encoder


@pytest.mark.parametrize(("near", "synonyms"), [(0, 1), (1, 0)])
def test_numbers_below_one_are_refused(near, synonyms):
    with pytest.raises(InputError, match=f"{near} near terms and {synonyms} synonyms"):
        term_groups(near, synonyms)


def test_texts_without_labels_are_refused():
    items = Items("text", ["a", "b"])
    for data in (Data.alone(items), Data.alone(items, label=torch.tensor([-1, -1]))):
        with pytest.raises(InputError, match="terms of concepts need labels"):
            term_groups()(data, nn.Identity(), 0)
