"""An auto-encoder of texts whose decoder reads the nuggets of a text and nothing else of it."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.encoders import Features
from counterpoint.encoders.nuggets import NuggetEncoder
from counterpoint.errors import InputError
from counterpoint.pretraining.denoising import Denoising


class NuggetAutoencoder(Denoising):
    """A decoder writes each text again from its nuggets, whose scores are added where it attends to them.

    `- sum_t log p(x_t | x_<t, nuggets)`, a mean over all tokens of the batch. In every layer of the decoder the
    attention to nugget j is the softmax of `q . k_j / sqrt(d) + s_j`, so that the loss has a gradient by the scores,
    which no choice of the highest would have: a nugget that helps is scored higher. All else of the decoder is that of
    `Denoising`, and nothing is deleted.

    Source: Qin and Van Durme 2023, "Nugget: Neural Agglomerative Embeddings of Text", whose formula their package's
    description gives. The package takes the score off again without its gradient (`s_j - stopgrad(s_j)`), which the
    paper does not.

    Args:
        encoder: It is trained: the transformer and the scores.
        texts: The corpus, or what its tokenizer makes of it.
        layers: Of the decoder; as many as the encoder has, if not given.
        scored: Whether scores are added; without, they learn nothing.
        bias: Whether tokens have one.

    Raises:
        InputError: The encoder knows no nuggets.

    Examples:
        >>> import torch
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> texts = ["a small corpus", "of two texts"]
        >>> bert = small_transformer(texts, layers=1, width=16, vocab_size=60)
        >>> task = NuggetAutoencoder(NuggetEncoder(bert, 0.5), texts)
        >>> payload = task.payload(torch.arange(2))
        >>> task(payload.inputs).shape  # each text after its first token
        torch.Size([2, 4, 16])
    """

    def __init__(
        self,
        encoder: nn.Module,
        texts: Sequence[str] | Features,
        *,
        layers: int | None = None,
        scored: bool = True,
        bias: bool = True,
    ) -> None:
        if not isinstance(encoder, NuggetEncoder):
            raise InputError("only a NuggetEncoder knows nuggets", fix="make one of the encoder before (in_nuggets)")
        super().__init__(encoder.encoder, texts, share=0.0, layers=layers, bias=bias)
        self.nuggets, self._scored = encoder, scored

    def _remembered(self, features: Features) -> tuple[Float[Tensor, "n k d"], Float[Tensor, "nh m k"] | None]:
        """See `Denoising`: nuggets, and their scores for each place of each head."""
        nuggets, scores = self.nuggets.padded(features)
        if not self._scored:
            scores = scores.detach().masked_fill(scores.isfinite(), 0.0)
        places = features["whole"].shape[1] - 1
        heads = int(self.encoder.model.config.num_attention_heads)
        return nuggets, scores[:, None].expand(-1, places, -1).repeat_interleave(heads, 0)
