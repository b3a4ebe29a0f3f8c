"""`Generator`: what is kept, what is asked again, what a kill leaves, what it cost."""

from __future__ import annotations

import json
import signal
import sqlite3
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoint.errors import InputError
from counterpoint.generating import (
    Account,
    Answer,
    Generator,
    LanguageModel,
    Message,
    Price,
    Refusal,
    Request,
    Rules,
    Sampling,
    number,
    one_line,
    unlike,
)
from generating.jobs import job, started
from generating.served import asked, completion, reply, serving

WARM = Sampling(temperature=1.0)


class Recording:
    """Rules that write down what they are asked."""

    def __init__(self, write):
        self.rules, self.requests = Rules(write), []

    identity = "recording"

    def answers(self, requests):
        for request in requests:
            self.requests.append(request)
            yield from self.rules.answers([request])


def counted(prompt, draw):
    return f"{prompt} {draw.randrange(10**9)}"


def values(results):
    return [[result.value for result in row] for row in results]


def test_every_model_has_the_protocol():
    assert isinstance(Rules(counted), LanguageModel)
    assert isinstance(Recording(counted), LanguageModel)


def test_nothing_is_asked_twice(tmp_path):
    first, second = Recording(counted), Recording(counted)
    before = Generator(first, tmp_path / "kept").ask(["a", "b", "a"], sampling=WARM, samples=2)
    generator = Generator(second, tmp_path / "kept")
    after = generator.ask(["b", "a", "c"], sampling=WARM, samples=2)
    assert len(first.requests) == 4
    assert before[0] == before[2] == after[1]
    assert before[1] == after[0]
    assert {r.prompt for r in second.requests} == {"c"}
    assert (generator.account.kept, generator.account.asked) == (4, 2)


def test_without_a_folder_answers_are_kept_as_long_as_the_generator():
    model = Recording(counted)
    generator = Generator(model)
    assert generator.ask(["a"]) == generator.ask(["a"])
    assert len(model.requests) == 1


def test_everything_that_decides_an_answer_is_in_its_name():
    """Each of these is another request; what changes nothing is not."""
    model = Recording(counted)
    generator = Generator(model)
    turns = (Message("system", "a"), Message("user", "b"))
    for prompt in ("a", "b", turns, turns[::-1], (Message("user", "a"),)):
        generator.ask([prompt], sampling=WARM)
    changed = [{"max_tokens": 5}, {"temperature": 0.5}, {"top_p": 0.5}, {"stop": ("x",)}, {"seed": 1}]
    for change in changed:
        generator.ask(["a"], sampling=Sampling(**({"temperature": 1.0} | change)))
    generator.ask(["a"], sampling=Sampling(temperature=1.0, guidance=2.0), against=["b"])
    generator.ask(["a"], sampling=Sampling(temperature=1.0, guidance=3.0), against=["b"])
    generator.ask(["a"], sampling=WARM, samples=2)
    assert len(model.requests) == 5 + len(changed) + 2 + 1
    assert len({r.key("m") for r in model.requests}) == len(model.requests)
    # without another prompt guidance says nothing, and with a temperature of 0 neither do seed and top_p
    generator.ask(["a"], sampling=Sampling(temperature=1.0, guidance=9.0))
    generator.ask(["a"], sampling=Sampling(seed=1))
    generator.ask(["a"], sampling=Sampling(seed=2, top_p=0.3))
    assert len(model.requests) == 5 + len(changed) + 2 + 1 + 1


def test_another_model_is_asked_anew(tmp_path):
    one = Generator(Rules(lambda p, d: "one", name="one"), tmp_path)
    two = Generator(Rules(lambda p, d: "two", name="two"), tmp_path)
    assert values(one.ask(["a"]) + two.ask(["a"])) == [["one"], ["two"]]


@given(st.lists(st.text(min_size=1), min_size=1, max_size=6), st.integers(0, 9))
def test_what_one_prompt_is_answered_does_not_hang_on_the_others(prompts, seed):
    sampling = Sampling(temperature=1.0, seed=seed)
    write = lambda prompt, draw: f"{len(prompt)} {draw.random()}"  # noqa: E731
    together = Generator(Rules(write)).ask(prompts, sampling=sampling)
    assert together == [Generator(Rules(write)).ask([p], sampling=sampling)[0] for p in prompts]


def test_seeds_samples_and_tries_draw_anew():
    generator = Generator(Rules(counted))
    one, two = generator.ask(["a"], sampling=WARM, samples=2)[0]
    (other,) = generator.ask(["a"], sampling=Sampling(temperature=1.0, seed=1))[0]
    assert len({one.value, two.value, other.value}) == 3


