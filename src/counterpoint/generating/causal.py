"""A local causal language model, of transformers."""

from __future__ import annotations

import hashlib
import inspect
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

import torch
from jaxtyping import Float, Int
from torch import Tensor

from counterpoint.encoders import fast_bfloat16
from counterpoint.encoders._checkpoint import loading, need_gguf, resolve
from counterpoint.errors import InputError
from counterpoint.generating.asking import Answer, Message, Refusal, Request, Sampling
from counterpoint.generating.rules import cut

_STEP = 32
"""Prompts are padded to the next multiple of so many tokens: rows of one batch have one such length."""


class CausalLM:
    """A causal language model on this machine: prompts in batches, padded on the left, keys and values kept.

    What it answers hangs on the request alone, not on what else is asked: every draw has random numbers of its own,
    and a batch always has `batch_size` rows of a length that the prompt alone decides, so that each row is computed in
    the same shapes whatever its company. (On another processor, in another precision or with another `batch_size`
    logits differ by rounding, and so may a text from the token on where two are about as likely.)

    Args:
        model: A `transformers` model with a head for the next token.
        tokenizer: Its tokenizer.
        batch_size: Rows computed at once.
        chat: Whether prompts are turns, put into the tokenizer's chat template; None where it has one.

    Examples:
        >>> lm = CausalLM.load("runs/smollm2")  # doctest: +SKIP
        >>> next(lm.answers([Request("Say it in other words: a plane takes off")]))[1].text  # doctest: +SKIP
        'An aircraft leaves the ground.'
    """

    def __init__(self, model: Any, tokenizer: Any, *, batch_size: int = 16, chat: bool | None = None) -> None:
        if batch_size < 1:
            raise InputError(f"batch_size is {batch_size}", fix="give 1 or more")
        self.model, self.tokenizer, self.batch_size = model.eval(), tokenizer, batch_size
        templated = bool(getattr(tokenizer, "chat_template", None))
        self.chat = templated if chat is None else chat
        if self.chat and not templated:
            raise InputError("the tokenizer has no chat template", fix="give chat=False")
        ends = [getattr(model.generation_config, "eos_token_id", None), tokenizer.eos_token_id]
        self._ends = {n for end in ends if end is not None for n in (end if isinstance(end, list) else [end])}
        self._takes = inspect.signature(model.forward).parameters
        # any token does where the mask is 0
        self._pad = min(self._ends, default=0)
        self._context = int(getattr(model.config, "max_position_embeddings", 0) or 2**31)

    @classmethod
    def load(
        cls,
        name: str | os.PathLike[str],
        *,
        gguf_file: str | None = None,
        dtype: Literal["auto", "float32", "bfloat16"] = "auto",
        device: str | torch.device | None = None,
        batch_size: int = 16,
        chat: bool | None = None,
    ) -> Self:
        """A model from a folder, a hub name or a GGUF file.

        Args:
            name: A folder, a name on the Hugging Face hub, or the path of a `.gguf` file.
            gguf_file: The GGUF file in that folder or under that name; its weights are restored to `dtype`.
            dtype: What it computes in; "auto": bfloat16 where the processor is fast at it.
            device: None: the GPU if there is one.
            batch_size: See `CausalLM`.
            chat: See `CausalLM`.

        Raises:
            InputError: There is no such model, or it is none that goes on with texts.
            MissingExtra: A GGUF file without the package `gguf`.
        """
        import transformers

        path = Path(name)
        if path.suffix == ".gguf":
            path, gguf_file = path.parent, path.name
        place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        number = torch.bfloat16 if dtype == "bfloat16" or (dtype == "auto" and fast_bfloat16(place)) else torch.float32
        options: dict[str, Any] = {}
        if gguf_file is None:
            folder = resolve(name)
        else:
            need_gguf()
            folder, options = _with_gguf(path, str(name), gguf_file), {"gguf_file": gguf_file}
        with loading(folder if gguf_file is None else folder / gguf_file):
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True, **options)
            model, info = transformers.AutoModelForCausalLM.from_pretrained(
                folder, dtype=number, local_files_only=True, output_loading_info=True, **options
            )
        if info["missing_keys"]:
            what = f"the model has no weights for {sorted(info['missing_keys'])[0]}"
            raise InputError(what, file=folder, fix="give a model that goes on with texts, with all its files")
        return cls(model.to(place), tokenizer, batch_size=batch_size, chat=chat)

    @cached_property
    def identity(self) -> str:
        """The name of the architecture and a digest of weights, vocabulary and template."""
        tokens = sorted(self.tokenizer.get_vocab().items())
        template = self.tokenizer.chat_template if self.chat else None
        digest = hashlib.blake2b(
            repr((tokens, template, sorted(self._ends))).encode("utf-8", "replace"), digest_size=16
        )
        for name, tensor in sorted(self.model.state_dict().items()):
            digest.update(f"{name} {tensor.dtype}".encode())
            digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
        return f"{type(self.model).__name__} {digest.hexdigest()}"

    def answers(self, requests: Iterable[Request]) -> Iterator[tuple[Request, Answer | Refusal]]:
        """See `LanguageModel`. All requests are read first, and the longest are answered first."""
        shapes: dict[tuple[int, int, bool], list[_Row]] = defaultdict(list)
        for request in requests:
            row = self._row(request)
            if isinstance(row, Refusal):
                yield request, row
            else:
                shapes[row.shape].append(row)
        for (length, kept, _), rows in sorted(shapes.items(), reverse=True):
            for begin in range(0, len(rows), self.batch_size):
                batch = rows[begin : begin + self.batch_size]
                answers = self._weigh(batch, length, kept) if kept else self._write(batch, length)
                yield from zip((row.request for row in batch), answers, strict=True)

    def _row(self, request: Request) -> _Row | Refusal:
        ids = self._tokens(request.prompt)
        against = [] if request.against is None else self._tokens(request.against)
        given: list[int] = []
        if request.continuation is not None:
            given = self.tokenizer(request.continuation, add_special_tokens=False)["input_ids"]
            if not given:
                return Refusal("the text to be weighed has no tokens")
        if not ids or (request.against is not None and not against):
            return Refusal("the prompt has no tokens")
        longest = max(len(ids) + len(given), len(against))
        if longest + (not given) > self._context:
            return Refusal(f"the prompt has {longest:,} tokens, and the model takes {self._context:,}")
        return _Row(request, ids, against, given, self._context - longest)

    def _tokens(self, prompt: str | tuple[Message, ...]) -> list[int]:
        if not self.chat:
            if not isinstance(prompt, str):
                raise InputError("the model takes no turns", fix="give texts, or a model with a chat template")
            return list(self.tokenizer(prompt)["input_ids"])
        turns = (Message("user", prompt),) if isinstance(prompt, str) else prompt
        said = [{"role": turn.role, "content": turn.content} for turn in turns]
        try:
            text = self.tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
        except Exception as error:  # a template is a program of the model's, and raises what it likes
            roles = ", ".join(turn.role for turn in turns)
            raise InputError(f"the model's chat template takes no such turns ({roles}): {error}") from error
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    @torch.inference_mode()
    def _write(self, rows: list[_Row], length: int) -> list[Answer]:
        """The texts of rows whose prompts are padded to one length."""
        n = self.batch_size
        filled = rows + rows[:1] * (n - len(rows))
        contrasted = bool(rows[0].against)
        ids_nl, mask_nl = self._left([row.ids for row in filled] + [row.against for row in filled] * contrasted, length)
        writers = [_Writer(row, torch.Generator().manual_seed(row.request.sampling.seed)) for row in rows]
        past = None
        while True:
            logits_nv, past = self._forward(ids_nl, mask_nl, past)
            logp_nv = logits_nv[:, -1].float().log_softmax(dim=1).cpu()
            for i, writer in enumerate(writers):
                if not writer.finish:
                    writer.take(logp_nv[i], logp_nv[n + i] if contrasted else None, self)
            if all(writer.finish for writer in writers):
                return [writer.answer() for writer in writers]
            last = torch.tensor([w.ids[-1] for w in writers] + [writers[0].ids[-1]] * (n - len(rows)))
            ids_nl = last.repeat(1 + contrasted)[:, None].to(mask_nl.device)
            mask_nl = torch.cat([mask_nl, torch.ones_like(mask_nl[:, :1])], dim=1)

    @torch.inference_mode()
    def _weigh(self, rows: list[_Row], length: int, kept: int) -> list[Answer]:
        """The log-probabilities of continuations of at most `kept` tokens."""
        filled = rows + rows[:1] * (self.batch_size - len(rows))
        ids_nl, mask_nl = self._left([row.ids + row.given for row in filled], length)
        logits_nkv, _ = self._forward(ids_nl, mask_nl, None, kept + 1)
        logp_nkv = logits_nkv[:, -kept - 1 : -1].float().log_softmax(dim=2)
        answers = []
        for i, row in enumerate(rows):
            own_kv = logp_nkv[i, -len(row.given) :]
            sum_logp = own_kv.gather(1, torch.tensor(row.given, device=own_kv.device)[:, None]).double().sum().item()
            assert row.request.continuation is not None
            answers.append(Answer(row.request.continuation, "given", len(row.ids), len(row.given), sum_logp))
        return answers

    def _left(self, rows: list[list[int]], length: int) -> tuple[Int[Tensor, "n l"], Int[Tensor, "n l"]]:
        """Token ids padded on the left, and where they are."""
        ids_nl = torch.tensor([[self._pad] * (length - len(ids)) + ids for ids in rows])
        mask_nl = torch.tensor([[0] * (length - len(ids)) + [1] * len(ids) for ids in rows])
        return ids_nl.to(self.model.device), mask_nl.to(self.model.device)

    def _forward(
        self, ids_nl: Int[Tensor, "n l"], mask_nl: Int[Tensor, "n k"], past: Any, kept: int = 1
    ) -> tuple[Float[Tensor, "n kept v"], Any]:
        # positions are counted from each row's first token, and not from its padding
        places_nk = (mask_nl.cumsum(dim=1) - 1).clamp(min=0)
        helpful = {"position_ids": places_nk[:, -ids_nl.shape[1] :], "logits_to_keep": kept}
        out = self.model(
            input_ids=ids_nl,
            attention_mask=mask_nl,
            past_key_values=past,
            use_cache=True,
            # not every architecture takes them: it finds positions itself, or gives the logits of all tokens
            **{name: value for name, value in helpful.items() if name in self._takes},
        )
        return out.logits, out.past_key_values


