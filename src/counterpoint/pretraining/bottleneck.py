"""Pre-training for retrieval: a weak decoder needs the encoder's one vector, so that the vector must hold the text."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from counterpoint.encoders import Features, TransformerEncoder, pool, take
from counterpoint.pretraining._base import at_places, picked, places, spread
from counterpoint.pretraining.masked import MaskedLM
from counterpoint.training.payload import Payload


class Bottleneck(MaskedLM, abc.ABC):
    """A masked LM whose masked text has a second reader, which sees the pooled vector and little else of the encoder.

    The loss is the sum of both means: of the encoder's own masked places, and of those that the decoder is asked for.
    The papers' vector is the first token's, [CLS]; here it is whatever the encoder pools. A subclass gives `asked` and
    `decoded`.

    Args:
        encoder: Its model is trained; its tokenizer must have a mask token.
        texts: The corpus, or what its tokenizer makes of it.
        bias: Whether tokens have one.
        **options: See `MaskedLM`.

    Raises:
        InputError: As `MaskedLM`.
    """

    terms: ClassVar[tuple[str, ...]] = ("masked", "decoded")
    weights: ClassVar[tuple[float, ...]] = (1.0, 1.0)

    def __init__(
        self,
        encoder: TransformerEncoder,
        texts: Sequence[str] | Features,
        *,
        bias: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(encoder, texts, bias=bias, **options)

    @abc.abstractmethod
    def asked(self, features: Features, at: Int[Tensor, "n m"]) -> Int[Tensor, "n k"]:
        """The places of each text that the decoder is asked for, -1: no more.

        Args:
            features: The texts as they are.
            at: The places that the encoder is asked for.
        """

    @abc.abstractmethod
    def decoded(self, features: Features, early: Float[Tensor, "t d"], s: Float[Tensor, "n d"]) -> Float[Tensor, "p d"]:
        """The decoder's states of its places `features["asked"]`, one after the other.

        Args:
            features: What the encoder saw; `whole` are the tokens as they were, (n, l), -1: no more.
            early: The encoder's states after half of its layers.
            s: Each text's vector.
        """

    def payload(self, rows: Int[Tensor, " b"], among: Int[Tensor, " n"] | None = None) -> Payload:
        """These texts with some tokens masked, and what is asked of the decoder."""
        masked = super().payload(rows, among).inputs
        features = take(self._features, rows)
        ids, at = features["input_ids"], masked["at"]
        asked, every = self.asked(features, at), places(torch.ones_like(ids, dtype=torch.bool), features["offsets"])
        targets = [torch.full_like(where, -1).masked_scatter(where >= 0, at_places(ids, features, where)[0])
                   for where in (at, asked, every)]  # fmt: skip
        term = torch.cat([torch.zeros(at.shape[1]), torch.ones(asked.shape[1])]).long()
        return self._payload({**masked, "asked": asked, "whole": targets[2]}, torch.cat(targets[:2], 1), term)

    def forward(self, features: Features) -> Float[Tensor, "n m d"]:
        """Transformed states of the encoder's masked places, then the decoder's."""
        return self._read(features)[1]

    def _read(self, features: Features) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n m d"]]:
        """Each text's vector, and what `forward` gives."""
        features = self._on_device(features)
        half = int(self.encoder.model.config.num_hidden_layers) // 2
        early, hidden = self.encoder._layers(features, (half, -1))
        s = pool(hidden, features["offsets"], self.encoder.pooling).to(hidden)
        h, there = at_places(hidden, features, features["at"])
        masked, more = self.transform(h), self.transform(self.decoded(features, early, s))
        return s, torch.cat([spread(masked, there), spread(more, features["asked"] >= 0)], 1)


