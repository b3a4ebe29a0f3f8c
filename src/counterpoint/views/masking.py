"""Masked language modelling as contrast: masked places are queries, the vocabulary is the keys."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from counterpoint.encoders import Features, TransformerEncoder, take
from counterpoint.errors import refuse_string
from counterpoint.geometry import Dot
from counterpoint.objectives import InfoNCE
from counterpoint.points import Points
from counterpoint.training.payload import Arguments, Payload


class MaskedLM(nn.Module):
    """A transformer that guesses masked tokens: what `counterpoint.training.train` takes as encoder, and as batches.

    A share of the tokens is chosen; of these 80% become the mask token, 10% a random one, 10% stay. With `h_t` the
    transformed hidden state of a chosen place and `e_v` the input embedding of token v, the loss is
    `-log exp(h_t . e_x) / sum_v exp(h_t . e_v)`: InfoNCE with inner product and temperature 1, every token of the
    vocabulary a shared key (`objective`). Source: Devlin et al. 2019, section 3.1 and appendix A.1; no output bias.

    Args:
        encoder: Its model is trained; its tokenizer must have a mask token.
        texts: The corpus.
        share: Of the tokens that are chosen.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> from counterpoint.training import TrainConfig, train
        >>> texts = ["a small corpus", "of two texts"]
        >>> masked = MaskedLM(small_transformer(texts, layers=1, width=16, vocab_size=60), texts, share=0.9)
        >>> train(masked, masked, masked.objective(), TrainConfig(batch_size=2, chunk_tokens=1 << 20)).steps
        1
    """

    def __init__(self, encoder: TransformerEncoder, texts: Sequence[str], *, share: float = 0.15) -> None:
        super().__init__()
        refuse_string(texts, "texts")
        self.encoder, self._share = encoder, share
        width = int(encoder.model.config.hidden_size)
        self.transform = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width))
        self._features = encoder.tokenize(list(texts))
        self._special = torch.tensor(encoder.tokenizer.all_special_ids)

    @staticmethod
    def objective() -> InfoNCE:
        """Softmax over the vocabulary."""
        return InfoNCE(1.0, geometry=Dot())

    def __len__(self) -> int:
        return len(self._features["offsets"]) - 1

    def payload(self, rows: Int[Tensor, " b"], among: Int[Tensor, " n"] | None = None) -> Payload:
        """These texts with some tokens masked."""
        del among
        features = take(self._features, rows)
        original = features["input_ids"]
        chosen = (torch.rand(len(original)) < self._share) & ~torch.isin(original, self._special)
        if not chosen.any():
            chosen[len(original) // 2] = True
        vocabulary: Tensor = self.encoder.model.get_input_embeddings().weight
        what = torch.rand(len(original))
        anything = torch.randint(len(vocabulary), original.shape)
        shown = torch.where(what < 0.8, torch.tensor(self.encoder.tokenizer.mask_token_id), anything)
        shown = torch.where(chosen & (what < 0.9), shown, original)
        tokens = torch.arange(len(vocabulary))

        def arguments(h: Float[Tensor, "t d"]) -> Arguments:
            keys = Points(vocabulary, sample=tokens.to(h.device))
            return {"queries": Points(h, sample=original[chosen].to(h.device)), "keys": keys}

        # a text gives as many vectors as it has masked places, so a batch is encoded whole: nothing costs anything
        cost = torch.zeros(len(rows), dtype=torch.long)
        return Payload((features | {"input_ids": shown}, chosen), cost, lambda inputs, _: inputs, arguments)

    def forward(self, inputs: tuple[Features, Tensor]) -> Float[Tensor, "t d"]:
        """Transformed hidden states of the chosen places."""
        features, chosen = inputs
        out: Tensor = self.transform(self.encoder._hidden(features)[chosen])
        return out
