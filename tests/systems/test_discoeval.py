"""DiscoEval's criteria: words of both neighbours, places and levels, each by a classifier of its own."""

from __future__ import annotations

import pytest
import torch

from counterpoint.data.items import Data, Items
from counterpoint.errors import InputError
from counterpoint.systems.sentences import discoeval
from counterpoint.testbeds import discourse
from encoders.test_adapting import llama
from systems.through import same
from systems.words import KINDS, small_bert, steady_bert, step_of_texts

DOCUMENT = torch.tensor([0] * 7 + [1] * 5)
PARAGRAPH = torch.tensor([0, 0, 0, 1, 1, 2, 2, 3, 3, 3, 3, 4])
LEVEL = torch.tensor([0, 0, 0, 1, 1, 2, 2, 0, 0, 0, 0, 1])
KNOWN = {"document": DOCUMENT, "paragraph": PARAGRAPH, "level": LEVEL}
TEXTS = Data.alone(Items("text", [f"the {kind}, the {kind} sees {i % 4}" for i, kind in enumerate(KINDS)]), **KNOWN)


def criteria(step, names) -> torch.Tensor:
    """Of the step's rows, one after another: what its classifiers say of the texts beside each, and of its places."""
    z = step.network(step.payload.inputs)
    bags = [text.replace(",", "").split() for text in TEXTS.anchors.texts]
    often = sorted({word for bag in bags for word in bag}, key=lambda w: (-sum(bag.count(w) for bag in bags), w))
    first = dict(zip(discoeval.OUTPUTS, (0, 1000, 2000, 2020, 2040), strict=True))
    total, n = dict.fromkeys(names, torch.zeros(())), dict.fromkeys(names, 0)
    for vector, i in zip(z, step.calls[0]["queries"].columns["sample"].tolist(), strict=True):
        mine = [j for j in range(12) if PARAGRAPH[j] == PARAGRAPH[i]]
        paragraphs = sorted({int(PARAGRAPH[j]) for j in range(12) if DOCUMENT[j] == DOCUMENT[i]})
        right = {
            "place": mine.index(i) * 20 // len(mine),
            "paragraph_place": paragraphs.index(int(PARAGRAPH[i])) * 20 // len(paragraphs),
            "level": int(LEVEL[i]),
        }
        for name in names:
            size = discoeval.OUTPUTS[name]
            said = torch.log_softmax(vector[first[name] : first[name] + size], 0)
            if name in right:
                total[name] = total[name] - said[right[name]]
                n[name] += 1
                continue
            j = i + (1 if name == "next" else -1)
            if 0 <= j < 12 and DOCUMENT[j] == DOCUMENT[i]:
                total[name] = total[name] - sum(said[often.index(word)] for word in bags[j]) / len(bags[j])
                n[name] += 1
    return sum(total[name] / n[name] for name in names)


def test_loss_is_that_of_a_naive_loop_over_words_and_places():
    step = step_of_texts("discoeval", TEXTS, make=steady_bert, n=12)
    assert step.calls[0]["queries"].z.shape == (12, 2047)
    assert step.calls[0].get("keys") is None
    same(step, criteria(step, discoeval.OUTPUTS), rtol=1e-3)


@pytest.mark.parametrize(("method", "names"), [(discoeval.baseline, 2), (discoeval.places, 4)])
def test_what_it_is_compared_with_has_fewer_criteria(method, names):
    step = step_of_texts(method(), TEXTS, make=steady_bert, n=12)
    same(step, criteria(step, list(discoeval.OUTPUTS)[:names]), rtol=1e-3)


def test_vectors_are_as_they_are_and_each_classifier_has_two_hidden_layers():
    adapted = discoeval.as_it_is(llama())
    assert not adapted.normalize
    heads = discoeval.classifiers(16).heads
    assert [[m.out_features for m in head if hasattr(m, "out_features")] for head in heads] == [
        [300, 300, size] for size in (1000, 1000, 20, 20, 7)
    ]
    step = step_of_texts("discoeval", TEXTS, make=small_bert, n=12)
    z = step.network[0](step.payload.inputs)
    assert z.norm(dim=1).std() > 0.01
    # dropout is taken off
    assert torch.equal(step.network[0](step.payload.inputs), z)


