"""A masked autoencoder of texts: the encoder reads what is not masked, a shallow decoder guesses the rest."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from counterpoint.encoders import Features, TransformerEncoder, take
from counterpoint.encoders.features import places as places_of
from counterpoint.errors import InputError
from counterpoint.pretraining._base import picked, places, spread
from counterpoint.pretraining.masked import MaskedLM
from counterpoint.training.payload import Payload

_MASKED, _READ = 0, 1
"""Of a place, in `whole`; -1: there is none."""


class MaskedAutoencoder(MaskedLM):
    """MAE-LM: the encoder never sees a mask token, so that none of its dimensions is spent on it.

    The chosen tokens are left out of the text, and the others keep their places: `h = encoder(x_i, i not chosen)`. The
    decoder's input at place i is `h_i`, or the mask token's vector where i was chosen, plus a position vector of the
    decoder's own, normalised. A few layers without dropout follow; what they leave at a chosen place meets the
    vocabulary as `Guessing` says, and the loss is the mean over all chosen places. Afterwards the decoder is dropped.

    Source: Meng et al. 2024, "Representation Deficiency in Masked Language Modeling", as the authors' code has it (four
    layers, every chosen token left out). Their attention knows relative places, too, in encoder and decoder; here both
    have what the encoder's architecture has, and the decoder position vectors alone.

    Args:
        encoder: Its model is trained; its tokenizer must have a mask token and put a special one in each text.
        texts: The corpus, or what its tokenizer makes of it.
        layers: Of the decoder.
        unseen: Whether the encoder does not see the chosen places. If it does, it sees a mask token there, whose states
            the decoder is not shown: what leaving them out is compared with.
        share: Of the tokens, or words, that are chosen.
        whole_words: Words are chosen, with all their tokens.
        bias: Whether tokens have one.

    Raises:
        InputError: As `MaskedLM`, or there would be nothing left of a text of which all is chosen.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> texts = ["a small corpus", "of two texts"]
        >>> task = MaskedAutoencoder(small_transformer(texts, layers=1, width=16, vocab_size=60), texts, share=0.9)
        >>> payload = task.payload(torch.arange(2))
        >>> bool((payload.inputs["input_ids"] == task.encoder.tokenizer.mask_token_id).any())
        False
        >>> task(payload.inputs).shape[::2]  # so many texts, so many dimensions
        torch.Size([2, 16])
    """

    def __init__(
        self,
        encoder: TransformerEncoder,
        texts: Sequence[str] | Features,
        *,
        layers: int = 4,
        unseen: bool = True,
        share: float = 0.15,
        whole_words: bool = False,
        bias: bool = True,
    ) -> None:
        super().__init__(encoder, texts, share=share, whole_words=whole_words, bias=bias)
        if not encoder.tokenizer.num_special_tokens_to_add():
            raise InputError(
                "the tokenizer puts no special token in a text, so that nothing may be left of one",
                fix="choose mlm, or a model with such tokens",
            )
        config = encoder.model.config
        width = int(config.hidden_size)
        self._unseen = unseen
        self.position = nn.Embedding(encoder.max_seq_length, width)
        nn.init.normal_(self.position.weight, std=0.02)
        self.before = nn.LayerNorm(width)
        layer = nn.TransformerEncoderLayer(
            width, int(config.num_attention_heads), 4 * width, dropout=0.0, activation="gelu", batch_first=True
        )
        self.decoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)

    def payload(self, rows: Int[Tensor, " b"], among: Int[Tensor, " n"] | None = None) -> Payload:
        """These texts without some of their tokens, and which those were."""
        del among
        features = take(self._features, rows)
        ids, chosen = features["input_ids"], self._choose(features)
        at, every = places(chosen, features["offsets"]), places(torch.ones_like(chosen), features["offsets"])
        target = torch.full_like(at, -1).masked_scatter(at >= 0, ids[chosen])
        whole = torch.full_like(every, -1).masked_scatter(every >= 0, torch.where(chosen, _MASKED, _READ))
        read = ~chosen if self._unseen else torch.ones_like(chosen)
        text = torch.repeat_interleave(torch.arange(len(rows)), features["offsets"].diff())
        counts = torch.bincount(text[read], minlength=len(rows))
        shown = ids.masked_fill(chosen, self.encoder.tokenizer.mask_token_id)
        inputs = {
            **features,
            "input_ids": shown[read],
            "position_ids": places_of(features)[read],
            "offsets": nn.functional.pad(counts.cumsum(0), (1, 0)),
            "whole": whole,
            "at": at,
        }
        return self._payload(inputs, target, cost=features["offsets"].diff())

    def forward(self, features: Features) -> Float[Tensor, "n m d"]:
        """The decoder's transformed states of the chosen places of each text."""
        features = self._on_device(features)
        whole, at = features["whole"], features["at"]
        h = spread(self.encoder._hidden(features), whole == _READ if self._unseen else whole >= 0)
        mask = self._table[self.encoder.tokenizer.mask_token_id]
        x = torch.where((whole == _MASKED)[..., None], mask.to(h), h)
        x = self.before(x + self.position.weight[: whole.shape[1]])
        states = self.decoder(x, src_key_padding_mask=whole < 0)
        return spread(self.transform(picked(states, at)), at >= 0)
