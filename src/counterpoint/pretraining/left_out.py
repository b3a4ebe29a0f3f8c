"""Words guessed from the rest of their text by its vector, against a few drawn ones."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from counterpoint.encoders import Features, NGramEncoder, StaticEncoder, lengths, take
from counterpoint.encoders.features import places
from counterpoint.errors import InputError, refuse_string
from counterpoint.geometry import Dot
from counterpoint.objectives import Objective, Pairs
from counterpoint.points import Points
from counterpoint.training.payload import Arguments, Batches, Payload


class LeftOutWords(nn.Module, Batches):
    r"""A table of token vectors that guesses each token from the rest of its text, by negative sampling.

    With `v` the vector of a text in which a token has given way to a placeholder, and `u` a second table, a left-out
    token x loses `log(1 + exp(-u_x . v)) + sum_k log(1 + exp(u_k . v))` over drawn tokens k, which are not x. The loss
    is the mean over all left-out tokens of the batch. Which are left out is drawn anew whenever a text is seen: with a
    chance of `sqrt(t / f) + t / f` where f is the token's share of the corpus; the others stay in all contexts. Tokens
    are drawn in proportion to `count ** power`. Of a table with n-grams, some tokens are in none while it learns. The
    second table begins with zeros.

    Source: Pagliardini et al. 2018, "Unsupervised Learning of Sentence Embeddings using Compositional n-Gram Features"
    (Sent2Vec), as the authors' code has it; with a window and a power of 0.75 the continuous bag of words of Mikolov et
    al. 2013.

    Args:
        encoder: Whose vectors are not scaled. Its first special token is the placeholder.
        texts: The corpus; a text of one token has no rest.
        drawn: Tokens against each left-out one.
        power: See above.
        threshold: t.
        blocked: So many tokens of a text, drawn anew each time, are in no n-gram, as long as two more are.
        window: So many tokens to either side are the context; None: the whole text.

    Raises:
        InputError: No table of token vectors; no special token; no text of two tokens.

    Examples:
        >>> from counterpoint.training import TrainConfig, train
        >>> texts = ["a red cat", "two red dogs"]
        >>> encoder = StaticEncoder.from_corpus(texts, dim=4, normalize=False)
        >>> words = LeftOutWords(encoder, texts, threshold=1.0)
        >>> round(train(words, words, words.objective(), TrainConfig(batch_size=2)).history[0]["loss"], 4)  # 11 log 2
        7.6246
    """

    def __init__(
        self,
        encoder: nn.Module,
        texts: Sequence[str],
        *,
        drawn: int = 10,
        power: float = 0.5,
        threshold: float = 1e-4,
        blocked: int = 0,
        window: int | None = None,
    ) -> None:
        super().__init__()
        refuse_string(texts, "texts")
        table = encoder.encoder if isinstance(encoder, NGramEncoder) else encoder
        if not isinstance(table, StaticEncoder):
            raise InputError("words are left out of what a table of token vectors sums", fix="use static for a base")
        if not table.special_tokens:
            raise InputError("no special token can stand for a word that is left out", fix="use a tokenizer with one")
        assert isinstance(encoder, NGramEncoder | StaticEncoder)
        self.encoder, self._placeholder = encoder, min(table.special_tokens)
        features = encoder.tokenize(list(texts))
        there = (lengths(features) > 1).nonzero()[:, 0]
        if not len(there):
            raise InputError("no text has two tokens", fix="give longer ones")
        self._features = take(features, there)
        times = torch.bincount(features["input_ids"], minlength=len(table.embedding.weight)).double()
        share = threshold * times.sum() / times
        self._chance, self._often = share.sqrt() + share, times**power
        self._drawn, self._blocked, self._window = drawn, blocked, window
        self.output = nn.Parameter(torch.zeros_like(table.embedding.weight))

    @staticmethod
    def objective(drawn: int = 10) -> Objective:
        """The sum of the logistic losses of a left-out token and of those drawn against it."""
        return (1 + drawn) * Pairs(0.0, 0.0, shape=F.softplus, geometry=Dot())

    def __len__(self) -> int:
        return len(self._features["offsets"]) - 1

    def payload(self, rows: Int[Tensor, " b"], among: Int[Tensor, " n"] | None = None) -> Payload:
        """A text for each left-out token of these."""
        del among
        features = take(self._features, rows)
        ids, counts = features["input_ids"], lengths(features)
        left = torch.rand(len(ids), dtype=torch.double) < self._chance[ids]
        if not left.any():
            left[len(left) // 2] = True
        text, place = torch.repeat_interleave(torch.arange(len(counts)), counts)[left], places(features)[left]
        target, contexts = ids[left], take(features, text)
        contexts["input_ids"][contexts["offsets"][:-1] + place] = self._placeholder
        if self._window is not None:
            contexts = _near(contexts, place, self._window)
        if self._blocked and isinstance(self.encoder, NGramEncoder):
            contexts["blocked"] = _some(lengths(contexts), self._blocked)
        against = self._against(target)

        def arguments(z: Float[Tensor, "m d"]) -> Arguments:
            words = self.output[torch.cat([target[:, None], against], 1).to(z.device)]
            positive = torch.zeros(words.shape[:2], device=z.device)
            positive[:, 0] = 1
            return {"queries": Points(z), "owned": Points(words, positive=positive)}

        return Payload(contexts, lengths(contexts), take, arguments)

    def forward(self, features: Features) -> Float[Tensor, "m d"]:
        """The vectors of texts without their left-out tokens."""
        z_md: Tensor = self.encoder(features)
        return z_md

    def _against(self, target: Int[Tensor, " m"]) -> Int[Tensor, "m k"]:
        """Tokens that are drawn, none of them the left-out one."""

        def draw(number: int) -> Int[Tensor, " k"]:
            return torch.multinomial(self._often, number, replacement=True)

        against = draw(len(target) * self._drawn).view(len(target), -1)
        while len(again := (against == target[:, None]).nonzero()):
            against[again[:, 0], again[:, 1]] = draw(len(again))
        return against


def _near(features: Features, place: Int[Tensor, " n"], window: int) -> Features:
    """Texts cut to so many tokens on either side of a place."""
    near = (places(features) - torch.repeat_interleave(place, lengths(features))).abs() <= window
    total = F.pad(near.cumsum(0), (1, 0))
    return {"input_ids": features["input_ids"][near], "offsets": total[features["offsets"]]}


def _some(counts: Int[Tensor, " n"], most: int) -> Int[Tensor, "n k"]:
    """Different places drawn in each text, all but two of them at most; -1: no more."""
    order = torch.rand(len(counts), max(most, int(counts.max())))
    order[torch.arange(order.shape[1]) >= counts[:, None]] = 2.0
    return order.argsort(1)[:, :most].masked_fill(torch.arange(most) >= counts[:, None] - 2, -1)
