"""Some of a text's tokens stand for it, chosen by a score that is learned: as many vectors as the text is long."""

from __future__ import annotations

import copy
import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from counterpoint.encoders._wrapper import Wrapper
from counterpoint.encoders.adapting import first_layers, without_dropout
from counterpoint.encoders.features import Features, lengths
from counterpoint.encoders.transformer import TransformerEncoder
from counterpoint.errors import InputError


class NuggetEncoder(Wrapper):
    """A text's nuggets: of its `T` tokens the `ceil(ratio T)` with the highest score, as the transformer leaves them.

    `s_i = w . relu(W f_i + b) + c` of the state `f_i` after the first layers of a copy of the transformer as it was,
    which does not learn. Which tokens are chosen has no gradient: whoever reads nuggets must use their scores, too
    (`counterpoint.pretraining.NuggetAutoencoder`). A text's vector is the mean of its nuggets; `padded` gives all.
    Special tokens are tokens like others.

    Source: Qin and Van Durme 2023, "Nugget: Neural Agglomerative Embeddings of Text", and the authors' package.

    Args:
        encoder: Whose last states they are.
        ratio: Nuggets for each token, above 0, up to 1.
        layers: Of the copy; all that there are, if these are fewer.
        evenly: Tokens are chosen at even distances, the last one among them, and no score is learned: what the choice
            is compared with.

    Raises:
        InputError: A ratio out of its range.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> bert = small_transformer(["a small corpus of texts"], layers=1, width=8, heads=2)
        >>> encoder = NuggetEncoder(bert, ratio=0.5)
        >>> states, scores = encoder.padded(encoder.tokenize(["a small corpus of texts", "a corpus"]))
        >>> states.shape, scores.isinf().sum(1).tolist()  # 4 of 7, 2 of 4
        (torch.Size([2, 4, 8]), [0, 2])
    """

    encoder: TransformerEncoder

    def __init__(
        self, encoder: TransformerEncoder, ratio: float = 0.1, layers: int = 3, *, evenly: bool = False
    ) -> None:
        if not 0 < ratio <= 1:
            raise InputError(f"{ratio} nuggets for each token", fix="give a ratio above 0, up to 1; 0.1 is theirs")
        super().__init__(encoder)
        self.ratio, self.layers, self.evenly = ratio, layers, evenly
        there = min(layers, int(encoder.model.config.num_hidden_layers))
        self.before = without_dropout(first_layers(copy.deepcopy(encoder), there)).requires_grad_(requires_grad=False)
        self.score = nn.Sequential(nn.Linear(self.width, self.width), nn.ReLU(), nn.Linear(self.width, 1))

    def scores(self, features: Features) -> Float[Tensor, " t"]:
        """Of each token; 0 where they are chosen evenly."""
        if self.evenly:
            return torch.zeros(len(features["input_ids"]), device=self.device)
        assert isinstance(self.before, TransformerEncoder)
        scores: Tensor = self.score(self.before._hidden(features))[:, 0]
        return scores

    def chosen(self, features: Features, scores: Float[Tensor, " t"]) -> Bool[Tensor, " t"]:
        """Which tokens are nuggets."""
        offsets, count = features["offsets"], lengths(features)
        text = torch.repeat_interleave(torch.arange(len(count), device=scores.device), count)
        place, most = torch.arange(len(text), device=scores.device) - offsets[text], self._most(count)
        if self.evenly:
            done = (place + torch.tensor([[0], [1]], device=place.device)) * most[text] // count[text]
            return done[1] > done[0]
        order = torch.argsort(scores, descending=True, stable=True)
        order = order[torch.argsort(text[order], stable=True)]
        return torch.zeros_like(text, dtype=torch.bool).index_put((order,), place < most[text])

    def padded(self, features: Features) -> tuple[Float[Tensor, "n k d"], Float[Tensor, "n k"]]:
        """The nuggets of each text in their order and their scores; 0 and minus infinity where there are no more."""
        scores = self.scores(features)
        chosen, most = self.chosen(features, scores), self._most(lengths(features))
        there = torch.arange(int(most.max()), device=most.device) < most[:, None]
        states = self.encoder._hidden(features)[chosen]
        nuggets = states.new_zeros(*there.shape, states.shape[1]).masked_scatter(there[..., None], states)
        return nuggets, scores.new_full(there.shape, -math.inf).masked_scatter(there, scores[chosen])

    def _most(self, count: Int[Tensor, " n"]) -> Int[Tensor, " n"]:
        # in whole thousandths: 0.1 * 30 is a little more than 3
        return (-(count * -round(1000 * self.ratio) // 1000)).clamp(min=1)

    def _flat(self, texts: list[str]) -> Features:
        return self.encoder._flat(texts)

    def _mark_prompt(self, features: Features, prompt: str) -> Features:
        return self.encoder._mark_prompt(features, prompt)

    def _embed(self, features: Features) -> Float[Tensor, "n d"]:
        nuggets = self.padded(features)[0]
        # as `pool` does, in float32 or more
        total = nuggets.to(torch.promote_types(nuggets.dtype, torch.float32)).sum(1)
        z_nd: Tensor = total / self._most(lengths(features))[:, None]
        return z_nd
