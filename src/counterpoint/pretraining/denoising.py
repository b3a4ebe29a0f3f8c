"""A denoising auto-encoder: the text is written again from one vector of what is left of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from jaxtyping import Float, Int
from torch import Tensor, nn

from counterpoint.encoders import Features, TransformerEncoder, lengths, pool, take
from counterpoint.errors import InputError
from counterpoint.pretraining._base import Guessing
from counterpoint.training.payload import Payload


class Denoising(Guessing):
    """TSDAE: a decoder guesses each token from those before it and the encoder's vector of the text with deletions.

    `- sum_t log p(x_t | x_<t, s)`, a mean over all tokens of the batch, with `s` the pooled vector of the text of which
    a share of the tokens was deleted; the decoder's cross-attention sees `s` and nothing else. Special tokens, and one
    other of each text, stay. Source: Wang, Reimers and Gurevych 2021, "TSDAE: Using Transformer-based Sequential
    Denoising Auto-Encoder for Unsupervised Sentence Embedding Learning", section 3, and the authors' code in
    sentence-transformers. They tie the decoder's layers to the encoder's, too; here it has token vectors in common with
    it and layers of its own, so that any encoder will do.

    Args:
        encoder: What is trained.
        texts: The corpus, or what its tokenizer makes of it.
        share: Of the tokens, or words, that are deleted; 0.6 is theirs.
        layers: Of the decoder; as many as the encoder has, if not given.
        whole_words: Words are deleted, with all their tokens.
        bias: Whether tokens have one.

    Raises:
        InputError: A share out of 0 to 1.

    Examples:
        >>> import torch
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> texts = ["a small corpus", "of two texts"]
        >>> task = Denoising(small_transformer(texts, layers=1, width=16, vocab_size=60), texts)
        >>> payload = task.payload(torch.arange(2))
        >>> task(payload.inputs).shape  # each text after its first token
        torch.Size([2, 4, 16])
    """

    terms: ClassVar[tuple[str, ...]] = ("rebuilt",)

    def __init__(
        self,
        encoder: TransformerEncoder,
        texts: Sequence[str] | Features,
        *,
        share: float = 0.6,
        layers: int | None = None,
        whole_words: bool = False,
        bias: bool = True,
    ) -> None:
        if not 0 <= share < 1:
            raise InputError(f"the share of deleted tokens is {share}", fix="give one from 0 to below 1")
        super().__init__(encoder, texts, whole_words=whole_words, bias=bias)
        self._share = share
        config = encoder.model.config
        width, heads = int(config.hidden_size), int(config.num_attention_heads)
        self.position = nn.Embedding(encoder.max_seq_length, width)
        nn.init.normal_(self.position.weight, std=0.02)
        layer = nn.TransformerDecoderLayer(width, heads, 4 * width, activation="gelu", batch_first=True)
        self.decoder = nn.TransformerDecoder(layer, config.num_hidden_layers if layers is None else layers)

    def payload(self, rows: Int[Tensor, " b"], among: Int[Tensor, " n"] | None = None) -> Payload:
        """These texts with some tokens deleted, and as they were."""
        del among
        whole = take(self._features, rows)
        inputs = self._thinned(whole, self._share)
        return self._payload(inputs, inputs["whole"][:, 1:], cost=lengths(whole))

    def forward(self, features: Features) -> Float[Tensor, "n m d"]:
        """The decoder's transformed state before each token but the first."""
        features = self._on_device(features)
        memory, mask = self._remembered(features)
        before = features["whole"][:, :-1]
        x = self._table[before.clamp_min(0)] + self.position.weight[: before.shape[1]]
        unseen = nn.Transformer.generate_square_subsequent_mask(before.shape[1], device=x.device, dtype=x.dtype)
        mask = None if mask is None else mask.to(x)
        states = self.decoder(x, memory.to(x), tgt_mask=unseen, tgt_is_causal=True, memory_mask=mask)
        out: Tensor = self.transform(states)
        return out

    def _remembered(self, features: Features) -> tuple[Float[Tensor, "n k d"], Float[Tensor, "nh m k"] | None]:
        """What the cross-attention sees of each text; and what is added to its scores before the softmax, if anything.

        Of each text the heads follow each other.
        """
        return pool(self.encoder._hidden(features), features["offsets"], self.encoder.pooling)[:, None], None
