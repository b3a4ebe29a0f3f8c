"""Texts within a template, such as 'This sentence : "..." means [MASK].', whose mask token says what they mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from counterpoint.encoders._wrapper import Wrapper
from counterpoint.encoders.features import BY_TOKEN, Features, from_ids, lengths
from counterpoint.encoders.transformer import TransformerEncoder
from counterpoint.errors import InputError, refuse_string

MASK = "[MASK]"
"""Stands in a template for whatever the model's mask token is."""


class Frame(NamedTuple):
    """A template's tokens.

    Attributes:
        before: What stands before the text.
        after: What stands after it.
        place: Of the token that is asked, counted from the last of `after`, 0.
    """

    before: list[int]
    after: list[int]
    place: int


class TemplateEncoder(Wrapper):
    """The last state of the mask token of a template that every text stands in.

    Of a model without a mask token, a causal one, templates end before [MASK], and the last token is asked. With
    `denoise` the vector in training is `h(x in T) - h(T)`: what the template says by itself, its tokens at the places
    where they stand around the text, is taken off, with gradient through both.

    Texts become tokens without templates. A view may put some of them in another template than the first: the key
    `template` `(n,)` of the features is its number.

    Source: Jiang et al. 2022, "PromptBERT: Improving BERT Sentence Embeddings with Prompts", and the authors' code,
    where unsupervised, which denoises in training only.

    Args:
        encoder: Of the tokens; of its pooling nothing is used.
        templates: The first is that of texts as they are. Each has one {}, and [MASK] after it.
        denoise: See above.

    Raises:
        InputError: No templates, or one without place for text or mask; no room for a text within them; in a call,
            a template that there is not, or tokens that are moved or scaled.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> bert = small_transformer(["this means that."], layers=1, width=8, heads=2)
        >>> encoder = TemplateEncoder(bert, ['this : "{}" means [MASK].'])
        >>> rows = encoder.within(encoder.tokenize(["that"]))["input_ids"]
        >>> "".join(bert.tokenizer.convert_ids_to_tokens(rows.tolist())[-4:]), encoder.encode(["that"]).shape
        ('means[MASK].[SEP]', (1, 8))
    """

    layer = -1
    """Whose state it is: of the last."""

    encoder: TransformerEncoder

    def __init__(self, encoder: TransformerEncoder, templates: Sequence[str], *, denoise: bool = False) -> None:
        refuse_string(templates, "templates")
        if not templates:
            raise InputError("there is no template", fix=f"such as 'This sentence : \"{{}}\" means {MASK}.'")
        super().__init__(encoder)
        self.templates, self.denoise = tuple(templates), denoise
        # what the tokenizer puts around every text
        special = [i in encoder.special_tokens for i in encoder._token_ids(["a"])[0]]
        self._first, self._last = special.index(False), special[::-1].index(False)
        self._frames = [self._frame(template) for template in templates]
        most = max(len(frame.before) + len(frame.after) for frame in self._frames)
        self.max_seq_length = encoder.max_seq_length - most
        if self.max_seq_length <= self._first + self._last:
            raise InputError(
                f"templates of {most} tokens leave no room for text in {encoder.max_seq_length}",
                fix="give shorter ones, or a model that reads more",
            )

    @property
    def longest(self) -> int:
        """See `TextEncoder`: without the templates."""
        return self.encoder.longest - (self.encoder.max_seq_length - self.max_seq_length)

    def within(self, features: Features) -> Features:
        """Each text in its template."""
        ids = features["input_ids"].tolist()
        ends = features["offsets"].tolist()
        rows = []
        for i, number in enumerate(self._numbers(features).tolist()):
            row, frame = ids[ends[i] : ends[i + 1]], self._frames[number]
            stop = len(row) - self._last
            rows.append([*row[: self._first], *frame.before, *row[self._first : stop], *frame.after, *row[stop:]])
        return self._like(features, rows)

    def alone(self, features: Features) -> Features:
        """The template of each text without it, its tokens at the places where they stand around the text.

        Examples:
            >>> from counterpoint.encoders.scratch import small_transformer
            >>> bert = small_transformer(["a b c means that d"], layers=1, width=8, heads=2)
            >>> encoder = TemplateEncoder(bert, ["a {} means [MASK]"])
            >>> alone = encoder.alone(encoder.tokenize(["b c d"]))
            >>> bert.tokenizer.convert_ids_to_tokens(alone["input_ids"].tolist()), alone["position_ids"].tolist()
            (['[CLS]', 'a', 'means', '[MASK]', '[SEP]'], [0, 1, 5, 6, 7])
        """
        ids, ends = features["input_ids"].tolist(), features["offsets"].tolist()
        rows, places = [], list[int]()
        for i, number in enumerate(self._numbers(features).tolist()):
            row, frame = ids[ends[i] : ends[i + 1]], self._frames[number]
            begin, stop = row[: self._first] + frame.before, len(row) - self._last
            rows.append([*begin, *frame.after, *row[stop:]])
            text = stop - self._first
            places += [*range(len(begin)), *range(len(begin) + text, len(rows[-1]) + text)]
        return {**self._like(features, rows), "position_ids": torch.tensor(places).to(features["input_ids"].device)}

    def _numbers(self, features: Features) -> Int[Tensor, " n"]:
        numbers = features.get("template", torch.zeros_like(lengths(features)))
        if len(numbers) and int(numbers.max()) >= len(self._frames):
            raise InputError(f"template {int(numbers.max())} of {len(self._frames)}", fix="choose one that there is")
        return numbers

    def _like(self, features: Features, rows: Sequence[Sequence[int]]) -> Features:
        if changed := sorted(set(BY_TOKEN[1:]) & set(features)):
            raise InputError(f"{changed[0]} of tokens, which stand in a template", fix="choose a view of words")
        made = from_ids(rows)
        return {name: made.get(name, value).to(value.device) for name, value in features.items()}

    def _frame(self, template: str) -> Frame:
        before, text, after = template.partition("{}")
        if not text or "{}" in after or after.count(MASK) != 1 or MASK in before:
            raise InputError(f"the template {template!r}", fix=f"give it one {{}}, and {MASK} once after it")
        mask = self.encoder.tokenizer.mask_token
        asked = after.replace(MASK, mask) if mask else after.partition(MASK)[0]
        first, last = self._bare(before), self._bare(asked)
        place = last.index(self.encoder.tokenizer.mask_token_id) if mask else len(last) - 1
        return Frame(first, last, len(last) - 1 - place)

    def _bare(self, text: str) -> list[int]:
        """The tokens of a part of a template, which may be nothing."""
        row = self.encoder._token_ids([text])[0] if text.strip() else []
        return list(row[self._first : len(row) - self._last])

    def _flat(self, texts: list[str]) -> Features:
        rows, cut = self.encoder._ids_and_cut(texts)
        stop = self.max_seq_length - self._last
        kept = [[*row[:stop], *row[len(row) - self._last :]] if len(row) > self.max_seq_length else row for row in rows]
        shorter = [a or len(row) > self.max_seq_length for a, row in zip(cut, rows, strict=True)]
        return {**from_ids(kept), "cut": torch.tensor(shorter, dtype=torch.bool)}

    def _embed(self, features: Features) -> Float[Tensor, "n d"]:
        z_nd = self._asked(self.within(features), features)
        if self.training and self.denoise:
            z_nd = z_nd - self._asked(self.alone(features), features)
        for head in self.encoder.heads:
            z_nd = head(z_nd)
        return z_nd

    def _asked(self, seen: Features, features: Features) -> Float[Tensor, "n d"]:
        """The state of the token that is asked, of each text or template."""
        back = torch.tensor([frame.place for frame in self._frames]).to(seen["offsets"].device)
        at = seen["offsets"][1:] - 1 - self._last - back[self._numbers(features)]
        return self.encoder._hidden(seen, self.layer)[at]


