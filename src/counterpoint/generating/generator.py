"""A language model and all that was asked of it: kept, resumed, counted, asked again where it answers nonsense."""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

from counterpoint.errors import InputError, refuse_string
from counterpoint.generating._kept import Kept
from counterpoint.generating.asking import Answer, LanguageModel, Message, Prompt, Refusal, Request, Sampling
from counterpoint.generating.parsing import whole

T = TypeVar("T")
Progress = Callable[[int, int], None]
"""Called with how many requests are answered and how many there are."""


@dataclass(frozen=True)
class Result(Generic[T]):
    """What became of one question.

    Attributes:
        value: What was asked for; None where nothing that was said is of that kind, or nothing was said.
        answers: All that was said, in order; the last is what `value` was read from.
        failure: Why there is no value; "" where there is one.
    """

    value: T | None
    answers: tuple[Answer, ...] = ()
    failure: str = ""


@dataclass(frozen=True)
class Price:
    """What a million tokens cost, of prompts and of what is written, in any currency.

    Raises:
        InputError: Less than nothing, or no number.

    Examples:
        >>> Price(0.5, 1.5).of(2_000_000, 1_000_000)
        2.5
    """

    prompt: float
    written: float

    def __post_init__(self) -> None:
        if not (0 <= self.prompt < math.inf and 0 <= self.written < math.inf):
            raise InputError(f"a price of {self.prompt:g} and {self.written:g}", fix="give 0 or more for each")

    def of(self, prompt_tokens: int, tokens: int) -> float:
        """The cost of so many tokens."""
        return (self.prompt * prompt_tokens + self.written * tokens) / 1e6


@dataclass
class Account:
    """What a generator's questions came to so far.

    Attributes:
        asked: Requests that the model answered.
        kept: Answers that were there already, and cost nothing.
        refused: Requests that had no answer.
        prompt_tokens: Of the prompts that were answered.
        tokens: That were written for them.
        uncounted: Answers without a count of tokens.
        seconds: That it took.
        price: Of the tokens, if it is known.
    """

    asked: int = 0
    kept: int = 0
    refused: int = 0
    prompt_tokens: int = 0
    tokens: int = 0
    uncounted: int = 0
    seconds: float = 0.0
    price: Price | None = None

    @property
    def cost(self) -> float | None:
        """In the price's currency; None without a price."""
        return None if self.price is None else self.price.of(self.prompt_tokens, self.tokens)

    def add(self, answer: Answer | Refusal) -> None:
        """Count what the model just said."""
        if isinstance(answer, Refusal):
            self.refused += 1
            return
        self.asked += 1
        self.prompt_tokens += answer.prompt_tokens or 0
        self.tokens += answer.tokens or 0
        self.uncounted += answer.prompt_tokens is None or answer.tokens is None

    def sentence(self) -> str:
        """All of it in a line.

        Examples:
            >>> Account(asked=2, kept=1, prompt_tokens=30, tokens=12, seconds=4.0, price=Price(1, 2)).sentence()
            '2 answers new, 1 kept; 30 tokens read, 12 written; 4.0 s; cost 0.0001'
        """
        said = f"{self.asked:,} answer{'s' * (self.asked != 1)} new, {self.kept:,} kept"
        said += f", {self.refused:,} refused" * (self.refused > 0)
        said += f"; {self.prompt_tokens:,} tokens read, {self.tokens:,} written"
        said += f" ({self.uncounted:,} answers not counted)" * (self.uncounted > 0)
        said += f"; {self.seconds:,.1f} s"
        return said if self.cost is None else f"{said}; cost {self.cost:,.4f}"