class Condenser(Bottleneck):
    """Two layers over the vector in place of the first token, and the other tokens' states after half of the layers.

    They are asked for the masked tokens again: what late layers know can reach them by the vector alone. It is the
    pre-training of coCondenser, too, whose contrast of spans is `InfoNCE` and no part of it. Source: Gao and Callan
    2021, "Condenser: a Pre-training Architecture for Dense Retrieval", section 3.2, equations 4 to 7, and their code
    (two layers, the encoder's own loss beside, `--late_mlm`).

    Args:
        encoder: See `Bottleneck`.
        texts: See `Bottleneck`.
        **options: See `Bottleneck`.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> texts = ["a small corpus", "of two texts"]
        >>> task = Condenser(small_transformer(texts, layers=2, width=16, vocab_size=60), texts, share=0.9)
        >>> payload = task.payload(torch.arange(2))
        >>> len(payload.arguments(task(payload.inputs))["keys"]) == task.encoder.model.config.vocab_size
        True
    """

    def __init__(self, encoder: TransformerEncoder, texts: Sequence[str] | Features, **options: Any) -> None:
        super().__init__(encoder, texts, **options)
        config = encoder.model.config
        width = int(config.hidden_size)
        self.head = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(width, int(config.num_attention_heads), 4 * width, activation="gelu",
                                       batch_first=True),
            2, enable_nested_tensor=False,
        )  # fmt: skip

    def asked(self, features: Features, at: Int[Tensor, "n m"]) -> Int[Tensor, "n k"]:
        """The masked ones."""
        del features
        return at

    def decoded(self, features: Features, early: Float[Tensor, "t d"], s: Float[Tensor, "n d"]) -> Float[Tensor, "p d"]:
        """See the class."""
        there = features["whole"] >= 0
        x = torch.cat([s[:, None], spread(early, there)[:, 1:]], 1)
        return picked(self.head(x, src_key_padding_mask=~there), features["asked"])


class RetroMAE(Bottleneck):
    """One layer of attention in which every token is written again from the vector and a part of the other tokens.

    Queries are the vector, at every place with its position: `H1 = [s + p_0, ..., s + p_N]`; keys and values the vector
    and the token vectors: `H2 = [s, e_1 + p_1, ..., e_N + p_N]`. Each place sees the first, and half of the others,
    drawn for each place, and never itself. The encoder does not see 30% of the tokens. Source: Xiao et al. 2022,
    "RetroMAE: Pre-Training Retrieval-oriented Language Models Via Masked Auto-Encoder", section 3.3, equations 3 to 8,
    and their code (which draws a mask for each place, as here).

    Args:
        encoder: See `Bottleneck`.
        texts: See `Bottleneck`.
        share: Of the tokens, or words, that the encoder does not see.
        hidden: Of the other tokens, which a place of the decoder does not see.
        **options: See `Bottleneck`.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> texts = ["a small corpus", "of two texts"]
        >>> task = RetroMAE(small_transformer(texts, layers=2, width=16, vocab_size=60), texts)
        >>> payload = task.payload(torch.arange(2))
        >>> payload.arguments(task(payload.inputs))["queries"].columns["term"].sum().item()  # all but special tokens
        6
    """

    def __init__(
        self,
        encoder: TransformerEncoder,
        texts: Sequence[str] | Features,
        *,
        share: float = 0.3,
        hidden: float = 0.5,
        **options: Any,
    ) -> None:
        super().__init__(encoder, texts, share=share, **options)
        config = encoder.model.config
        width = int(config.hidden_size)
        self._unseen = hidden
        self.position = nn.Embedding(encoder.max_seq_length, width)
        nn.init.normal_(self.position.weight, std=0.02)
        self.attention = nn.MultiheadAttention(width, int(config.num_attention_heads), batch_first=True)
        self.after = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.wide = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def asked(self, features: Features, at: Int[Tensor, "n m"]) -> Int[Tensor, "n k"]:
        """All but special tokens."""
        del at
        return places(~torch.isin(features["input_ids"], self._special), features["offsets"])

    def decoded(self, features: Features, early: Float[Tensor, "t d"], s: Float[Tensor, "n d"]) -> Float[Tensor, "p d"]:
        """See the class."""
        del early
        whole = features["whole"]
        position = self.position.weight[: whole.shape[1]]
        queries = s[:, None] + position
        keys = torch.cat([s[:, None], (self._table[whole.clamp_min(0)] + position)[:, 1:]], 1)
        unseen = unseen_keys(whole >= 0, self._unseen).repeat_interleave(self.attention.num_heads, 0)
        x = self.after[0](queries + self.attention(queries, keys, keys, attn_mask=unseen, need_weights=False)[0])
        return picked(self.after[1](x + self.wide(x)), features["asked"])


def unseen_keys(there: Bool[Tensor, "n l"], share: float) -> Bool[Tensor, "n l l"]:
    """Which keys each place does not see: padding, itself, and a share of the others, never the first.

    Examples:
        >>> unseen_keys(torch.tensor([[True, True, False]]), 0.0).int().tolist()
        [[[0, 0, 1], [0, 1, 1], [0, 0, 1]]]
    """
    n, length = there.shape
    unseen = (torch.rand(n, length, length, device=there.device) < share) | ~there[:, None, :]
    unseen |= torch.eye(length, dtype=torch.bool, device=there.device)
    unseen[:, :, 0] = False
    return unseen
