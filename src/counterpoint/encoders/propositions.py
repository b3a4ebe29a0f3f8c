"""Parts of a text as vectors: a text is encoded once, and each part is the mean of its tokens' states."""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from counterpoint.encoders._wrapper import Each, Wrapper
from counterpoint.encoders.features import Features, lengths, sum_by_text
from counterpoint.encoders.pooling import pool
from counterpoint.encoders.transformer import TransformerEncoder
from counterpoint.errors import InputError, refuse_string

SEPARATOR, GAP = "\t", " ... "
"""Between a text and its propositions; between what belongs to one proposition and does not stand together."""


class PropositionEncoder(Wrapper):
    """A text's propositions, each as the mean of the states of its tokens in the whole text, then a layer of its own.

    A text is followed by its propositions, tabs between: "A man rides a horse\\tA man\\trides a horse". Each stands in
    the text word for word, whatever its case; " ... " in it is where it leaves words out. A vector is
    `W_2 relu(W_1 h + b_1) + b_2` of the mean `h` of the proposition's tokens. What is encoded is the first of a text's
    propositions; of a text without any, or where a longer text was cut before one, all tokens as the encoder pools
    them. `EachProposition` gives all of them. Features have one more key, `inside` `(t, p)`: which tokens are of which
    proposition.

    Source: Chen et al. 2023, "Sub-Sentence Encoder: Contrastive Learning of Propositional Semantic Representations",
    and the authors' code.

    Args:
        encoder: Of the text.
        mlp: Whether there are these two layers; else the mean itself is the vector.

    Raises:
        InputError: Its tokenizer does not say where tokens stand in a text; in a call, a proposition that is no part
            of its text.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> bert = small_transformer(["a man rides a horse"], layers=1, width=8, heads=2)
        >>> encoder = PropositionEncoder(bert)
        >>> inside = encoder.tokenize(["A man rides a horse\\tA man\\ta man ... a horse"])["inside"]
        >>> inside.int().T.tolist()  # [CLS] a man rides a horse [SEP]
        [[0, 1, 1, 0, 0, 0, 0], [0, 1, 1, 0, 1, 1, 0]]
    """

    encoder: TransformerEncoder

    def __init__(self, encoder: TransformerEncoder, *, mlp: bool = True) -> None:
        super().__init__(encoder)
        if getattr(encoder.tokenizer, "backend_tokenizer", None) is None:
            raise InputError("this tokenizer does not say where tokens stand", fix="give a model with a fast one")
        self.mlp, self.max_seq_length = mlp, encoder.max_seq_length
        layers = (nn.Linear(self.width, self.width), nn.ReLU(), nn.Linear(self.width, self.width))
        self.layers = nn.Sequential(*layers) if mlp else nn.Identity()

    def each(self, features: Features) -> Float[Tensor, "n p d"]:
        """A vector of each proposition, one or more a text; all tokens where there is none."""
        hidden, offsets, inside = self.encoder._hidden(features), features["offsets"], features["inside"]
        n = len(offsets) - 1
        text = torch.repeat_interleave(torch.arange(n, device=offsets.device), lengths(features))
        whole = pool(hidden, offsets, self.encoder.pooling, features.get("prompt"))
        found = []
        for part in inside.unbind(1) if inside.shape[1] else [torch.zeros_like(text, dtype=torch.bool)]:
            number = torch.zeros(n, device=text.device).index_add(0, text, part.float())[:, None].to(whole)
            mean = sum_by_text(hidden * part[:, None], text, n) / number.clamp_min(1)
            found.append(torch.where(number > 0, mean, whole))
        z = torch.stack(found, 1)
        for head in self.encoder.heads:
            z = head(z)
        vectors: Tensor = self.layers(z)
        return vectors

    def _flat(self, texts: list[str]) -> Features:
        rows = [text.split(SEPARATOR) for text in texts]
        # as the encoder sees them
        plain = [row[0].strip() for row in rows]
        rows = [[text, *row[1:]] for text, row in zip(plain, rows, strict=True)]
        features = self.encoder._flat(plain)
        return {**features, "inside": inside_parts(self.encoder, rows, features)}

    def _mark_prompt(self, features: Features, prompt: str) -> Features:
        return self.encoder._mark_prompt(features, prompt)

    def _embed(self, features: Features) -> Float[Tensor, "n d"]:
        return self.each(features)[:, 0]