class Generator:
    """A language model whose answers are kept, so that nothing is asked twice and a stopped run goes on.

    Answers are kept by the model's identity, the prompt and the sampling. Each draw has a seed of its own, from
    `Sampling.seed`, the number of the sample and of the try, and the prompt: what one prompt is answered does not hang
    on the others, and equal prompts have equal answers.

    Args:
        model: Any `LanguageModel`: `CausalLM`, `Endpoint`, `Rules`, your own.
        folder: Where answers are kept, by several processes if need be; None keeps them as long as this object lives.
        price: Of a million tokens.
        budget: In the price's currency: no more requests (of a local model: batches) begin once this object's new
            answers have cost so much.
        progress: True shows a bar with the time left on standard error; or a function of (done, total).

    Raises:
        InputError: The folder cannot be used, there is a budget without a price, or of nothing.

    Examples:
        >>> from counterpoint.generating import Rules, number
        >>> judge = Generator(Rules(lambda prompt, draw: draw.choice(["Score: 0.8", "no idea"])))
        >>> results = judge.ask(["Are they alike?", "And these?"], number(0, 1), Sampling(temperature=1))
        >>> [result.value for (result,) in results], judge.account.asked
        ([0.8, 0.8], 4)
    """

    def __init__(
        self,
        model: LanguageModel,
        folder: str | os.PathLike[str] | None = None,
        *,
        price: Price | None = None,
        budget: float | None = None,
        progress: bool | Progress = False,
    ) -> None:
        if budget is not None and price is None:
            raise InputError("a budget without a price", fix="give the price of a million tokens, too")
        if budget is not None and not budget > 0:
            raise InputError(f"a budget of {budget:g} is spent before anything is asked", fix="give more than 0")
        self.model, self.budget, self.progress = model, budget, progress
        self.account = Account(price=price)
        self._kept = Kept(None if folder is None else Path(folder))

    def ask(
        self,
        prompts: Sequence[Prompt],
        parse: Callable[[Answer], T] | Sequence[Callable[[Answer], T]] = whole,  # type: ignore[assignment]
        sampling: Sampling = Sampling(),
        *,
        samples: int = 1,
        tries: int = 3,
        against: Sequence[Prompt] | None = None,
    ) -> list[list[Result[T]]]:
        """What the model writes after each prompt, as what it was asked for.

        What cannot be parsed is asked again with another seed, and has failed after `tries`. With a temperature of 0
        the model would say the same again, and is asked once.

        Args:
            prompts: n prompts.
            parse: From an answer to what was asked for; it raises a `ValueError` where the answer is something else.
                One for all, or one a prompt. See `counterpoint.generating.parsing`.
            sampling: How texts are drawn.
            samples: Draws a prompt.
            tries: Requests for one draw, at most.
            against: A prompt for each, whose continuations become less likely (`Sampling.guidance`).

        Returns:
            For each prompt its `samples` results, failures among them.

        Raises:
            InputError: Samples of a temperature of 0, wrong numbers of arguments, or the work cannot go on: all answers
                that there are have been kept.
        """
        refuse_string(prompts, "prompts")
        parsers = [parse] * len(prompts) if callable(parse) else list(parse)
        others: Sequence[Prompt | None] = [None] * len(prompts) if against is None else against
        if not len(prompts) == len(parsers) == len(others):
            raise InputError("not as many parsers, or prompts to write against, as prompts", fix="give one for each")
        if samples < 1 or tries < 1:
            raise InputError(f"{samples} samples, {tries} tries", fix="give 1 or more")
        if samples > 1 and not sampling.temperature:
            raise InputError(f"{samples} samples of a temperature of 0 are all the same", fix="give a temperature")
        said: dict[tuple[int, int], list[Answer]] = {(i, s): [] for i in range(len(prompts)) for s in range(samples)}
        results: dict[tuple[int, int], Result[T]] = {}
        for attempt in range(tries if sampling.temperature else 1):
            drawn = {
                (i, s): _request(prompts[i], sampling, others[i], s, attempt) for i, s in said if (i, s) not in results
            }
            answers = self._answers(drawn.values())
            for slot, request in drawn.items():
                answer = answers[request]
                if isinstance(answer, Refusal):
                    results[slot] = Result(None, tuple(said[slot]), answer.why)
                    continue
                said[slot].append(answer)
                try:
                    results[slot] = Result(parsers[slot[0]](answer), tuple(said[slot]))
                except ValueError as error:
                    last = attempt + 1 == tries or not sampling.temperature
                    if last:
                        results[slot] = Result(None, tuple(said[slot]), str(error))
        return [[results[i, s] for s in range(samples)] for i in range(len(prompts))]

    def weigh(self, prompts: Sequence[Prompt], texts: Sequence[Sequence[str]]) -> list[list[Result[float]]]:
        """The log-probability of given texts after each prompt: `sum_t log p(token_t | prompt, tokens before)`, nats.

        Args:
            prompts: n prompts.
            texts: Those of each, any number.

        Returns:
            For each prompt a result for each of its texts; `result.answers[0].tokens` is what to divide by for a mean.

        Examples:
            >>> from counterpoint.generating import Rules
            >>> judge = Generator(Rules(lambda prompt, draw: "", weigh=lambda prompt, text: -float(len(text))))
            >>> [result.value for result in judge.weigh(["Is it relevant?"], [["yes", "no"]])[0]]
            [-3.0, -2.0]
        """
        refuse_string(prompts, "prompts")
        if len(prompts) != len(texts):
            raise InputError(f"texts for {len(texts)} prompts, and {len(prompts)} prompts", fix="give some for each")
        for several in texts:
            refuse_string(several, "the texts of a prompt")
        asked = [
            [Request(_frozen(prompt), continuation=text) for text in several]
            for prompt, several in zip(prompts, texts, strict=True)
        ]
        answers = self._answers([request for several in asked for request in several])
        return [[_weight(answers[request]) for request in several] for several in asked]

    def _answers(self, requests: Iterable[Request]) -> dict[Request, Answer | Refusal]:
        """The answer to each distinct request, kept or new."""
        begin, model = time.monotonic(), self.model.identity
        keys = {request.key(model): request for request in requests}
        there = self._kept.get(keys)
        done: dict[Request, Answer | Refusal] = {**there}
        missing = [request for request in keys.values() if request not in done]
        self.account.kept += len(done)
        try:
            with _reporting(self.progress, len(keys), len(done), self.account) as report:
                for request, answer in self._asked(missing):
                    self.account.add(answer)
                    if isinstance(answer, Answer):
                        answer = self._kept.put(model, request, answer)
                        if self.budget is not None and self.account.uncounted:
                            fix = "leave the budget out"
                            raise InputError("the model does not count its tokens, so no budget can be kept", fix=fix)
                    done[request] = answer
                    report(len(done))
        finally:
            self.account.seconds += time.monotonic() - begin
        if left := len(keys) - len(done):
            fix = "give more and run the same again: what was answered is kept"
            raise InputError(f"the budget of {self.budget:g} is spent, and {left:,} requests are left", fix=fix)
        return done

    def _asked(self, requests: Sequence[Request]) -> Iterator[tuple[Request, Answer | Refusal]]:
        """What the model says. A local one reads all requests first: with a budget it has a batch of them at a time."""
        batch = 0 if self.budget is None else getattr(self.model, "batch_size", 0)
        size = batch or max(1, len(requests))
        for begin in range(0, len(requests), size):
            yield from self.model.answers(self._affordable(requests[begin : begin + size]))

    def _affordable(self, requests: Iterable[Request]) -> Iterator[Request]:
        for request in requests:
            if self.budget is not None and (self.account.cost or 0.0) >= self.budget:
                return
            yield request