@dataclass(frozen=True)
class _Row:
    """A request as tokens; `room` is left in the model's context."""

    request: Request
    ids: list[int]
    against: list[int]
    given: list[int]
    room: int

    @property
    def shape(self) -> tuple[int, int, bool]:
        """What it shares with the rows of its batch: the length, how much of it is weighed, whether there are two.

        There is padding in every row: without any the model would take another way through the attention.
        """
        longest = max(len(self.ids) + len(self.given), len(self.against))
        return (longest // _STEP + 1) * _STEP, -(-len(self.given) // _STEP) * _STEP, bool(self.against)


class _Writer:
    """A row's text while it is written."""

    def __init__(self, row: _Row, generator: torch.Generator) -> None:
        self.row, self.sampling, self.generator = row, row.request.sampling, generator
        self.most = min(row.room, self.sampling.max_tokens)
        self.ids: list[int] = []
        self.text, self.sum_logp = "", 0.0
        self.finish: Literal["", "stop", "length"] = ""

    def take(self, own_v: Float[Tensor, " v"], against_v: Float[Tensor, " v"] | None, of: CausalLM) -> None:
        """Draw the next token, and see whether the text ends with it."""
        guidance = self.sampling.guidance
        scores_v = own_v if against_v is None else guidance * own_v + (1 - guidance) * against_v
        token = draw(scores_v, self.sampling, self.generator)
        self.ids.append(token)
        self.sum_logp += own_v[token].item()
        ended = token in of._ends
        if ended or self.sampling.stop or len(self.ids) == self.most:
            written = self.ids[:-1] if ended else self.ids
            self.text = of.tokenizer.decode(written, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        shorter = cut(self.text, self.sampling.stop)
        if ended or shorter != self.text:
            self.text, self.finish = shorter, "stop"
        elif len(self.ids) == self.most:
            self.finish = "length"

    def answer(self) -> Answer:
        assert self.finish
        return Answer(self.text, self.finish, len(self.row.ids), len(self.ids), self.sum_logp)


def draw(scores_v: Float[Tensor, " v"], sampling: Sampling, generator: torch.Generator) -> int:
    """The next token: the likeliest at a temperature of 0, else drawn from the nucleus of the softmax.

    Args:
        scores_v: Logits or log-probabilities.
        sampling: Its temperature and top_p.
        generator: One number is drawn from it.

    Examples:
        >>> draw(torch.tensor([0.1, 2.0, 0.3]), Sampling(), torch.Generator())
        1
    """
    if not sampling.temperature:
        return int(scores_v.argmax())
    p_v = (scores_v.double() / sampling.temperature).softmax(dim=0)
    order_v = torch.arange(len(p_v))
    if sampling.top_p < 1:
        p_v, order_v = p_v.sort(descending=True, stable=True)
    upto_v = p_v.cumsum(dim=0)
    if sampling.top_p < 1:
        # the fewest that add up to top_p
        upto_v = upto_v[: int((upto_v < sampling.top_p).sum()) + 1]
    at = torch.rand((), dtype=torch.float64, generator=generator) * upto_v[-1]
    return int(order_v[min(int(torch.searchsorted(upto_v, at, right=True)), len(upto_v) - 1)])


def _with_gguf(path: Path, name: str, gguf_file: str) -> Path:
    """The folder with the GGUF file; a hub name's is fetched."""
    if path.is_dir() or path.is_absolute() or name.startswith((".", "~")) or name.count("/") != 1:
        if not (path / gguf_file).is_file():
            raise InputError("there is no such file", file=path / gguf_file, fix="check the path")
        return path
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(name, gguf_file)).parent
    except Exception as error:  # network, name and permission errors have no common base
        fix = "check the names and the network, or give a local file"
        raise InputError(f"no file {gguf_file!r} of {name!r} could be fetched from the hub", fix=fix) from error
