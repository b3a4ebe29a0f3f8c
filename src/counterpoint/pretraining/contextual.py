"""Pre-training for retrieval by context: from a text's one vector shallow decoders guess other texts' tokens."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from counterpoint.encoders import Features, TransformerEncoder, pool, take
from counterpoint.errors import InputError
from counterpoint.pretraining._base import at_places, picked, places, spread
from counterpoint.pretraining.groups import Groups
from counterpoint.pretraining.masked import MaskedLM
from counterpoint.training.payload import Payload


class ContextDecoding(MaskedLM, abc.ABC):
    """A masked LM whose texts have decoders, which read another text behind the first one's vector.

    With `s` what the encoder pools of text A's states and `x_1, x_2, ...` what its embedding layer makes of text B's
    tokens, a decoder reads `[s, x_2, x_3, ...]`: the vector stands in place of the first token. What it leaves at
    places that are asked for meets the vocabulary by the encoder's own layer, as `Guessing` says. A decoder is dropped
    afterwards. A subclass says in its payload which text is read behind which vector.

    Args:
        encoder: Its model is trained; its tokenizer must have a mask token.
        texts: The corpus, or what its tokenizer makes of it.
        decoders: How many.
        layers: Of each.
        bias: Whether tokens have one.
        **options: See `MaskedLM`.

    Raises:
        InputError: As `MaskedLM`, or the model has no embedding layer of its own, as BERT and its kin have.
    """

    def __init__(
        self,
        encoder: TransformerEncoder,
        texts: Sequence[str] | Features,
        *,
        decoders: int = 1,
        layers: int = 2,
        bias: bool = True,
        **options: Any,
    ) -> None:
        if not isinstance(getattr(encoder.model, "embeddings", None), nn.Module):
            kind = encoder.model.config.model_type
            raise InputError(f"a {kind} has no embedding layer that a decoder could share", fix="give a BERT or kin")
        super().__init__(encoder, texts, bias=bias, **options)
        self.decoders = nn.ModuleList(self.decoder(layers) for _ in range(decoders))

    def decoder(self, layers: int) -> nn.Module:
        """One, of so many layers like the encoder's, which attend to all places."""
        config = self.encoder.model.config
        width = int(config.hidden_size)
        layer = nn.TransformerEncoderLayer(
            width, int(config.num_attention_heads), 4 * width, activation="gelu", batch_first=True
        )
        return nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)

    def hidden(self, there: Bool[Tensor, "n l"]) -> Bool[Tensor, "l l"] | None:
        """Which keys each place of a decoder does not see beside padding, if any."""
        del there
        return None

    def read(
        self, features: Features, chosen: Bool[Tensor, " t"], *, masked: bool = True
    ) -> tuple[Int[Tensor, "n l"], Int[Tensor, "n k"], Int[Tensor, "n k"]]:
        """What a decoder reads of texts, -1: no more; the places that it is asked for; and the tokens there.

        Args:
            features: The texts.
            chosen: Which of their tokens are asked for; at least one.
            masked: Whether the decoder reads these as masked tokens are shown.
        """
        ids = features["input_ids"]
        every, asked = places(torch.ones_like(chosen), features["offsets"]), places(chosen, features["offsets"])
        shown = self._shown(ids, chosen) if masked else ids
        answers, there = at_places(ids, features, asked)
        reads = torch.full_like(every, -1).masked_scatter(every >= 0, shown)
        return reads, asked, torch.full_like(asked, -1).masked_scatter(there, answers)

    def drawn(self, features: Features, share: float) -> Bool[Tensor, " t"]:
        """A share of the tokens, or words; at least one."""
        chosen = self._draws(features) < share
        chosen[len(chosen) // 2] |= not chosen.any()
        return chosen

    def forward(self, features: Features) -> Float[Tensor, "n m d"]:
        """Transformed states of the encoder's masked places, then of each decoder's places.

        Args:
            features: With `reads i`, what decoder i reads behind each text's vector, and `asked i`, where it is asked.
        """
        features = self._on_device(features)
        states = self.encoder._hidden(features)
        s = pool(states, features["offsets"], self.encoder.pooling).to(states)
        h, there = at_places(states, features, features["at"])
        found = [spread(self.transform(h), there)]
        for i, decoder in enumerate(self.decoders):
            asked = features[f"asked {i}"]
            some = (asked >= 0).any(1)
            if not some.any():
                found.append(found[0].new_zeros(*asked.shape, found[0].shape[2]))
                continue
            reads = features[f"reads {i}"][some]
            x = self.encoder.model.embeddings(input_ids=reads.clamp_min(0))
            x = torch.cat([s[some][:, None], x[:, 1:].to(s)], 1)
            x = decoder(x, mask=self.hidden(reads >= 0), src_key_padding_mask=reads < 0)
            found.append(spread(self.transform(picked(x, asked[some])), asked >= 0))
        return torch.cat(found, 1)


class CoTMAE(ContextDecoding):
    """CoT-MAE: two texts of one document are guessed, each by the encoder, and by a decoder from the other's vector.

    Of each group the first text and another one, drawn anew, are masked for the encoder; the decoder reads each masked
    again and more, behind the vector of the other. The loss is the sum of both means, over the encoder's masked places
    and over the decoder's.

    Source: Wu et al. 2023, "ConTextual Masked Auto-Encoder for Dense Passage Retrieval", and the authors' code.

    Args:
        encoder: See `ContextDecoding`.
        groups: A span, then what is near it in its document.
        share: Of the tokens, or words, that the encoder does not see.
        hidden_share: Of those that the decoder does not see.
        layers: Of the decoder.
        **options: See `ContextDecoding`.

    Raises:
        InputError: As `ContextDecoding` and `Groups`.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> groups = [["a small corpus", "of two texts"], ["which are", "cut in two"]]
        >>> encoder = small_transformer([text for group in groups for text in group], layers=1, width=16, vocab_size=60)
        >>> task = CoTMAE(encoder, groups)
        >>> inputs = task.payload(torch.arange(2)).inputs
        >>> bool((inputs["reads 0"][0, 1] == inputs["input_ids"][1]).all())  # behind a text's vector is the other text
        False
    """

    terms = ("masked", "decoded")
    weights = (1.0, 1.0)

    def __init__(
        self,
        encoder: TransformerEncoder,
        groups: Sequence[Sequence[str]],
        *,
        share: float = 0.3,
        hidden_share: float = 0.45,
        layers: int = 2,
        **options: Any,
    ) -> None:
        if not 0 < hidden_share <= 1:
            raise InputError(f"the decoder does not see a share of {hidden_share}", fix="give one above 0, up to 1")
        self._groups = Groups(groups, anchored=True)
        super().__init__(encoder, self._groups.texts, share=share, layers=layers, **options)
        self._hidden_share = hidden_share

    def __len__(self) -> int:
        return len(self._groups)

    def payload(self, rows: Int[Tensor, " b"], among: Int[Tensor, " n"] | None = None) -> Payload:
        """Two texts of each of these groups, one after the other, each with the other one to be decoded."""
        del among
        first, second = self._groups.draw(rows)
        both = take(self._features, torch.cat([first, second]))
        inputs, target = self._with_masks(both, self._choose(both))
        other = take(self._features, torch.cat([second, first]))
        reads, asked, answers = self.read(other, self.drawn(other, self._hidden_share))
        term = torch.cat([torch.zeros(target.shape[1]), torch.ones(asked.shape[1])]).long()
        return self._payload({**inputs, "reads 0": reads, "asked 0": asked}, torch.cat([target, answers], 1), term)


class QueryDecoding(ContextDecoding):
    """CoT-MAE-qc: a text is guessed by the encoder, and a question about it is written from its vector alone.

    Of each group the first text is masked for the encoder, and another one, drawn anew, is read by the decoder as it is
    and guessed token by token: the state of each place is asked for the next token. A place sees the vector, itself and
    the `window - 1` places before it, so that most of what it can know is the vector's. Its one layer is normalised
    before its parts, and once more at the end. The loss is the sum of both means.

    Source: Wu et al. 2023, "Query-as-context Pre-training for Dense Passage Retrieval", and the authors' code, of whose
    two methods this is the generative one.

    Args:
        encoder: See `ContextDecoding`.
        groups: A passage, then questions about it.
        share: Of the tokens, or words, that the encoder does not see.
        window: Places that one sees beside the vector, itself among them, 1 or more.
        layers: Of the decoder.
        **options: See `ContextDecoding`.

    Raises:
        InputError: As `ContextDecoding` and `Groups`, or no window.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> groups = [["a small corpus", "how small"], ["two texts", "how many texts"]]
        >>> encoder = small_transformer([text for group in groups for text in group], layers=1, width=16, vocab_size=60)
        >>> task = QueryDecoding(encoder, groups, window=1)
        >>> task.hidden(torch.ones(1, 4, dtype=torch.bool)).int().tolist()  # the vector, and itself
        [[0, 1, 1, 1], [0, 0, 1, 1], [0, 1, 0, 1], [0, 1, 1, 0]]
    """

    terms = ("masked", "decoded")
    weights = (1.0, 1.0)

    def __init__(
        self,
        encoder: TransformerEncoder,
        groups: Sequence[Sequence[str]],
        *,
        share: float = 0.3,
        window: int = 3,
        layers: int = 1,
        **options: Any,
    ) -> None:
        if window < 1:
            raise InputError(f"a window of {window}", fix="give 1 or more")
        self._groups, self._window = Groups(groups, anchored=True), window
        super().__init__(encoder, self._groups.texts, share=share, layers=layers, **options)

    def __len__(self) -> int:
        return len(self._groups)

    def decoder(self, layers: int) -> nn.Module:
        """Layers as GPT-2's."""
        config = self.encoder.model.config
        width = int(config.hidden_size)
        layer = nn.TransformerEncoderLayer(
            width, int(config.num_attention_heads), 4 * width, activation="gelu", batch_first=True, norm_first=True
        )
        return nn.TransformerEncoder(layer, layers, nn.LayerNorm(width), enable_nested_tensor=False)

    def hidden(self, there: Bool[Tensor, "n l"]) -> Bool[Tensor, "l l"] | None:
        """What comes later, and what came before the window, but for the vector."""
        at = torch.arange(there.shape[1], device=there.device)
        back = at[:, None] - at
        unseen = (back < 0) | (back >= self._window)
        unseen[:, 0] = False
        return unseen

    def payload(self, rows: Int[Tensor, " b"], among: Int[Tensor, " n"] | None = None) -> Payload:
        """The first text of each of these groups, each with another one to be written."""
        del among
        first, second = self._groups.draw(rows)
        passages = take(self._features, first)
        inputs, target = self._with_masks(passages, self._choose(passages))
        other = take(self._features, second)
        later = torch.ones_like(other["input_ids"], dtype=torch.bool)
        later[other["offsets"][:-1]] = False
        reads, next_at, answers = self.read(other, later, masked=False)
        asked = torch.where(next_at >= 0, next_at - 1, -1)
        term = torch.cat([torch.zeros(target.shape[1]), torch.ones(asked.shape[1])]).long()
        return self._payload({**inputs, "reads 0": reads, "asked 0": asked}, torch.cat([target, answers], 1), term)