def _request(prompt: Prompt, sampling: Sampling, against: Prompt | None, sample: int, attempt: int) -> Request:
    """One draw, without what changes nothing of it: a seed where none is drawn, guidance where nothing guides."""
    frozen, other = _frozen(prompt), None if against is None else _frozen(against)
    sampling = sampling if other is not None else replace(sampling, guidance=1.0)
    if not sampling.temperature:
        return Request(frozen, replace(sampling, seed=0, top_p=1.0), other)
    text = repr((sampling.seed, sample, attempt, frozen))
    seed = int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).digest(), "big") >> 1
    return Request(frozen, replace(sampling, seed=seed), other)


def _frozen(prompt: Prompt) -> str | tuple[Message, ...]:
    return prompt if isinstance(prompt, str) else tuple(prompt)


def _weight(answer: Answer | Refusal) -> Result[float]:
    if isinstance(answer, Refusal):
        return Result(None, (), answer.why)
    if answer.log_probability is None:
        return Result(None, (answer,), "the model gives no log-probabilities")
    return Result(answer.log_probability, (answer,))


@contextlib.contextmanager
def _reporting(progress: bool | Progress, total: int, done: int, account: Account) -> Iterator[Callable[[int], None]]:
    """A function to call with the number of requests that are done."""
    if progress is False or done == total:
        yield lambda _: None
        return
    if callable(progress):
        yield lambda done: progress(done, total)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("asking"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[said]}"))
    with Bar(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=total - done, said="")

        def report(now: int) -> None:
            cost = "" if account.cost is None else f", cost {account.cost:,.4f}"
            bar.update(task, completed=now - done, said=f"{account.tokens:,} tokens{cost}")

        yield report
