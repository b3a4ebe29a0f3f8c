"""Rules in place of a language model: deterministic, without weights."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator

from counterpoint.generating.asking import Answer, Refusal, Request


class Rules:
    """A function in place of a language model, for tests and wherever a rule says it as well.

    Tokens are counted as words. Sampling's stop texts and `max_tokens` hold as for any model.

    Args:
        write: From the prompt (of turns: their contents, a line each) and random numbers of this draw to the answer.
        name: Tells rules apart where answers are kept: other rules, another name.
        weigh: From a prompt and a continuation to the continuation's log-probability in nats; None: they are refused.

    Examples:
        >>> shout = Rules(lambda prompt, draw: prompt.upper() + draw.choice("?!"))
        >>> [answer.text for _, answer in shout.answers([Request("a plane takes off")])]
        ['A PLANE TAKES OFF!']
    """

    def __init__(
        self,
        write: Callable[[str, random.Random], str],
        *,
        name: str = "rules",
        weigh: Callable[[str, str], float] | None = None,
    ) -> None:
        self.write, self.name, self.weigh = write, name, weigh

    @property
    def identity(self) -> str:
        """The name."""
        return f"rules {self.name}"

    def answers(self, requests: Iterable[Request]) -> Iterator[tuple[Request, Answer | Refusal]]:
        """See `LanguageModel`."""
        for request in requests:
            yield request, self._answer(request)

    def _answer(self, request: Request) -> Answer | Refusal:
        prompt = request.prompt if isinstance(request.prompt, str) else "\n".join(m.content for m in request.prompt)
        asked = len(prompt.split())
        if request.continuation is not None:
            if self.weigh is None:
                return Refusal("these rules weigh no texts")
            words, weight = len(request.continuation.split()), self.weigh(prompt, request.continuation)
            return Answer(request.continuation, "given", asked, words, weight)
        text = cut(self.write(prompt, random.Random(request.sampling.seed)), request.sampling.stop)
        said, most = text.split(), request.sampling.max_tokens
        if len(said) > most:
            return Answer(" ".join(said[:most]), "length", asked, most)
        return Answer(text, "stop", asked, len(said))


def cut(text: str, stop: Iterable[str]) -> str:
    """The text before the first stop text in it.

    Examples:
        >>> cut("one. two; three", [";", "."])
        'one'
    """
    return text[: min((at for s in stop if (at := text.find(s)) >= 0), default=len(text))]