class EachProposition(Each[PropositionEncoder]):
    """All propositions of a text, `(n, p, d)`: what is trained in the place of a `PropositionEncoder` and holds it.

    Args:
        encoder: It.

    Raises:
        InputError: It is none.

    Examples:
        >>> from counterpoint.data.items import Items
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> bert = small_transformer(["a man rides a horse"], layers=1, width=8, heads=2)
        >>> each = EachProposition(PropositionEncoder(bert))
        >>> texts = Items("text", ["a man rides a horse\\ta man\\trides a horse", "a horse\\ta horse"])
        >>> each(each.inputs(texts)).shape
        torch.Size([2, 2, 8])
    """

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__(encoder, PropositionEncoder, "knows propositions")

    def forward(self, features: Features) -> Float[Tensor, "n p d"]:
        """Of a text with fewer propositions than another the last are those of all its tokens."""
        encoder = self.encoder
        features = {name: value.to(encoder.device) for name, value in features.items()}
        if len(features["offsets"]) == 1:
            # as of `TextEncoder`: with gradient
            most = max(1, features["inside"].shape[1])
            return torch.zeros(0, most, self.dim, device=encoder.device, requires_grad=torch.is_grad_enabled())
        z = encoder.each(features)[..., : encoder.dim]
        return F.normalize(z, dim=-1) if encoder.normalize else z


def inside_parts(encoder: TransformerEncoder, rows: Sequence[Sequence[str]], features: Features) -> Bool[Tensor, "t p"]:
    """Which tokens of texts are of which of their parts.

    Args:
        encoder: Its tokenizer says where tokens stand.
        rows: Of each text it, as the encoder reads it, and its parts.
        features: What the encoder has just made of the texts, before anything else.

    Raises:
        InputError: A part does not stand in its text.
    """
    plain, lower = [row[0] for row in rows], encoder.do_lower_case
    # set by the encoder just now: the same tokens, and where they stand
    places = encoder.tokenizer.backend_tokenizer.encode_batch([p.lower() if lower else p for p in plain])
    inside = torch.zeros(len(features["input_ids"]), max((len(row) - 1 for row in rows), default=0)).bool()
    for row, text, place, start in zip(rows, plain, places, features["offsets"].tolist(), strict=False):
        for p, part in enumerate(row[1:]):
            spans = _spans(text, part)
            for t, (begin, end) in enumerate(place.offsets):
                inside[start + t, p] = any(begin < last and first < end for first, last in spans)
    return inside


def _spans(text: str, proposition: str) -> list[tuple[int, int]]:
    """Where its parts stand, one after the other."""
    found, start = [], 0
    for part in proposition.split(GAP):
        words = re.compile(rf"(?<!\w){re.escape(part.strip())}(?!\w)", re.IGNORECASE)
        place = words.search(text, start) if part.strip() else None
        if place is None:
            raise InputError(f"{part!r} does not stand in {text!r}", fix="give parts of a text for its propositions")
        found.append(place.span())
        start = place.end()
    return found


def marked(text: str, propositions: Sequence[str]) -> str:
    """A text with its propositions, as `PropositionEncoder` reads it.

    Examples:
        >>> marked("A man  rides", ["A man", "rides"])
        'A man rides\\tA man\\trides'
    """
    refuse_string(propositions, "propositions")
    return SEPARATOR.join(" ".join(part.split()) for part in (text, *propositions))


def unmarked(text: str) -> list[str]:
    """A text and its parts, as `marked` was given them; a text in which tabs are something else is one alone.

    Examples:
        >>> unmarked("A man rides\\tA man\\trides"), unmarked("name\\tof a column")
        (['A man rides', 'A man', 'rides'], ['name\\tof a column'])
    """
    whole, *parts = text.split(SEPARATOR)
    try:
        for part in parts:
            _spans(whole, part)
    except InputError:
        return [text]
    return [whole, *parts]