def test_with_the_mechanism_off_places_and_levels_are_of_others():
    step = step_of_texts(discoeval.places_of_others(), TEXTS, make=steady_bert, n=12)
    whole = step_of_texts("discoeval", TEXTS, make=steady_bert, n=12)
    theirs, own = (each.calls[0]["queries"].columns for each in (step, whole))
    assert torch.equal(theirs["sample"], own["sample"])
    for name in ("previous", "next"):
        assert torch.equal(theirs[name], own[name])
    for name in ("place", "paragraph_place", "level"):
        assert not torch.equal(theirs[name], own[name])
        assert torch.equal(theirs[name].sort().values, own[name].sort().values)


def test_a_level_that_no_classifier_knows_is_refused():
    deep = Data.alone(TEXTS.anchors, level=torch.arange(12))
    with pytest.raises(InputError, match="a level of 11, and there are 7"):
        step_of_texts("discoeval", deep, make=steady_bert, n=12)


class Known:
    """Each text's vector is one that was given."""

    def __init__(self, of):
        self.of = of

    def encode_items(self, items, *, kind=None):
        return torch.tensor([self.of(text) for text in items.texts]).numpy()


def test_places_and_orders_are_told_of_vectors_that_have_them_and_not_of_others(monkeypatch):
    n = 60
    data = Data.alone(Items("text", [f"{i % 5}" for i in range(5 * n)]), paragraph=torch.arange(5 * n) // 5)
    parts = (data, data)
    place = discourse.Made("known", Known(lambda text: [float(text), float(text) ** 2]), parts, 0)
    same_for_all = discourse.Made("constant", Known(lambda text: [1.0, 2.0]), parts, 0)
    assert discourse.discourse.of(place) > 0.85
    assert discourse.sentence_order.of(place) > 0.95
    assert discourse.sentence_order.of(same_for_all) == 0.5
    assert discourse.sentence_position.of(same_for_all) < 0.35


def test_the_signal_is_how_many_test_sentences_the_classifier_of_places_places():
    train, test = (Data.alone(Items("text", [f"{part} {i}" for i in range(20)])) for part in ("before", "after"))

    def said(text: str) -> list[float]:
        part, place = text.split()
        # of five test sentences another classifier is right, and none is of those that were trained on
        at = 2000 + (int(place) if part == "after" and int(place) >= 5 else 20 + int(place))
        return torch.eye(2047)[at].tolist()

    made = discourse.Made("known", Known(said), (train, test), 0, objective=discoeval.with_places_and_levels())
    assert discourse.place_told.of(made) == pytest.approx(16 / 20)


def test_articles_are_sentences_with_what_they_belong_to(tmp_path, monkeypatch):
    import gzip

    lines = [
        " ",
        " = A title = ",
        " It is one . It is two ? ",
        " = = Part = = ",
        " = = = Of it = = = ",
        " So it is . No . ",
    ]
    (tmp_path / "text").mkdir()
    for part in ("valid", "test"):
        with gzip.open(tmp_path / "text" / f"wikitext2_{part}.txt.gz", "wt") as file:
            file.write("\n".join(lines + lines[1:3]) + "\n")
    monkeypatch.setenv("COUNTERPOINT_DATA", str(tmp_path))
    discourse._articles.cache_clear()
    train, _ = discourse.articles(0)
    discourse._articles.cache_clear()
    assert list(train.anchors.texts) == ["It is one .", "It is two ?", "So it is .", "It is one .", "It is two ?"]
    assert train.columns["document"].tolist() == [0, 0, 0, 1, 1]
    assert train.columns["level"].tolist() == [0, 0, 2, 0, 0]
    paragraphs = train.columns["paragraph"].tolist()
    assert paragraphs[0] == paragraphs[1] < paragraphs[2] < paragraphs[3] == paragraphs[4]
