"""Masked language modelling as contrast: masked places are queries, the vocabulary is the keys."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from counterpoint.encoders import Features, TransformerEncoder, take
from counterpoint.errors import InputError
from counterpoint.pretraining._base import Guessing, at_places, places, spread
from counterpoint.training.payload import Payload


class MaskedLM(Guessing):
    """A transformer that guesses masked tokens.

    A share of the tokens is chosen anew whenever a text is seen; of these 80% become the mask token, 10% a random one,
    10% stay. The loss is as `Guessing` says. Source: Devlin et al. 2019, section 3.1 and appendix A.1; masks drawn anew
    each time: Liu et al. 2019 (RoBERTa), section 4.1; whole words: the authors' code of BERT, May 2019.

    Args:
        encoder: Its model is trained; its tokenizer must have a mask token.
        texts: The corpus, or what its tokenizer makes of it.
        share: Of the tokens, or words, that are chosen.
        whole_words: Words are chosen, with all their tokens.
        bias: Whether tokens have one, as BERT's do.
        always: Every chosen token becomes the mask token.

    Raises:
        InputError: There is no mask token; a share out of 0 to 1.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> from counterpoint.training import TrainConfig, train
        >>> texts = ["a small corpus", "of two texts"]
        >>> masked = MaskedLM(small_transformer(texts, layers=1, width=16, vocab_size=60), texts, share=0.9)
        >>> train(masked, masked, masked.objective(), TrainConfig(batch_size=2)).steps
        1
    """

    def __init__(
        self,
        encoder: TransformerEncoder,
        texts: Sequence[str] | Features,
        *,
        share: float = 0.15,
        whole_words: bool = False,
        bias: bool = False,
        always: bool = False,
    ) -> None:
        if encoder.tokenizer.mask_token_id is None:
            raise InputError("the tokenizer has no mask token", fix="take a model that was made with one, or small")
        if not 0 < share <= 1:
            raise InputError(f"the share of masked tokens is {share}", fix="give one above 0, up to 1")
        super().__init__(encoder, texts, whole_words=whole_words, bias=bias)
        self._share, self._always = share, always

    def payload(self, rows: Int[Tensor, " b"], among: Int[Tensor, " n"] | None = None) -> Payload:
        """These texts with some tokens masked."""
        del among
        features = take(self._features, rows)
        return self._payload(*self._with_masks(features, self._choose(features)))

    def _with_masks(self, features: Features, chosen: Bool[Tensor, " t"]) -> tuple[Features, Int[Tensor, "n m"]]:
        """What the encoder sees of texts, with the places that it is asked for, and the tokens there; -1: no more."""
        original = features["input_ids"]
        shown = self._shown(original, chosen)
        at = places(chosen, features["offsets"])
        target, there = at_places(original, features, at)
        return {**features, "input_ids": shown, "at": at}, torch.full_like(at, -1).masked_scatter(there, target)

    def _choose(self, features: Features) -> Bool[Tensor, " t"]:
        chosen = self._draws(features) < self._share
        if not chosen.any():
            chosen[len(chosen) // 2] = True
        return chosen

    def _shown(self, original: Int[Tensor, " t"], chosen: Bool[Tensor, " t"]) -> Int[Tensor, " t"]:
        """What the encoder sees of tokens, some of which are chosen."""
        if self._always:
            return original.masked_fill(chosen, self.encoder.tokenizer.mask_token_id)
        what = torch.rand(len(original))
        anything = torch.randint(len(self._table), original.shape)
        shown = torch.where(what < 0.8, torch.tensor(self.encoder.tokenizer.mask_token_id), anything)
        return torch.where(chosen & (what < 0.9), shown, original)

    def forward(self, features: Features) -> Float[Tensor, "n m d"]:
        """Transformed hidden states of the chosen places of each text."""
        features = self._on_device(features)
        hidden, there = at_places(self.encoder._hidden(features), features, features["at"])
        return spread(self.transform(hidden), there)