def test_what_cannot_be_parsed_is_asked_again_and_then_has_failed():
    said = iter(["what?", "who?", "0.5"])
    model = Recording(lambda prompt, draw: next(said))
    (((result,),)) = Generator(model).ask(["a"], number(0, 1), WARM, tries=3)
    assert (result.value, result.failure) == (0.5, "")
    assert [a.text for a in result.answers] == ["what?", "who?", "0.5"]
    assert len({r.sampling.seed for r in model.requests}) == 3

    never = Recording(lambda prompt, draw: "never")
    (((failed,),)) = Generator(never).ask(["a"], number(0, 1), WARM, tries=3)
    assert failed.value is None
    assert failed.failure == "no number: 'never'"
    assert len(failed.answers) == len(never.requests) == 3


def test_only_what_failed_is_asked_again():
    model = Recording(lambda prompt, draw: "0.5" if prompt == "good" else "bad")
    results = Generator(model).ask(["good", "bad"], number(0, 1), WARM, tries=2)
    assert [r.prompt for r in model.requests] == ["good", "bad", "bad"]
    assert values(results) == [[0.5], [None]]


def test_what_failed_has_failed_in_the_next_run_without_a_question(tmp_path):
    first, second = Recording(lambda p, d: "bad"), Recording(lambda p, d: "bad")
    before = Generator(first, tmp_path).ask(["a"], number(0, 1), WARM)
    assert Generator(second, tmp_path).ask(["a"], number(0, 1), WARM) == before
    assert not second.requests


def test_a_second_try_at_a_temperature_of_zero_would_be_the_first():
    model = Recording(lambda prompt, draw: "bad")
    (((result,),)) = Generator(model).ask(["a"], number(0, 1), tries=5)
    assert result.failure == "no number: 'bad'"
    assert len(model.requests) == 1


def test_a_parser_for_each_prompt():
    generator = Generator(Rules(lambda prompt, draw: draw.choice(["a", "b"])))
    results = generator.ask(["x", "y"], [unlike("a"), unlike("b")], WARM, tries=20)
    assert values(results) == [["b"], ["a"]]


def test_the_rules_obey_the_sampling():
    generator = Generator(Rules(lambda prompt, draw: "one two three; four"))
    assert values(generator.ask(["a"], sampling=Sampling(stop=(";",)))) == [["one two three"]]
    ((short,),) = generator.ask(["a"], sampling=Sampling(max_tokens=2))
    assert short.answers == (Answer("one two", "length", 1, 2),)
    ((failed,),) = generator.ask(["a"], one_line, Sampling(max_tokens=2))
    assert failed.failure == "cut off at the greatest number of tokens"


def test_rules_that_do_not_weigh_refuse():
    ((result,),) = Generator(Rules(counted)).weigh(["a"], [["b"]])
    assert (result.value, result.failure) == (None, "these rules weigh no texts")


WRONG = {
    "a string": (lambda g: g.ask("abc"), "prompts must be a list of strings"),
    "samples": (lambda g: g.ask(["a"], samples=2), "2 samples of a temperature of 0 are all the same"),
    "no samples": (lambda g: g.ask(["a"], samples=0), "0 samples, 3 tries"),
    "parsers": (lambda g: g.ask(["a"], [one_line] * 2), "not as many parsers"),
    "against": (lambda g: g.ask(["a"], against=[]), "not as many parsers, or prompts to write against"),
    "texts": (lambda g: g.weigh(["a"], []), "texts for 0 prompts, and 1 prompts"),
    "a text": (lambda g: g.weigh(["a"], ["yes"]), "the texts of a prompt must be a list of strings"),
    "a stop": (lambda g: Sampling(stop="x"), "stop must be a list of strings"),
    "an empty stop": (lambda g: Sampling(stop=("",)), "a stop text is empty"),
    "tokens": (lambda g: Sampling(max_tokens=0), "max_tokens is 0"),
    "cold": (lambda g: Sampling(temperature=-1.0), "temperature is -1"),
    "hot": (lambda g: Sampling(temperature=float("nan")), "temperature is nan"),
    "top_p": (lambda g: Sampling(top_p=0.0), "top_p is 0"),
    "guidance": (lambda g: Sampling(guidance=float("inf")), "guidance is inf"),
    "budget": (lambda g: Generator(g.model, budget=1.0), "a budget without a price"),
}


@pytest.mark.parametrize(("call", "said"), WRONG.values(), ids=WRONG)
def test_wrong_arguments(call, said):
    with pytest.raises(InputError, match=said):
        call(Generator(Rules(counted)))


