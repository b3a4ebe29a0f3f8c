"""`Endpoint` against a real server that answers properly, slowly, with errors, with nonsense, or half."""

from __future__ import annotations

import threading

import pytest

from counterpoint.errors import InputError
from counterpoint.generating import Answer, Endpoint, Generator, Message, Price, Refusal, Request, Sampling
from generating.served import asked, completion, reply, serving


def echo(handler, body, count):
    reply(handler, completion(f"said {asked(body)}"))


def texts(endpoint, prompts):
    """What each prompt was answered, or why not."""
    found = dict(endpoint.answers([Request(p) for p in prompts]))
    return [a.text if isinstance(a := found[Request(p)], Answer) else a.why for p in prompts]


def at(url, **settings):
    return Endpoint(url, "m", **({"wait": 0.01, "timeout": 5.0} | settings))


def test_what_is_sent_and_what_comes_back():
    with serving(echo) as (url, served):
        turns = (Message("system", "be short"), Message("user", "hello"))
        sampling = Sampling(max_tokens=7, temperature=0.5, top_p=0.9, stop=("\n",), seed=11)
        ((_, answer),) = at(url + "/", extra={"top_k": 4, "seed": None}).answers([Request(turns, sampling)])
    assert answer == Answer("said hello", "stop", 3, 2)
    assert served.paths == ["/v1/chat/completions"]
    assert served.bodies == [{
        "model": "m", "max_tokens": 7, "temperature": 0.5, "top_p": 0.9, "stop": ["\n"], "top_k": 4,
        "messages": [{"role": "system", "content": "be short"}, {"role": "user", "content": "hello"}],
    }]  # fmt: skip


def test_plain_texts_go_to_completions():
    def answer(handler, body, count):
        reply(handler, {"choices": [{"text": " there", "finish_reason": "length"}]})

    with serving(answer) as (url, served):
        ((_, found),) = at(url, chat=False).answers([Request("hello", Sampling(seed=5))])
    assert found == Answer(" there", "length", None, None)
    assert served.paths == ["/v1/completions"]
    assert served.bodies[0]["prompt"] == "hello"
    assert served.bodies[0]["seed"] == 5


def test_so_many_at_once_and_no_more():
    meet = threading.Barrier(3)

    def answer(handler, body, count):
        meet.wait(5)  # passes only when three are there
        reply(handler, completion("x"))

    with serving(answer) as (url, served):
        assert texts(at(url, at_once=3), [f"p{i}" for i in range(6)]) == ["x"] * 6
    assert served.busiest == 3


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_may_pass_is_tried_again(status):
    def answer(handler, body, count):
        if count < 3:
            reply(handler, b"busy", status)
        else:
            echo(handler, body, count)

    with serving(answer) as (url, served):
        assert texts(at(url), ["a"]) == ["said a"]
    assert served.counts["a"] == 3


def test_the_server_says_how_long_to_wait(monkeypatch):
    waited = []
    monkeypatch.setattr(threading.Event, "wait", lambda self, s=None: waited.append(s) or False)

    def answer(handler, body, count):
        if count == 1:
            reply(handler, b"slow down", 429, Retry_After=7)
        elif count < 4:
            reply(handler, b"oh", 500)
        else:
            echo(handler, body, count)

    with serving(answer) as (url, _):
        endpoint = at(url, wait=1.0)
        assert endpoint._answer(Request("a"), threading.Event()) == Answer("said a", "stop", 3, 2)
    # the first wait is the server's, the others double from 1
    assert [w for w in waited if w is not None] == [7, 2, 4]


def test_too_slow_is_said():
    go = threading.Event()

    def answer(handler, body, count):
        go.wait(5)

    with serving(answer) as (url, served):
        (said,) = texts(at(url, timeout=0.1, tries=2), ["a"])
        go.set()
    assert "no answer within 0.1 s, after 2 tries" in said
    assert served.counts["a"] == 2