class TemplateMean(TemplateEncoder):
    r"""The mean over several templates of the state of the token that is asked, `z(x) = 1/k sum_i h(x in T_i)`.

    Each template asks something else of a text, such as its topic and its feeling: none is a view of the others, and a
    view that chooses one changes nothing. States are not scaled before the mean, so that longer ones weigh more.

    Source: Lei et al. 2024, "Meta-Task Prompting Elicits Embeddings from Large Language Models", and the authors' code.

    Args:
        encoder: See `TemplateEncoder`.
        templates: Likewise; all of them are asked.
        layer: After which layer the state is taken, 0: the embeddings; -1: after the last, and after whatever
            normalisation follows it, which earlier ones are taken without.

    Raises:
        InputError: A layer that there is not; see also `TemplateEncoder`.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> bert = small_transformer(["it is about, and feels"], layers=2, width=8, heads=2)
        >>> encoder = TemplateMean(bert, ["{} is about [MASK]", "{} feels [MASK]"], layer=1)
        >>> encoder.each(encoder.tokenize(["it", "and it"])).shape, encoder.encode(["it", "and it"]).shape
        (torch.Size([2, 2, 8]), (2, 8))
    """

    def __init__(self, encoder: TransformerEncoder, templates: Sequence[str], *, layer: int = -1) -> None:
        super().__init__(encoder, templates)
        there = int(encoder.model.config.num_hidden_layers)
        if not -1 <= layer <= there:
            raise InputError(f"layer {layer} of {there}", fix=f"give 0 to {there}, or -1 for the last")
        self.layer = layer

    def each(self, features: Features) -> Float[Tensor, "k n d"]:
        """What each template says of each text."""
        like = torch.zeros_like(lengths(features))
        numbered = [{**features, "template": like + i} for i in range(len(self.templates))]
        return torch.stack([self._asked(self.within(one), one) for one in numbered])

    def _embed(self, features: Features) -> Float[Tensor, "n d"]:
        z_nd = self.each(features).mean(0)
        for head in self.encoder.heads:
            z_nd = head(z_nd)
        return z_nd
