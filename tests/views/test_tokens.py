"""Views of tokens, and how both kinds of views are drawn in training: the same in any chunks and processes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoint.data import Example
from counterpoint.data.items import Data, Items
from counterpoint.data.rows import rows_of
from counterpoint.encoders import ImageEncoder, StaticEncoder, Towers, lengths, take
from counterpoint.encoders.features import places
from counterpoint.encoders.scratch import small_transformer
from counterpoint.errors import InputError
from counterpoint.methods.stage import Stage, train_stage
from counterpoint.objectives import InfoNCE
from counterpoint.training import RowBatches, TrainConfig
from counterpoint.training._processes import Processes
from counterpoint.views import MEANING_VIEWS, TOKEN_VIEWS, WORD_VIEWS, TextView, chained, one_of, tokens, words
from counterpoint.views.tokens import Tokens

TEXTS = [
    "one two three four five six seven eight nine ten",
    "a small corpus of some texts that are not long",
    "the cat sleeps on the roof while rain falls",
    "find duplicate photos in a folder of pictures",
    "one",
    "the dog is old and the cat is small",
]
ITEMS = Items("text", TEXTS)


class Pairs:
    def synonyms(self, word):
        return {
            "two": ["double", "roof"],
            "cat": ["dog", "rain"],
            "small": ["long", "ten"],
            "photos": ["one", "texts"],
        }.get(word, [])


VIEWS = {name: TextView(words=make()) for name, make in WORD_VIEWS.items()}
VIEWS |= {name: TextView(words=make(Pairs())) for name, make in MEANING_VIEWS.items()}
VIEWS |= {name: TextView(tokens=make()) for name, make in TOKEN_VIEWS.items()}
VIEWS["both"] = TextView(words.deletion(0.3), chained(tokens.feature_cutoff(0.3), tokens.shuffled_tokens()))


@pytest.fixture(scope="module")
def bert():
    return small_transformer(TEXTS, layers=1, width=16, heads=2, dropout=0.0, spread=0.3)


@pytest.fixture(scope="module")
def table():
    return StaticEncoder.from_corpus(TEXTS, dim=8)


def text(ids=(2, 7, 8, 9, 10, 3), special=(2, 3), dim=8, **more):
    ids = torch.tensor(ids)
    return Tokens(ids, ~torch.isin(ids, torch.tensor(special)), dim, **more)


def drawn(view, one, seed):
    return view(one, torch.Generator().manual_seed(seed))


some_tokens = st.integers(0, 30).map(lambda n: text((2, *range(10, 10 + n), 3)))
seeds, shares = st.integers(0, 2**62), st.floats(0, 0.99)


@pytest.mark.parametrize("name", TOKEN_VIEWS)
@settings(max_examples=25)
@given(one=some_tokens, seed=seeds)
def test_every_view_is_its_generators_and_keeps_special_tokens(name, one, seed):
    view = TOKEN_VIEWS[name]()
    state = torch.get_rng_state()
    seen, again = drawn(view, one, seed), drawn(view, one, seed)
    assert torch.equal(torch.get_rng_state(), state)
    for field in ("ids", "free", "places", "scale"):
        a, b = getattr(seen, field), getattr(again, field)
        assert (a is None) == (b is None)
        assert a is None or torch.equal(a, b)
    assert seen.ids[~seen.free].tolist() == [2, 3]
    assert set(seen.ids.tolist()) <= set(one.ids.tolist())
    assert not one.free.any() or seen.free.any()
    if name not in ("feature cutoff", "element cutoff") and seen.scale is not None:
        assert seen.scale[~seen.free].all()
    if name not in ("token repetition", "random crop", "token deletion"):
        # the last special token stands where it stood
        assert int(seen.where()[~seen.free][-1]) == len(one.ids) - 1


@pytest.mark.parametrize(
    "view", [tokens.token_cutoff(0), tokens.feature_cutoff(0), tokens.element_cutoff(0), tokens.span_cutoff(0)]
)
@settings(max_examples=20)
@given(one=some_tokens, seed=seeds)
def test_at_0_nothing_happens(view, one, seed):
    seen = drawn(view, one, seed)
    assert torch.equal(seen.ids, one.ids)
    assert torch.equal(seen.where(), one.where())
    assert seen.scale is None or seen.scale.all()


@given(one=some_tokens, share=shares, seed=seeds)
def test_cutoffs_have_their_share(one, share, seed):
    n = len(one.rows())
    rows = drawn(tokens.token_cutoff(share), one, seed).scale
    assert int((~rows.any(1)).sum()) == int(share * n)
    assert torch.equal(rows.any(1), rows.all(1))
    columns = drawn(tokens.feature_cutoff(share), one, seed).scale
    assert int((~columns.any(0)).sum()) == int(share * 8)
    assert torch.equal(columns.any(0), columns.all(0))
    span = drawn(tokens.span_cutoff(share), one, seed)
    gone = sorted(set(range(len(one.ids))) - set(span.places.tolist()))
    assert len(gone) == int(share * n)
    assert gone == list(range(gone[0], gone[0] + len(gone))) if gone else True
    assert torch.equal(span.ids, one.ids[span.places])


def test_elements_fall_by_their_chance():
    one = text(tuple(range(10, 110)), dim=100)
    kept = drawn(tokens.element_cutoff(0.3), one, 0).scale.float()
    assert float(kept.mean()) == pytest.approx(0.7, abs=0.02)
    # neither by rows nor by columns
    assert 0.4 < float(kept.mean(0).min()) < float(kept.mean(0).max()) < 0.95


@given(one=some_tokens, seed=seeds)
def test_shuffled_tokens_share_their_places(one, seed):
    seen = drawn(tokens.shuffled_tokens(), one, seed)
    assert torch.equal(seen.ids, one.ids)
    assert sorted(seen.places.tolist()) == list(range(len(one.ids)))


def test_repeated_tokens_are_as_many_as_the_authors_draw():
    one = text((2, *range(10, 30), 3))  # 22 tokens: int(0.32 * 22) = 7, so 0 to 6
    extra = Counter(len(drawn(tokens.repeated_tokens(), one, seed).ids) - 22 for seed in range(1400))
    assert set(extra) == set(range(7))
    assert all(140 < count < 260 for count in extra.values())
    seen = drawn(tokens.repeated_tokens(), text((2, *range(10, 200), 3)), 3)
    assert max(Counter(seen.ids.tolist()).values()) <= 2
    assert len(seen.ids) <= 192 + 9
    unchanged = text((2, 7, 3))
    assert drawn(tokens.repeated_tokens(), unchanged, 0) is unchanged


@given(seed=seeds, room=st.integers(0, 3))
def test_repeated_tokens_leave_room(seed, room):
    one = text((2, *range(10, 30), 3), longest=22 + room)
    seen = drawn(tokens.repeated_tokens(0.9), one, seed)
    assert len(seen.ids) <= 22 + room
    assert list(dict.fromkeys(seen.ids.tolist())) == one.ids.tolist()


@given(n=st.integers(1, 40), seed=seeds)
def test_random_crops_are_a_drawn_share_in_a_row(n, seed):
    seen = drawn(tokens.random_crop(0.2, 0.6), text((2, *range(10, 10 + n), 3)), seed)
    kept = seen.ids[1:-1].tolist()
    assert kept == list(range(kept[0], kept[0] + len(kept)))
    assert max(1, int(0.2 * n)) <= len(kept) <= max(1, int(0.6 * n))
    assert seen.where().tolist() == list(range(len(kept) + 2))


def test_random_crops_take_any_share_and_begin_anywhere():
    one = text((2, *range(10, 30), 3))
    seen = [drawn(tokens.random_crop(0.2, 0.6), one, seed).ids[1:-1].tolist() for seed in range(400)]
    assert {len(kept) for kept in seen} == set(range(4, 12))  # 12 of 20 would need the very end of the range
    assert {kept[0] for kept in seen if len(kept) == 4} == set(range(10, 27))
    with pytest.raises(InputError, match=r"crops of 0\.6 to 0\.2"):
        tokens.random_crop(0.6, 0.2)


def test_tokens_are_deleted_by_their_chance():
    one = text((2, *range(10, 110), 3))
    gone = [100 - len(drawn(tokens.token_deletion(0.3), one, seed).rows()) for seed in range(100)]
    assert sum(gone) / 1e4 == pytest.approx(0.3, abs=0.02)
    assert len(set(gone)) > 5  # each by itself, and not so many of a text
    seen = drawn(tokens.token_deletion(0.3), one, 0)
    assert seen.ids.tolist() == [*sorted(seen.ids[:-1].tolist()), 3]
    assert len(drawn(tokens.token_deletion(0.99), text((2, 7, 8, 3)), 1).rows()) == 1


def test_one_after_another_cuts_both():
    both = chained(tokens.token_cutoff(0.5), tokens.feature_cutoff(0.5), tokens.span_cutoff(0.25))
    seen = drawn(both, text(), 0)
    assert len(seen.ids) == len(seen.scale) == 5
    assert int((~seen.scale.any(0)).sum()) == 4
    assert int((~seen.scale.any(1)).sum()) in (1, 2)


@pytest.mark.parametrize("bad", [-0.1, 1.0, float("nan")])
@pytest.mark.parametrize(
    "make", [tokens.token_cutoff, tokens.feature_cutoff, tokens.span_cutoff, tokens.token_deletion, tokens.dropout]
)
def test_shares_are_checked(make, bad):
    with pytest.raises(InputError, match="not from 0 to below 1"):
        make(bad)


@dataclass(frozen=True)
class Together:
    """A process that is told what the first one drew."""

    rank: int
    world: int
    said: list[int]
    group: object = None

    def share(self, rows):
        return rows[self.rank :: self.world]

    def broadcast(self, value):
        if self.rank == 0:
            self.said.append(value)
            return value
        return self.said.pop(0)


@pytest.mark.parametrize("kind", ["bert", "table"])
@pytest.mark.parametrize("name", VIEWS)
def test_every_view_is_the_same_in_any_chunks_and_processes(name, kind, request, monkeypatch):
    # what the network itself drops is drawn by each of its calls
    encoder = request.getfixturevalue(kind).eval()
    batches = RowBatches(Data.alone(ITEMS), encoder, view=VIEWS[name])
    torch.manual_seed(5)
    rows = torch.tensor([3, 0, 2, 5, 1])
    alone = batches.payload(rows)
    z = encoder(alone.inputs)
    parts = [encoder(alone.take(alone.inputs, chunk)) for chunk in torch.arange(10).split(3)]
    torch.testing.assert_close(torch.cat(parts), z, rtol=1e-4, atol=1e-5)
    said = []
    for rank in range(2):
        here = Together(rank, 2, said)
        monkeypatch.setattr(Processes, "current", classmethod(lambda cls, here=here: here))
        # a process of its own draws other numbers
        torch.manual_seed(5 + 100 * rank)
        mine = batches.payload(here.share(rows), rows)
        expected = torch.cat([z[:5][rank::2], z[5:][rank::2]])
        if "dropout" in mine.inputs:
            assert mine.inputs["dropout"].eq(0.2).all()
        torch.testing.assert_close(encoder(mine.inputs), expected, rtol=1e-4, atol=1e-5)
    assert said == []


@pytest.mark.parametrize("kind", ["bert", "table"])
@pytest.mark.parametrize("name", [n for n in VIEWS if n not in ("full stop", "template", "dropout", "logic")])
def test_views_are_drawn_anew_and_each_side_for_itself(name, kind, request):
    encoder = request.getfixturevalue(kind)
    if kind == "table" and name in ("token shuffle", "shuffle", "swap", "reordering", "repetition"):
        pytest.skip("nothing to a set of words")
    batches = RowBatches(Data.alone(ITEMS), encoder, view=VIEWS[name])
    torch.manual_seed(0)
    seen = [encoder(batches.payload(torch.arange(4)).inputs) for _ in range(12)]
    assert len({tuple(z[:4].flatten().tolist()) for z in seen}) > 1
    assert any(not torch.allclose(z[:4], z[4:], atol=1e-4) for z in seen)


def test_words_are_changed_behind_the_prompt_and_special_tokens_stay(bert, table):
    prompted = StaticEncoder.from_corpus(
        [*TEXTS, "query passage"], dim=4, prompts={"query": "query ", "document": "passage "}
    )
    data = rows_of([Example(a, (b,)) for a, b in zip(TEXTS[:3], TEXTS[3:], strict=True)])
    view = TextView(words.blank(0.9, "cat"))
    batches = RowBatches(data, prompted, view=view)
    inputs = batches.payload(torch.arange(3)).inputs
    tokenizer = prompted.tokenizer
    names = [tokenizer.decode([i], skip_special_tokens=False) for i in take(inputs, [0])["input_ids"].tolist()]
    assert names[0].startswith("quer")
    assert tokenizer.decode([int(take(inputs, [3])["input_ids"][0])]).startswith("passag")
    shown = RowBatches(Data.alone(ITEMS), bert, view=TextView(tokens=tokens.span_cutoff(0.9))).payload(torch.arange(4))
    ends = shown.inputs["input_ids"][shown.inputs["offsets"][1:] - 1]
    assert set(ends.tolist()) == {bert.tokenizer.sep_token_id}
    assert bool((shown.inputs["input_ids"][shown.inputs["offsets"][:-1]] == bert.tokenizer.cls_token_id).all())


def test_a_prompt_that_is_not_pooled_stays_whole():
    encoder = small_transformer(
        TEXTS,
        layers=1,
        width=8,
        heads=2,
        include_prompt=False,
        prompts={"query": "find the "},
        default_prompt_name="query",
    )
    batches = RowBatches(Data.alone(ITEMS), encoder, view=TextView(tokens=tokens.token_cutoff(0.9)))
    inputs = batches.payload(torch.arange(4)).inputs
    skip = int(inputs["prompt"][0])
    place = places(inputs)
    assert skip > 1
    assert inputs["scale"][place < skip].all()
    assert not inputs["scale"][place >= skip].all()


def test_two_towers_each_have_their_own_tokens(bert, table):
    towers = Towers(
        bert, StaticEncoder.from_corpus(TEXTS, dim=8).with_table(torch.randn(len(table.embedding.weight), 16))
    )
    data = rows_of([Example(a, (b,)) for a, b in zip(TEXTS[:3], TEXTS[3:], strict=True)])
    batches = RowBatches(data, towers, view=TextView(words.deletion(0.3), tokens.feature_cutoff(0.5)))
    first, second = batches.payload(torch.arange(3)).inputs.parts
    assert len(first["scale"]) == len(first["input_ids"])
    assert len(second["scale"]) == len(second["input_ids"])
    assert towers(batches.payload(torch.arange(3)).inputs).isfinite().all()


@pytest.mark.parametrize("schema", ["labelled", "drawn", "shared"])
def test_every_schema_takes_views_of_texts(schema, table):
    view = TextView(tokens=tokens.token_cutoff(0.5))
    if schema == "labelled":
        batches = RowBatches(
            Data.alone(ITEMS, label=torch.zeros(6, dtype=torch.long)), table, view=(None, view), views=1
        )
    else:
        data = Data(ITEMS, torch.arange(6), ITEMS, torch.arange(6)[:, None])
        batches = RowBatches(
            data, table, view=(None, view), **{"drawn": {"sampled": 2}, "shared": {"shared": 6}}[schema]
        )
    inputs = batches.payload(torch.tensor([0, 1])).inputs
    changed = ~inputs["scale"].all(1)
    assert changed.any()
    if schema != "labelled":
        assert not changed[: int(inputs["offsets"][2])].any()


def test_other_items_are_refused_before_training():
    pictures = Items("image", torch.zeros(3, 1, 8, 8, dtype=torch.uint8))
    with pytest.raises(InputError, match="a view of texts, and image items"):
        RowBatches(Data.alone(pictures), ImageEncoder(widths=(8,)), view=TextView(words.crop()))


def test_training_sees_the_views_and_chunks_do_not_matter(table):
    import copy

    tables = {}
    for name, view, chunk in (
        ("none", None, 1 << 20),
        ("whole", VIEWS["both"], 1 << 20),
        ("chunks", VIEWS["both"], 30),
    ):
        encoder = copy.deepcopy(table)
        train = TrainConfig(batch_size=4, epochs=4, learning_rate=0.01, dtype="float32", chunk_tokens=chunk)
        train_stage(Stage(lambda: InfoNCE(0.1), train, view=view), Data.alone(ITEMS), encoder)
        tables[name] = encoder.embedding.weight.detach()
    torch.testing.assert_close(tables["chunks"], tables["whole"], rtol=1e-3, atol=1e-4)
    assert not torch.allclose(tables["none"], tables["whole"], atol=1e-3)


def test_several_rates_of_dropout_are_several_views():
    encoder = small_transformer(TEXTS, layers=1, width=16, heads=2, spread=0.3).train()
    rates = (None, *(TextView(tokens=tokens.dropout(p)) for p in (0.0, 0.5)))
    payload = RowBatches(Data.alone(ITEMS), encoder, view=rates, views=3).payload(torch.arange(4))
    with torch.no_grad():
        z = encoder(payload.inputs)
        still = encoder.eval()(take(encoder.tokenize(TEXTS), range(4)))
    torch.testing.assert_close(z[4:8], still, rtol=1e-4, atol=1e-5)
    assert float((z[:4] - still).norm()) > 1e-3
    assert float((z[8:] - still).norm()) > float((z[:4] - still).norm())


def test_a_drawn_view_mixes_what_it_says(bert):
    mixed = one_of(tokens.dropout(0.5), tokens.feature_cutoff(0.5), tokens.shuffled_tokens())
    batches = RowBatches(Data.alone(ITEMS), bert, view=TextView(tokens=mixed))
    torch.manual_seed(0)
    inputs = batches.payload(torch.arange(6)).inputs
    assert {"dropout", "scale", "position_ids"} <= inputs.keys()
    assert len(inputs["scale"]) == len(inputs["position_ids"]) == int(lengths(inputs).sum())
    assert bert(inputs).isfinite().all()
