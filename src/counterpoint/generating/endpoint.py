"""Any server that speaks OpenAI's protocol: vLLM, llama.cpp, Ollama, a company's."""

from __future__ import annotations

import http.client
import json
import math
import os
import queue
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from counterpoint.errors import InputError
from counterpoint.generating.asking import Answer, Refusal, Request

_AGAIN = {408, 409, 425, 429}
"""Statuses that may pass, beside all from 500 on."""
_LONGEST = 60.0  # seconds between two tries
_LARGEST = 2**26  # bytes of an answer


@dataclass(frozen=True)
class Endpoint:
    """A model behind `/v1/chat/completions`, or `/v1/completions` for plain texts.

    What may pass (no connection, no answer in time, 429, 5xx, something that is no completion) is tried again, after
    1, 2, 4, ... seconds or what the server says. What the server says no to for this request (400, 413, 422) is a
    refusal; when it says no to the first `give_up`, or `give_up` in a row have no answer, the work ends with an error.

    Texts are weighed through `/v1/completions` with `echo`, which vLLM and llama.cpp know and most companies do not.

    Args:
        url: Up to `/v1`, without a user or a query: `http://localhost:8000/v1`.
        model: Its name on that server.
        chat: Whether it takes turns; else it goes on with a text.
        token_from: The environment variable that holds the access token; "" for none. The token is read when it is
            sent, and is in no error, no file and no `repr`.
        at_once: Requests under way at a time.
        timeout: Seconds until the whole answer must be there.
        tries: Of a request, in all.
        wait: Seconds before the second try; each further wait is twice as long, at most a minute.
        give_up: Requests in a row without an answer that end the work.
        extra: More fields of each request, such as `{"top_k": 20}`; None takes a field away.

    Raises:
        InputError: A wrong setting; later, the server knows no such model, address or token.

    Examples:
        >>> Endpoint("http://localhost:8000/v1", "qwen").identity
        'http://localhost:8000/v1 qwen chat'
    """

    url: str
    model: str
    chat: bool = True
    token_from: str = ""
    at_once: int = 8
    timeout: float = 120.0
    tries: int = 5
    wait: float = 1.0
    give_up: int = 8
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            proper = parts.scheme in ("http", "https") and bool(parts.netloc) and parts.port != 0
        except ValueError:  # a bracket too many, a port beyond 65,535
            proper = False
        if not proper:
            # not shown where it may hold a secret
            shown = "this" if set("@?") & set(self.url) else repr(self.url)
            raise InputError(f"{shown} is no address", fix="write, for example, http://localhost:8000/v1")
        if "@" in parts.netloc or parts.query:
            fix = "name the environment variable of the token with token_from"
            raise InputError("the address holds a user or a query, which would be kept with the answers", fix=fix)
        if self.token_from and not os.environ.get(self.token_from):
            raise InputError(f"the environment variable {self.token_from} is not set", fix="set it to the access token")
        for name in ("at_once", "timeout", "tries", "give_up"):
            # a day: sockets take no infinity
            if not 0 < getattr(self, name) <= 86_400:
                raise InputError(f"{name} is {getattr(self, name)}", fix="give 1 or more, and 86400 at most")

    @property
    def identity(self) -> str:
        """The address, the model's name, and what is sent with every request."""
        extra = f" {json.dumps(dict(self.extra), sort_keys=True)}" if self.extra else ""
        return f"{self.url.rstrip('/')} {self.model} {'chat' if self.chat else 'text'}{extra}"

    def answers(self, requests: Iterable[Request]) -> Iterator[tuple[Request, Answer | Refusal]]:
        """See `LanguageModel`."""
        asked: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        said: queue.SimpleQueue[tuple[Request, Answer | Refusal | BaseException]] = queue.SimpleQueue()
        over = threading.Event()

        def work() -> None:
            while (request := asked.get()) is not None:
                try:
                    said.put((request, self._answer(request, over)))
                except BaseException as error:  # it is raised where answers are read
                    said.put((request, error))

        # threads that do not hold up a stopped process: what is under way is lost, and asked again
        workers = [threading.Thread(target=work, daemon=True) for _ in range(self.at_once)]
        for worker in workers:
            worker.start()
        coming = iter(requests)
        under_way, row, answered = 0, 0, False
        try:
            while True:
                while under_way < self.at_once and (request := next(coming, None)) is not None:
                    asked.put(request)
                    under_way += 1
                if not under_way:
                    return
                request, answer = said.get()
                under_way -= 1
                if isinstance(answer, BaseException):
                    raise answer
                yield request, answer
                answered = answered or isinstance(answer, Answer)
                row = row + 1 if _Unanswered.counts(answer, answered) else 0
                if isinstance(answer, Refusal) and row >= self.give_up:
                    fix = "see to the server and run the same again: what was answered is kept"
                    raise InputError(f"{row} requests in a row had no answer: {answer.why}", fix=fix)
        finally:
            over.set()
            for _ in workers:
                asked.put(None)

    def _answer(self, request: Request, over: threading.Event) -> Answer | Refusal:
        if request.against is not None:
            fix = "use CausalLM"
            raise InputError("a prompt to write against needs the model's logits, which no endpoint gives", fix=fix)
        path, body, read = self._body(request)
        token = self._token()
        wait, why = self.wait, ""
        for left in reversed(range(self.tries)):
            try:
                return read(json.loads(self._send(path, body, token)))
            except urllib.error.HTTPError as error:
                with error:
                    status, why = error.code, _why(error, token)
                    after = error.headers.get("Retry-After", "")
                if status not in _AGAIN and status < 500:
                    return self._no(status, why)
                pause = min(float(after), _LONGEST) if after.isdigit() else wait
            except TimeoutError:
                why, pause = f"no answer within {self.timeout:g} s", wait
            except (OSError, http.client.HTTPException) as error:
                late = isinstance(getattr(error, "reason", None), TimeoutError)
                why = f"no answer within {self.timeout:g} s" if late else f"no connection ({_reason(error)})"
                pause = wait
            except (KeyError, IndexError, TypeError, ValueError, RecursionError) as error:
                why, pause = f"something that is no completion ({type(error).__name__}: {str(error)[:80]})", wait
            wait = min(2 * wait, _LONGEST)
            if left and over.wait(pause):
                break
        return _Unanswered(f"{self.url}: {why}, after {self.tries} tries" if self.tries > 1 else f"{self.url}: {why}")

    def _no(self, status: int, why: str) -> Refusal:
        """What the server will never say yes to: for this request alone, or for all."""
        if status in (401, 403):
            fix = f"check {self.token_from}" if self.token_from else "name its variable with token_from"
            raise InputError(f"{self.url} takes no requests with this access token ({status})", fix=fix)
        if status in (400, 413, 422):
            return Refusal(f"{self.url}: {why}")
        raise InputError(f"{self.url} does not answer: {why}", fix=f"check the address and the model {self.model!r}")

    def _body(self, request: Request) -> tuple[str, dict[str, Any], Callable[[Any], Answer | Refusal]]:
        """The path, the fields, and what reads the server's answer."""
        prompt, given, sampling = request.prompt, request.continuation, request.sampling
        body: dict[str, Any] = {"model": self.model}
        if given is not None:
            if self.chat or not isinstance(prompt, str) or not prompt:
                fix = "give chat=False and a prompt, or use CausalLM"
                raise InputError("texts are weighed after plain prompts only, not after turns or nothing", fix=fix)
            body |= {"prompt": prompt + given, "max_tokens": 1, "temperature": 0, "echo": True, "logprobs": 0}
            return "/completions", self._with_extra(body), lambda said: _weighed(said, prompt, given)
        body |= {"max_tokens": sampling.max_tokens, "temperature": sampling.temperature, "seed": sampling.seed}
        body |= {"top_p": sampling.top_p} if sampling.top_p < 1 else {}
        body |= {"stop": list(sampling.stop)} if sampling.stop else {}
        if self.chat:
            turns = [("user", prompt)] if isinstance(prompt, str) else [(m.role, m.content) for m in prompt]
            body["messages"] = [{"role": role, "content": content} for role, content in turns]
            return "/chat/completions", self._with_extra(body), _written
        if not isinstance(prompt, str):
            raise InputError("a model of plain texts takes no turns", fix="give chat=True, or texts")
        return "/completions", self._with_extra(body | {"prompt": prompt}), _written

    def _with_extra(self, body: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in {**body, **self.extra}.items() if value is not None}

    def _send(self, path: str, body: dict[str, Any], token: str) -> bytes:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        headers |= {"Authorization": f"Bearer {token}"} if token else {}
        url = self.url.rstrip("/") + path
        request = urllib.request.Request(url, json.dumps(body).encode(), headers, method="POST")
        # a socket's time-out is between two bytes; a server that drips could take for ever
        end, parts, size = time.monotonic() + self.timeout, [], 0
        with _opener().open(request, timeout=self.timeout) as reply:
            while part := reply.read1(2**16):
                parts.append(part)
                size += len(part)
                if time.monotonic() > end:
                    raise TimeoutError
                if size > _LARGEST:
                    raise ValueError(f"more than {_LARGEST:,} bytes")
            if reply.length:
                raise http.client.IncompleteRead(b"", reply.length)
        return b"".join(parts)

    def _token(self) -> str:
        token = os.environ.get(self.token_from, "").strip() if self.token_from else ""
        if not (token.isascii() and token.isprintable()):
            # it would stand in the error that a header with it raises
            raise InputError(f"the token in {self.token_from} holds characters that no token has", fix="set it again")
        return token