def test_a_server_that_drips_is_too_slow():
    stop = threading.Event()

    def answer(handler, body, count):
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        while not stop.wait(0.02):
            handler.wfile.write(b" ")
            handler.wfile.flush()

    with serving(answer) as (url, _):
        (said,) = texts(at(url, timeout=0.2, tries=1), ["a"])
        stop.set()
    assert "no answer within 0.2 s" in said


NONSENSE = {
    "not JSON": b"<html>hello</html>",
    "no choices": b"{}",
    "an empty list": b'{"choices": []}',
    "a list": b"[1, 2]",
    "null": b"null",
    "a number for a text": b'{"choices": [{"message": {"content": 3}}]}',
    "not UTF-8": b'"\xff\xfe"',
}


@pytest.mark.parametrize("body", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_tried_again_and_then_said(body):
    with serving(lambda handler, _, count: reply(handler, body)) as (url, served):
        (said,) = texts(at(url, tries=3), ["a"])
    assert "something that is no completion" in said
    assert served.counts["a"] == 3


def test_nonsense_once_is_no_failure():
    def answer(handler, body, count):
        reply(handler, b"{") if count == 1 else echo(handler, body, count)

    with serving(answer) as (url, _):
        assert texts(at(url), ["a"]) == ["said a"]


def test_half_a_character_is_replaced():
    """No file could hold it."""
    body = b'{"choices": [{"message": {"content": "a \\ud83d cat \\ud83d\\ude00"}}]}'
    with serving(lambda handler, _, count: reply(handler, body)) as (url, _):
        assert texts(at(url), ["a"]) == ["a \ufffd cat \U0001f600"]


def test_a_connection_that_ends_half_way_is_tried_again():
    def answer(handler, body, count):
        if count == 1:
            handler.send_response(200)
            handler.send_header("Content-Length", "500")
            handler.end_headers()
            handler.wfile.write(b'{"choices": ')
            handler.close_connection = True
        else:
            echo(handler, body, count)

    with serving(answer) as (url, served):
        assert texts(at(url), ["a"]) == ["said a"]
    assert served.counts["a"] == 2


def test_a_server_that_dies_half_way_ends_the_work_and_the_rest_goes_on_later(tmp_path):
    dead = threading.Event()

    def answer(handler, body, count):
        if dead.is_set():
            handler.close_connection = True
        else:
            if body["messages"][0]["content"] == "p9":
                dead.set()  # before its answer: the next request may be here as soon as that is
            echo(handler, body, count)

    prompts = [f"p{i}" for i in range(40)]
    with serving(answer) as (url, served):
        endpoint = at(url, at_once=1, tries=2, give_up=3)
        with pytest.raises(InputError, match=r"3 requests in a row had no answer: .*what was answered is kept"):
            Generator(endpoint, tmp_path / "kept").ask(prompts)
        dead.clear()
        before = served.counts.copy()
        generator = Generator(endpoint, tmp_path / "kept")
        results = generator.ask(prompts)
    assert [result.value for (result,) in results] == [f"said {p}" for p in prompts]
    assert (generator.account.kept, generator.account.asked) == (10, 30)
    assert all(served.counts[p] == before[p] == 1 for p in prompts[:10])


def test_no_server_at_all_is_one_sentence():
    with serving(echo) as (url, _):
        pass
    with pytest.raises(InputError, match=r"3 requests in a row had no answer: .*no connection"):
        texts(at(url, tries=1, give_up=3), [f"p{i}" for i in range(9)])


def test_a_refused_prompt_is_that_prompt_alone():
    def answer(handler, body, count):
        reply(handler, b"too long", 400) if "long" in asked(body) else echo(handler, body, count)

    prompts = ["a", *(f"long {i}" for i in range(12)), "b"]
    with serving(answer) as (url, served):
        said = texts(at(url, at_once=1, give_up=4), prompts)
    assert said[0] == "said a"
    assert said[-1] == "said b"
    assert said[1] == f"{url}: 400 too long"
    assert set(served.counts.values()) == {1}


def test_what_is_wrong_with_every_request_ends_the_work():
    wrong = pytest.raises(InputError, match=r"4 requests in a row had no answer: .*no such field: seed")
    with serving(lambda h, b, c: reply(h, b"no such field: seed", 400)) as (url, served), wrong:
        texts(at(url, at_once=1, give_up=4), [f"p{i}" for i in range(30)])
    assert sum(served.counts.values()) == 4


def test_an_answer_that_is_withheld_is_a_refusal():
    with serving(lambda h, b, c: reply(h, completion(None, finish="content_filter"))) as (url, _):
        assert texts(at(url), ["a"]) == ["the server withheld its answer (content_filter)"]


def test_an_unknown_model_is_one_sentence():
    wrong = pytest.raises(InputError, match="404 no such model; check the address and the model 'm'")
    with serving(lambda h, b, c: reply(h, b"no such model", 404)) as (url, served), wrong:
        texts(at(url), ["a"])
    assert served.counts["a"] == 1


def test_a_redirection_is_not_followed(monkeypatch):
    monkeypatch.setenv("KEY", "secret")
    with (
        serving(echo) as (there, other),
        serving(lambda h, b, c: reply(h, b"", 302, Location=there + "/chat/completions")) as (url, _),
        pytest.raises(InputError, match="does not answer: 302"),
    ):
        texts(at(url, token_from="KEY"), ["a"])
    assert not other.bodies


def test_the_token_is_sent_and_nowhere_else(monkeypatch, tmp_path):
    monkeypatch.setenv("KEY", "s3cret-token")

    def answer(handler, body, count):
        if "bad" in asked(body):
            reply(handler, f"bad: {handler.headers['Authorization']}".encode(), 400)
        else:
            echo(handler, body, count)

    with serving(answer) as (url, served):
        endpoint = at(url, token_from="KEY")
        results = Generator(endpoint, tmp_path / "kept").ask(["a", "bad"])
        assert served.tokens == ["Bearer s3cret-token"] * 2
    assert results[1][0].failure.endswith("400 bad: Bearer ***")
    assert "s3cret" not in repr(endpoint) + endpoint.identity
    assert all(b"s3cret" not in file.read_bytes() for file in (tmp_path / "kept").iterdir())


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_is_not_taken(monkeypatch, status):
    monkeypatch.setenv("KEY", "s3cret")
    with (
        serving(lambda h, b, c: reply(h, f"{h.headers['Authorization']}?".encode(), status)) as (url, _),
        pytest.raises(InputError, match="takes no requests with this access token") as caught,
    ):
        texts(at(url, token_from="KEY"), ["a"])
    assert "check KEY" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_a_token_that_no_header_may_hold(monkeypatch):
    monkeypatch.setenv("KEY", "s3cret\x01\nX: y")
    with pytest.raises(InputError, match="the token in KEY holds characters") as caught:
        texts(at("http://127.0.0.1:9/v1", token_from="KEY"), ["a"])
    assert "s3cret" not in str(caught.value)


WRONG = {
    "no scheme": ({"url": "localhost:8000/v1"}, "is no address"),
    "a user": ({"url": "http://me:s3cret@localhost/v1"}, "holds a user or a query"),
    "a query": ({"url": "http://localhost/v1?key=s3cret"}, "holds a user or a query"),
    "no token": ({"token_from": "NOT_SET_ANYWHERE"}, "NOT_SET_ANYWHERE is not set"),
    "no tries": ({"tries": 0}, "tries is 0"),
    "a bracket": ({"url": "http://[bad/v1"}, "is no address"),
    "no such port": ({"url": "http://me:s3cret@localhost:99999/v1"}, "this is no address"),
    "endless": ({"timeout": float("inf")}, "timeout is inf"),
    "no time": ({"timeout": float("nan")}, "timeout is nan"),
}


@pytest.mark.parametrize(("settings", "said"), WRONG.values(), ids=WRONG)
def test_wrong_settings(settings, said):
    with pytest.raises(InputError, match=said) as caught:
        Endpoint(**({"url": "http://localhost/v1", "model": "m"} | settings))
    assert "s3cret" not in str(caught.value)


def test_two_texts_that_are_weighed_one_after_the_other():
    """Each character is a token whose log-probability is minus its place."""

    def answer(handler, body, count):
        prompt = body["prompt"]
        weights = [None, *(-float(i) for i in range(1, len(prompt) + 1))]  # one more: a token is generated, too
        places = list(range(len(prompt) + 1))
        found = {"tokens": list(prompt + "!"), "text_offset": places, "token_logprobs": weights}
        reply(handler, {"choices": [{"text": prompt + "!", "logprobs": found}]})

    with serving(answer) as (url, served):
        generator = Generator(at(url, chat=False))
        ((two, one),) = generator.weigh(["abc"], [["de", "d"]])
    assert (two.value, one.value) == (-3 - 4, -3)
    assert (two.answers[0].tokens, two.answers[0].prompt_tokens) == (2, 3)
    assert all(body["echo"] and body["logprobs"] == 0 for body in served.bodies)


def test_a_token_over_the_boundary_is_not_divided():
    def answer(handler, body, count):
        found = {"text_offset": [0, 2], "token_logprobs": [None, -1.0]}
        reply(handler, {"choices": [{"text": "abcd", "logprobs": found}]})

    with serving(answer) as (url, _):
        (((result,),)) = Generator(at(url, chat=False)).weigh(["abc"], [["d"]])
    assert result.value is None
    assert "a token reaches from the prompt into the text" in result.failure


def test_what_an_endpoint_cannot_do():
    endpoint = Endpoint("http://127.0.0.1:9/v1", "m")
    with pytest.raises(InputError, match="after plain prompts only"):
        list(endpoint.answers([Request("a", continuation="b")]))
    with pytest.raises(InputError, match="needs the model's logits"):
        list(endpoint.answers([Request("a", against="b")]))
    with pytest.raises(InputError, match="takes no turns"):
        list(Endpoint("http://127.0.0.1:9/v1", "m", chat=False).answers([Request((Message("user", "a"),))]))


def test_a_budget_ends_the_work_and_more_money_goes_on_with_it(tmp_path):
    prompts = [f"p{i}" for i in range(20)]
    price = Price(1e6, 0.0)  # 3 a request
    with serving(echo) as (url, served):
        poor = Generator(at(url, at_once=2), tmp_path / "kept", price=price, budget=12.0)
        with pytest.raises(InputError, match=r"the budget of 12 is spent, and 1[45] requests are left; give more"):
            poor.ask(prompts)
        # what was under way when it was spent is kept, too
        asked_before = sum(served.counts.values())
        assert poor.account.asked == asked_before in (5, 6)
        rich = Generator(at(url), tmp_path / "kept", price=price, budget=100.0)
        assert [r.value for (r,) in rich.ask(prompts)] == [f"said {p}" for p in prompts]
    assert set(served.counts.values()) == {1}
    assert rich.account.cost == 3.0 * (20 - asked_before)


def test_a_budget_needs_counts():
    with serving(lambda h, b, c: reply(h, completion("x", usage=False))) as (url, _):
        generator = Generator(at(url), price=Price(1, 1), budget=1.0)
        with pytest.raises(InputError, match="does not count its tokens"):
            generator.ask(["a"])
        counting = Generator(at(url))
        counting.ask(["a"])
    assert "1 answers not counted" in counting.account.sentence()


def test_failures_are_not_kept(tmp_path):
    def answer(handler, body, count):
        reply(handler, b"", 500) if count <= 2 else echo(handler, body, count)

    with serving(answer) as (url, _):
        first = Generator(at(url, tries=2), tmp_path / "kept").ask(["a"])
        second = Generator(at(url, tries=2), tmp_path / "kept").ask(["a"])
    assert first[0][0].value is None
    assert "500" in first[0][0].failure
    assert second[0][0].value == "said a"


def test_refusals_are_counted():
    with serving(lambda h, b, c: reply(h, b"no", 400)) as (url, _):
        generator = Generator(at(url))
        assert isinstance(next(iter(at(url).answers([Request("a")])))[1], Refusal)
        generator.ask(["a"])
    assert generator.account.refused == 1
