"""What is asked of a language model and what it answers: the protocol that every one of them has."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, runtime_checkable

from counterpoint.errors import InputError, refuse_string

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation.

    Attributes:
        role: Who says it: system, user or assistant.
        content: What is said.

    Examples:
        >>> Message("user", "Say it in other words: a plane takes off")
        Message(role='user', content='Say it in other words: a plane takes off')
    """

    role: Role
    content: str


Prompt: TypeAlias = str | Sequence[Message]
"""A text, or the turns so far. To a model that takes turns a text is what the user says; any other goes on with it."""


@dataclass(frozen=True)
class Sampling:
    """How a text is drawn.

    Attributes:
        max_tokens: At most so many tokens are written.
        temperature: What the logits are divided by; 0 takes the likeliest token each time.
        top_p: Tokens are drawn from the fewest whose probabilities add up to this (nucleus sampling, Holtzman et al.
            2020), in (0, 1].
        stop: Where one of these appears, the text ends before it.
        seed: Of all draws; with a temperature of 0 it says nothing.
        guidance: Where a prompt is given to write against: log-probabilities are `guidance * own + (1 - guidance) *
            against` (classifier-free guidance; Sanchez et al. 2023, eq. 7). 1 leaves the other prompt out.

    Examples:
        >>> Sampling(temperature=0.7, top_p=0.9, stop=("\\n",)).max_tokens
        128
    """

    max_tokens: int = 128
    temperature: float = 0.0
    top_p: float = 1.0
    stop: tuple[str, ...] = ()
    seed: int = 0
    guidance: float = 1.0

    def __post_init__(self) -> None:
        refuse_string(self.stop, "stop")
        object.__setattr__(self, "stop", tuple(self.stop))
        wrong = {
            "max_tokens": self.max_tokens < 1,
            "temperature": not 0 <= self.temperature < math.inf,
            "top_p": not 0 < self.top_p <= 1,
            "guidance": not math.isfinite(self.guidance),
        }
        for name, is_wrong in wrong.items():
            if is_wrong:
                fix = "max_tokens is 1 or more, temperature 0 or more, top_p above 0 and at most 1, guidance finite"
                raise InputError(f"{name} is {getattr(self, name)}", fix=fix)
        if "" in self.stop:
            raise InputError("a stop text is empty, and every text begins with it", fix="leave it out")


@dataclass(frozen=True)
class Request:
    """One text to be written, or one given text to be weighed. Equal requests have equal answers.

    Attributes:
        prompt: What is asked.
        sampling: How it is drawn; the seed is that of this draw alone.
        against: A prompt whose continuations are made less likely, with `Sampling.guidance`.
        continuation: A text that is not to be written: its log-probability after the prompt is asked.

    Examples:
        >>> Request("one").key("a model") == Request("one").key("a model"), len(Request("one").key("a model"))
        (True, 32)
    """

    prompt: str | tuple[Message, ...]
    sampling: Sampling = Sampling()
    against: str | tuple[Message, ...] | None = None
    continuation: str | None = None

    def key(self, identity: str) -> str:
        """A name for the answer that a model of this identity gives: 32 hexadecimal digits."""
        return hashlib.blake2b(f"{identity}\n{self.text()}".encode(), digest_size=16).hexdigest()

    def text(self) -> str:
        """Everything that decides the answer, as JSON."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)


@dataclass(frozen=True)
class Answer:
    """What a model said.

    Attributes:
        text: The text, without the stop text.
        finish: "stop": it ended by itself or before a stop text; "length": it was cut off; "given": it was asked about.
        prompt_tokens: Of the prompt; None where the model does not count them.
        tokens: That were written, the end of the text included, or of the given continuation.
        log_probability: The sum over these tokens of `log p(token | what is before)` in nats, at a temperature of 1 and
            without guidance; None where the model does not say.
    """

    text: str
    finish: Literal["stop", "length", "given"] = "stop"
    prompt_tokens: int | None = None
    tokens: int | None = None
    log_probability: float | None = None


@dataclass(frozen=True)
class Refusal:
    """A request has no answer, and why; it is not kept, so that the next run asks again."""

    why: str


@runtime_checkable
class LanguageModel(Protocol):
    """Whatever answers requests. `Generator` keeps what it says, and is what the rest of the library asks."""

    @property
    def identity(self) -> str:
        """What decides the answers beside the request, in a line: no secret, and the same in every process."""
        ...

    def answers(self, requests: Iterable[Request]) -> Iterator[tuple[Request, Answer | Refusal]]:
        """Each request with its answer as soon as there is one, in any order.

        Requests are taken one by one, when there is room for another: an iterable that ends early ends the work.
        """
        ...