class _Unanswered(Refusal):
    """A refusal that may be the server's state, and not the request's."""

    @staticmethod
    def counts(answer: Answer | Refusal, answered: bool) -> bool:
        """Whether it is one of a row that ends the work: what is wrong with all requests looks wrong with the first."""
        return isinstance(answer, _Unanswered) or (isinstance(answer, Refusal) and not answered)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Elsewhere is not where the token belongs."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """None: the redirection is an error."""
        del args, kwargs


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_NoRedirect)


def _why(error: urllib.error.HTTPError, token: str) -> str:
    """The status and the beginning of what the server says, without the token should it repeat it."""
    try:
        said = error.read(2**12).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        said = ""
    said = " ".join((said.replace(token, "***") if token else said).split())
    return f"{error.code} {said[:120] or error.reason}"


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", "") or error or type(error).__name__)[:80]


def _written(said: Any) -> Answer | Refusal:
    """The answer in what a server wrote."""
    choice = said["choices"][0]
    text = choice["message"]["content"] if "message" in choice else choice["text"]
    reason = choice.get("finish_reason")
    if reason == "content_filter" or text is None:
        return Refusal(f"the server withheld its answer ({reason})")
    if not isinstance(text, str):
        raise TypeError(f"a text is {type(text).__name__}")
    # JSON can hold half a surrogate pair, which no file can
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    usage = said.get("usage") or {}
    counts = (_count(usage, "prompt_tokens"), _count(usage, "completion_tokens"))
    return Answer(text, "length" if reason == "length" else "stop", *counts)


def _weighed(said: Any, prompt: str, given: str) -> Answer | Refusal:
    """The log-probability of the last part of an echoed text."""
    found = said["choices"][0]["logprobs"]
    places, weights = found["text_offset"], found["token_logprobs"]
    whole, begin = len(prompt) + len(given), len(prompt)
    inside = [(at, w) for at, w in zip(places, weights, strict=True) if begin <= at < whole]
    # a token across the boundary belongs to neither
    if not inside or inside[0][0] != begin:
        return Refusal("a token reaches from the prompt into the text; end the prompt, or begin the text, with a blank")
    if any(w is None or math.isnan(w) for _, w in inside):
        raise ValueError("a token without a log-probability")
    asked = sum(at < begin for at in places)
    return Answer(given, "given", asked, len(inside), float(sum(w for _, w in inside)))


def _count(usage: Mapping[str, Any], name: str) -> int | None:
    value = usage.get(name)
    return value if isinstance(value, int) else None