def test_no_prompts_no_answers():
    assert Generator(Rules(counted)).ask([]) == []
    assert Generator(Rules(counted)).weigh([], []) == []


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="holds something else"):
        Generator(Rules(counted), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_a_broken_file_of_answers_is_one_sentence(tmp_path):
    (tmp_path / "answers.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(InputError, match="answers cannot be kept here"):
        Generator(Rules(counted), tmp_path)


def test_half_of_a_character_is_kept_too(tmp_path):
    generator = Generator(Rules(lambda prompt, draw: prompt), tmp_path)
    assert values(generator.ask(["a\ud800"], sampling=WARM)) == [["a\ud800"]]
    assert values(Generator(Rules(lambda p, d: ""), tmp_path).ask(["a\ud800"], sampling=WARM)) == [["a\ud800"]]


def test_the_answers_can_be_read_by_anyone(tmp_path):
    Generator(Rules(lambda prompt, draw: "b"), tmp_path).ask(["a"])
    database = sqlite3.connect(tmp_path / "answers.sqlite")
    ((model, question, answer),) = database.execute("SELECT model, asked, answer FROM answers").fetchall()
    database.close()
    assert (model, json.loads(question)["prompt"], json.loads(answer)["text"]) == ("rules rules", "a", "b")


def test_more_answers_than_one_question_to_the_database_holds(tmp_path):
    prompts = [f"p{i}" for i in range(1203)]
    before = Generator(Rules(counted), tmp_path).ask(prompts, sampling=WARM)
    model = Recording(counted)
    model.identity = "rules rules"
    assert Generator(model, tmp_path).ask(prompts, sampling=WARM) == before
    assert not model.requests


def test_account_and_price():
    generator = Generator(Rules(lambda p, d: "three words here"), price=Price(2.0, 10.0))
    generator.ask(["one two", "three"])
    generator.ask(["three"])
    account = generator.account
    assert (account.asked, account.kept, account.prompt_tokens, account.tokens) == (2, 1, 3, 6)
    assert account.cost == (2 * 3 + 10 * 6) / 1e6
    assert account.seconds > 0
    assert account.sentence().startswith("2 answers new, 1 kept; 3 tokens read, 6 written;")
    assert Account().cost is None


def test_progress_is_called(tmp_path):
    seen = []
    Generator(Rules(counted), tmp_path).ask(["a"], sampling=WARM)
    Generator(Rules(counted), tmp_path, progress=lambda *now: seen.append(now)).ask(["a", "b", "c"], sampling=WARM)
    assert seen == [(2, 3), (3, 3)]


def test_the_bar_is_on_standard_error(capsys):
    Generator(Rules(counted), progress=True).ask(["a", "b"])
    out, err = capsys.readouterr()
    assert not out
    assert "2/2" in err


def drawn(handler, body, count):
    """An answer that the prompt and the seed decide, now and then nonsense."""
    time.sleep(0.02)
    value = (body["seed"] + len(asked(body))) % 10
    reply(handler, completion("nonsense" if value > 7 else f"0.{value}"))


def test_killed_in_the_middle_it_goes_on(tmp_path):
    """The same answers as without, and nothing is asked twice but what was under way."""
    with serving(drawn) as (url, whole):
        expected, _ = job(url, tmp_path / "whole")
    seeds = [body["seed"] for body in whole.bodies]
    assert len(seeds) == len(set(seeds)) > 60

    with serving(drawn) as (url, served):
        process = started(url, tmp_path / "killed")
        while len(served.bodies) < 20 and process.poll() is None:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        before = len(served.bodies)
        went_on, account = job(url, tmp_path / "killed")
    assert went_on == expected
    assert before - 3 <= account.kept <= before
    assert account.kept + account.asked == len(seeds)
    assert len(served.bodies) - len(seeds) <= 3
    assert {body["seed"] for body in served.bodies} == set(seeds)


def test_several_processes_share_a_folder(tmp_path):
    """Where they ask the same at the same time, the first answer is the answer of all."""

    def differently(handler, body, count):
        time.sleep(0.01)
        reply(handler, completion(f"0.{len(served.bodies)}"))

    with serving(differently) as (url, served):
        other = started(url, tmp_path / "kept")
        while not served.bodies and other.poll() is None:
            time.sleep(0.005)
        own, _ = job(url, tmp_path / "kept")
        said, _ = other.communicate()
    assert other.returncode == 0
    assert said.strip() == str(own)
    assert len({body["seed"] for body in served.bodies}) == 60 < len(served.bodies)


def test_a_refusal_is_a_failure_and_asked_again_next_time(tmp_path):
    class Moody:
        identity = "moody"

        def __init__(self):
            self.calls = 0

        def answers(self, requests):
            for request in requests:
                self.calls += 1
                yield request, Refusal("not today") if self.calls == 1 else Answer("fine")

    model = Moody()
    assert Generator(model, tmp_path).ask(["a"])[0][0].failure == "not today"
    assert Generator(model, tmp_path).ask(["a"])[0][0].value == "fine"


def test_requests_are_named_the_same_everywhere():
    """What is kept today is found tomorrow."""
    request = Request((Message("user", "ä"),), Sampling(temperature=0.7, stop=("\n",)))
    assert request.key("model") == "51b9850e830e4d2f1243e2981c73e3ee"
