"""Positives that a language model writes, as steps of a stage."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.encoders import StaticEncoder
from counterpoint.errors import InputError
from counterpoint.generating import Generator, Rules, Sampling, back_translated, in_other_words, paraphrased, rewritten
from counterpoint.methods import Stage
from counterpoint.methods.stage import train_stage
from counterpoint.objectives import InfoNCE
from counterpoint.training import TrainConfig

TEXTS = ["dogs run in the snow", "cats sleep on the roof", "a plane takes off", "rain falls"]
NOTHING = nn.Identity()


def shuffled(prompt, draw):
    """The words of the text in another order."""
    words = prompt.split("\n")[-1].split()
    draw.shuffle(words)
    return f'"{" ".join(words)}"'


def pairs(data):
    return [
        (data.anchors.texts[a], [data.others.texts[p] for p in row])
        for a, row in zip(data.anchor.tolist(), data.positives.tolist(), strict=True)
    ]


def test_paraphrases_are_positives():
    data = paraphrased(Generator(Rules(shuffled)), samples=2)(Data.alone(Items("text", TEXTS)), NOTHING, 0)
    assert data.schema == "tuples"
    for text, several in pairs(data):
        assert len(several) == 2
        for one in several:
            assert sorted(one.split()) == sorted(text.split())
            assert one != text


def test_the_seed_is_that_of_the_run():
    step = paraphrased(Generator(Rules(shuffled)))
    data = Data.alone(Items("text", TEXTS))
    zero, again, one = (pairs(step(data, NOTHING, seed)) for seed in (0, 0, 1))
    assert zero == again != one


def test_rows_keep_their_texts_and_columns_where_others_fail():
    """Rows are over items, and not all items are in rows."""
    data = Data(Items("text", TEXTS), torch.tensor([3, 1, 0, 1]), columns={"domain": torch.tensor([7, 8, 9, 10])})

    def write(prompt, draw):
        return "" if "dogs" in prompt else shuffled(prompt, draw)

    made = paraphrased(Generator(Rules(write)))(data, NOTHING, 0)
    assert [text for text, _ in pairs(made)] == ["rain falls", TEXTS[1], TEXTS[1]]
    assert all(sorted(p.split()) == sorted(t.split()) for t, (p,) in pairs(made))
    assert made.columns["domain"].tolist() == [7, 8, 10]


def test_what_is_left_out_is_said_by_the_stage():
    def write(prompt, draw):
        return "I'm sorry." if "dogs" in prompt else shuffled(prompt, draw)

    step = paraphrased(Generator(Rules(write)))
    encoder = StaticEncoder.from_corpus(TEXTS, dim=8)
    stage = Stage(InfoNCE, TrainConfig(batch_size=3, epochs=1, dtype="float32"), prepare=(step,))
    result, _ = train_stage(stage, Data.alone(Items("text", TEXTS)), encoder)
    assert result.warnings[0].startswith("a step before training left out 1 of 4 rows (25%)")


def test_nothing_that_can_be_used_is_one_sentence():
    step = paraphrased(Generator(Rules(lambda prompt, draw: "I'm sorry, no.")))
    with pytest.raises(InputError, match=r"nothing that was written for 4 texts can be used \(the first: a refusal"):
        step(Data.alone(Items("text", TEXTS)), NOTHING, 0)


def test_the_same_text_again_is_no_paraphrase():
    asked = []

    def write(prompt, draw):
        asked.append(prompt)
        text = prompt.split("\n")[-1]
        return text.upper() if len(asked) < 3 else "something else"

    made = paraphrased(Generator(Rules(write)))(Data.alone(Items("text", TEXTS[:1])), NOTHING, 0)
    assert pairs(made) == [(TEXTS[0], ["something else"])]
    assert len(asked) == 3


def test_there_and_back():
    prompts = []

    def write(prompt, draw):
        prompts.append(prompt)
        text = prompt.split("\n")[-1]
        language = prompt.split("into ")[1].split(",")[0]
        return (
            text.removeprefix("de ").removeprefix("fr ") + " again"
            if language == "English"
            else f"{language[:2].lower()} {text}"
        )

    step = back_translated(Generator(Rules(write)), languages=("Deutsch", "French"), sampling=Sampling())
    made = step(Data.alone(Items("text", TEXTS[:2])), NOTHING, 0)
    assert pairs(made) == [(text, [f"{text} again"] * 2) for text in TEXTS[:2]]
    assert len(prompts) == 4 + 4
    assert sum("into English" in prompt for prompt in prompts) == 4


def test_a_translation_that_fails_takes_its_row_and_no_other():
    def write(prompt, draw):
        text = prompt.split("\n")[-1]
        if "cats" in text and "into French" in prompt:
            return ""
        return "" if "rain" in text and "into English" in prompt else f"{text}!"

    step = back_translated(Generator(Rules(write)), languages=("German", "French"))
    made = step(Data.alone(Items("text", TEXTS)), NOTHING, 0)
    assert pairs(made) == [(text, [f"{text}!!"] * 2) for text in (TEXTS[0], TEXTS[2])]


@pytest.mark.parametrize("step", [paraphrased, back_translated])
def test_only_texts_alone(step):
    prepare = step(Generator(Rules(shuffled)))
    with pytest.raises(InputError, match="writes positives of texts alone"):
        prepare(Data.alone(Items("image", torch.zeros(2, 1, 4, 4))), NOTHING, 0)
    paired = Data(Items("text", ["a"]), torch.tensor([0]), Items("text", ["b"]), torch.tensor([[0]]))
    with pytest.raises(InputError, match="writes positives of texts alone"):
        prepare(paired, NOTHING, 0)


def test_each_rewrite_is_of_the_one_before_and_against_the_prompt_before_that():
    asked = []

    class Watched(Rules):
        def answers(self, requests):
            for request in requests:
                asked.append(
                    (*(p.split("\n")[-1] for p in (request.prompt, request.against)), request.sampling.guidance)
                )
                yield request, self._answer(request)

    written = Watched(lambda prompt, draw: prompt.split("\n")[-1] + prompt[-1])
    data = rewritten(Generator(written), rounds=3)(Data.alone(Items("text", ["a", "b"])), NOTHING, 0)
    assert pairs(data) == [("a", ["aa", "aaa", "aaaa"]), ("b", ["bb", "bbb", "bbbb"])]
    assert asked == [(x * n, x * max(n - 1, 1), 1.5) for n in (1, 2, 3) for x in "ab"]


def test_lists_that_end_in_repeats_or_have_several_lines_are_left_out():
    said = {"a": "A", "A": "`A`", "b": "B", "B": "b", "c": "c\nd", "e": "E", "E": "F", "F": "G"}
    step = rewritten(Generator(Rules(lambda prompt, draw: said[prompt.split("\n")[-1]])), rounds=3)
    texts = ["c", "a", "b", "e"]
    # of "a" three are the same; "b" is there twice
    assert pairs(step(Data.alone(Items("text", texts)), NOTHING, 0)) == [("b", ["B", "b", "B"]), ("e", ["E", "F", "G"])]
    with pytest.raises(InputError, match="nothing that was written for 1 texts"):
        step(Data.alone(Items("text", ["c"])), NOTHING, 0)
    with pytest.raises(InputError, match="0 rewrites"):
        rewritten(Generator(Rules(lambda prompt, draw: "")), rounds=0)


def test_a_view_says_a_text_in_other_words_and_asks_once():
    asked = []

    def write(prompt, draw):
        asked.append(prompt)
        return "A PLANE takes off." if "plane" in prompt else shuffled(prompt, draw)

    generator = Generator(Rules(write))
    view = in_other_words(generator, "{before}: {text}\n{text}", before="b")
    first, second = (view(TEXTS[0], torch.Generator().manual_seed(seed)) for seed in (0, 1))
    assert first == second != TEXTS[0]
    assert sorted(first.split()) == sorted(TEXTS[0].split())
    assert set(asked) == {f"b: {TEXTS[0]}\n{TEXTS[0]}"}
    # the same text again is no paraphrase, however often it is asked for
    assert view(TEXTS[2], torch.Generator()) == TEXTS[2]
    before = len(asked)
    assert view(TEXTS[2], torch.Generator()) == TEXTS[2]
    assert view(TEXTS[0], torch.Generator()) == first
    assert len(asked) == before
    with pytest.raises(InputError, match="the template names"):
        in_other_words(generator, "{after} {text}")("a", torch.Generator())
