"""Replaced-token detection: a generator fills masked places in, and the encoder says of each token who wrote it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from counterpoint.encoders import Features, TransformerEncoder, take
from counterpoint.pretraining._base import at_places, places, spread, transform
from counterpoint.pretraining.masked import MaskedLM
from counterpoint.training.payload import Payload


class ReplacedTokens(MaskedLM):
    """ELECTRA: `L_MLM(generator) + 50 L_Disc(encoder)`, the latter `-log D` or `-log (1 - D)` of every token.

    Chosen tokens are masked, the generator guesses them, and what is drawn from its guesses is put in their place; a
    token that comes out as it was counts as not replaced. No gradient passes the drawing. With `u` the encoder's
    transformed state, `D = sigmoid(w . u + b)` is a softmax over two keys, 0 and (w, b). The generator is a quarter as
    wide and has the encoder's token vectors. Source: Clark et al. 2020, "ELECTRA: Pre-training Text Encoders as
    Discriminators Rather Than Generators", section 2; they share position vectors, too, which not every encoder has.

    Args:
        encoder: What tells replaced tokens; its tokenizer must have a mask token.
        texts: The corpus, or what its tokenizer makes of it.
        bias: Whether the vocabulary's tokens have one.
        **options: See `MaskedLM`.

    Raises:
        InputError: As `MaskedLM`.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> texts = ["a small corpus", "of two texts"]
        >>> task = ReplacedTokens(small_transformer(texts, layers=1, width=64, vocab_size=60), texts, share=0.5)
        >>> payload = task.payload(torch.arange(2))
        >>> payload.arguments(task(payload.inputs))["keys"].columns["term"].sum().item()
        2
    """

    terms: ClassVar[tuple[str, ...]] = ("generated", "replaced")
    weights: ClassVar[tuple[float, ...]] = (1.0, 50.0)

    def __init__(
        self,
        encoder: TransformerEncoder,
        texts: Sequence[str] | Features,
        *,
        bias: bool = True,
        **options: Any,
    ) -> None:
        import transformers

        super().__init__(encoder, texts, bias=bias, **options)
        config = encoder.model.config
        width, narrow = int(config.hidden_size), 64 * max(1, int(config.hidden_size) // 256)
        model = transformers.ElectraModel(
            transformers.ElectraConfig(
                vocab_size=len(self._table), embedding_size=width, hidden_size=narrow, intermediate_size=4 * narrow,
                num_attention_heads=narrow // 64, num_hidden_layers=config.num_hidden_layers,
                max_position_embeddings=max(encoder.positions, encoder.max_seq_length), pad_token_id=encoder._pad,
            )
        )  # fmt: skip
        model.set_input_embeddings(encoder.model.get_input_embeddings())
        self.generator = TransformerEncoder(model, encoder.tokenizer, max_seq_length=encoder.max_seq_length)
        self.guess = transform(narrow, width)
        self.replaced = nn.Parameter(torch.cat([torch.randn(width) * 0.02, torch.zeros(1)]))

    def payload(self, rows: Int[Tensor, " b"], among: Int[Tensor, " n"] | None = None) -> Payload:
        """These texts, with the places that are filled in and those that are judged: all but special tokens."""
        del among
        features = take(self._features, rows)
        ids, offsets = features["input_ids"], features["offsets"]
        at, judged = places(self._choose(features), offsets), places(~torch.isin(ids, self._special), offsets)
        guessed = torch.full_like(at, -1).masked_scatter(at >= 0, at_places(ids, features, at)[0])
        target = torch.cat([guessed, torch.where(judged >= 0, len(self._table), -1)], 1)
        term = torch.cat([torch.zeros(at.shape[1]), torch.ones(judged.shape[1])]).long()
        return self._payload({**features, "at": at, "judged": judged}, target, term)

    def forward(self, features: Features) -> Float[Tensor, "n m d"]:
        """States of the generator's places, then the encoder's of all, each of these with whether it was replaced.

        What is drawn is known here alone, so it goes the way of the vectors.
        """
        features = self._on_device(features)
        ids, at = features["input_ids"], features["at"]
        index = (features["offsets"][:-1, None] + at)[at >= 0]
        masked = ids.index_fill(0, index, self.encoder.tokenizer.mask_token_id)
        guesses = self.guess(self.generator._hidden({**features, "input_ids": masked})[index])
        with torch.no_grad():
            scores = guesses.float() @ self._table.T.float()
            drawn = torch.multinomial(torch.softmax(scores if self.bias is None else scores + self.bias, 1), 1)[:, 0]
        seen = ids.index_copy(0, index, drawn)
        hidden, there = at_places(self.encoder._hidden({**features, "input_ids": seen}), features, features["judged"])
        replaced, _ = at_places(seen != ids, features, features["judged"])
        h = self.transform(hidden)
        judged = spread(torch.cat([h, replaced.to(h)[:, None]], 1), there)
        return torch.cat([nn.functional.pad(spread(guesses, at >= 0), (0, 1)).to(judged), judged], 1)

    def _targets(self, z: Float[Tensor, "n m d"], target: Int[Tensor, "n m"]) -> Int[Tensor, "n m"]:
        return torch.where(target >= 0, target + (z[..., -1] > 0.5), target)

    def _keys(self) -> tuple[Float[Tensor, "v d"], Int[Tensor, " v"] | None]:
        tokens, _ = super()._keys()
        two = torch.stack([torch.zeros_like(self.replaced), self.replaced])[:, : tokens.shape[1]]
        return torch.cat([tokens, two]), torch.tensor([0] * len(tokens) + [1, 1])
