"""Guessing tokens of a sentence from its translation: one vector of the other language stands before what is left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from counterpoint.encoders import Features, TransformerEncoder, concat, lengths, pool, take
from counterpoint.errors import InputError, refuse_string
from counterpoint.geometry import Dot, Euclidean
from counterpoint.objectives import Alignment, InfoNCE, KoLeo, Objective, Only, Sum
from counterpoint.points import Points
from counterpoint.pretraining._base import at_places, places, spread
from counterpoint.pretraining.masked import MaskedLM
from counterpoint.training._processes import Processes
from counterpoint.training.payload import Arguments, Payload

Both: TypeAlias = tuple[Features, Features]
"""Sentences and their translations, some tokens masked; `at` says which, `target` what they were."""
TOKENS, SENTENCES = 0, 1
"""Of points, the column `kind`; of tokens the column `side` says which language they are of."""


class CrossUnmasking(MaskedLM):
    """MEXMA: tokens of a sentence are guessed from the rest of it and the vector of its translation, both ways round.

    With `c` the vector of a whole sentence, the loss is `(CE_a + CE_b) / 2 + MSE(c_a, c_b) + 0.01 (KoLeo(c_a) +
    KoLeo(c_b)) / 2`. `CE_a` is the mean cross-entropy over the masked tokens of a: a small transformer sees the states
    of the masked sentence, and in place of its first the vector of the whole b; what it leaves at a masked place meets
    the vocabulary's vectors, which are the encoder's, and biases. It drops states as the encoder does, and no
    attention. MSE is the mean over dimensions, of vectors as long as they are. Gradients flow through vectors and
    tokens. The paper's vector is [CLS]; here it is whatever the encoder pools. Source: Janeiro et al. 2024, "MEXMA:
    Token-level objectives improve sentence representations", and the authors' code.

    Args:
        encoder: What is trained; its tokenizer must have a mask token.
        texts: Sentences.
        others: Their translations, one each.
        share: Of the tokens of both that are masked.
        layers: Of the small transformer.
        heads: Of its attention.
        tokens: Whether the gradient reaches the encoder through the states of the masked sentence, too.

    Raises:
        InputError: As `MaskedLM`, and for other numbers of translations.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> first, second = ["a small corpus", "of two texts"], ["ein kleiner Korpus", "aus zwei Texten"]
        >>> encoder = small_transformer([*first, *second], layers=1, width=16, vocab_size=80)
        >>> task = CrossUnmasking(encoder, first, second)
        >>> payload = task.payload(torch.arange(2))
        >>> call = payload.arguments(task(payload.inputs))
        >>> bool(task.objective()(**call) > 0), call["queries"].columns["kind"].sum().item()
        (True, 2)
    """

    def __init__(
        self,
        encoder: TransformerEncoder,
        texts: Sequence[str],
        others: Sequence[str],
        *,
        share: float = 0.4,
        layers: int = 6,
        heads: int = 8,
        tokens: bool = True,
    ) -> None:
        refuse_string(texts, "texts")
        refuse_string(others, "others")
        if len(texts) != len(others):
            raise InputError(f"{len(texts)} sentences and {len(others)} translations", fix="give one each")
        super().__init__(encoder, [*texts, *others], share=share, bias=True)
        self._tokens = tokens
        width = int(encoder.model.config.hidden_size)
        self.transform = nn.Sequential()  # what the small transformer leaves meets the vocabulary as it is
        drop = float(getattr(encoder.model.config, "hidden_dropout_prob", 0.1))
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, drop, activation="gelu", batch_first=True)
        layer.self_attn.dropout = 0.0
        self.head = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)

    @classmethod
    def objective(cls) -> Objective:
        """The sum of the class, of the points that `payload` makes."""
        guessed = [Only("side", side, InfoNCE(1.0, geometry=Dot())) for side in (0, 1)]
        alike = Sum(Alignment(geometry=Euclidean()), KoLeo(), weights=(1.0, 0.01))
        return Sum(Only("kind", TOKENS, Sum(*guessed, weights=(0.5, 0.5))), Only("kind", SENTENCES, alike))

    def __len__(self) -> int:
        return super().__len__() // 2

    def payload(self, rows: Int[Tensor, " b"], among: Int[Tensor, " n"] | None = None) -> Payload:
        """These sentences and their translations, with some tokens of each masked."""
        del among
        both = (self._asked(rows), self._asked(rows + len(self)))
        target = torch.cat([side["target"] for side in both], 1)
        side = torch.cat([torch.full((part["at"].shape[1],), i) for i, part in enumerate(both)])
        number = len(self._table) + rows  # beyond those of tokens

        def arguments(z: Float[Tensor, "n m d"]) -> Arguments:
            sought = target.to(z.device)
            there = sought >= 0
            guessed = {"sample": sought[there], "side": side.to(z.device).expand_as(sought)[there]}
            # the mean over dimensions is then their squared distance
            c = z[:, :2] / z.shape[2] ** 0.5
            whole = {"sample": number.to(z.device), "side": torch.full_like(number, -1, device=z.device)}
            queries = _joined(_with(z[:, 2:][there], 1.0), guessed, _with(c[:, 0], 0.0), whole)
            vocabulary, _ = self._keys()
            # all processes' keys are gathered: each is there once
            mine = Processes.current().share(torch.arange(len(vocabulary), device=z.device))
            sample = {"sample": whole["sample"]}
            return {
                "queries": queries,
                "keys": _joined(vocabulary[mine], {"sample": mine}, _with(c[:, 1], 0.0), sample),
            }

        cost = sum(lengths(part) for part in both)
        assert isinstance(cost, Tensor)
        return Payload(both, cost, lambda pair, some: tuple(take(part, some) for part in pair), arguments)

    def _asked(self, rows: Int[Tensor, " b"]) -> Features:
        inputs = super().payload(rows).inputs
        target = torch.full_like(inputs["at"], -1)
        original, there = at_places(take(self._features, rows)["input_ids"], inputs, inputs["at"])
        return {**inputs, "target": target.masked_scatter(there, original)}

    def forward(self, features: Any) -> Float[Tensor, "n m d"]:
        """Of each row both vectors, then what stands at the masked places of the first sentence, and of the second."""
        both = [self._on_device(part) for part in features]
        shown = [{name: part[name] for name in ("input_ids", "offsets")} for part in both]
        whole = [{**plain, "input_ids": _as_it_was(part)} for plain, part in zip(shown, both, strict=True)]
        # one forward of four kinds of texts
        states = self.encoder._hidden(concat([*whole, *shown]))
        h = states.split([len(part["input_ids"]) for part in (*whole, *shown)])
        a, b = (pool(h[i], both[i]["offsets"], self.encoder.pooling) for i in (0, 1))
        guessed = [self._guessed(both[0], h[2], b), self._guessed(both[1], h[3], a)]
        return torch.cat([torch.stack([a, b], 1), *guessed], 1)

    def _guessed(self, features: Features, h: Float[Tensor, "t d"], other: Float[Tensor, "n d"]) -> Tensor:
        """States after the small transformer at the masked places."""
        ids = features["input_ids"]
        there = places(torch.ones_like(ids, dtype=torch.bool), features["offsets"]) >= 0
        h = h if self._tokens else h.detach()
        x = torch.cat([other[:, None].to(h), spread(h, there)[:, 1:]], 1)
        at = features["at"]
        left = self.head(x, src_key_padding_mask=~there)
        picked: Tensor = left.gather(1, at.clamp_min(0)[..., None].expand(-1, -1, left.shape[2]))
        return picked


def _as_it_was(features: Features) -> Int[Tensor, " t"]:
    ids, at = features["input_ids"].clone(), features["at"]
    there = at >= 0
    ids[(features["offsets"][:-1, None] + at)[there]] = features["target"][there]
    return ids


def _with(z: Float[Tensor, "n d"], last: float) -> Float[Tensor, "n d_plus_1"]:
    """One more dimension, in which vocabulary keys have their bias."""
    return torch.cat([z, z.new_full((len(z), 1), last)], 1)


def _joined(tokens: Tensor, of_tokens: dict[str, Tensor], sentences: Tensor, of_sentences: dict[str, Tensor]) -> Points:
    parts = []
    for kind, z, columns in ((TOKENS, tokens, of_tokens), (SENTENCES, sentences, of_sentences)):
        sample = columns["sample"]
        parts.append(Points(z, {**columns, "kind": torch.full_like(sample, kind)}))
    return Points.cat(parts)
