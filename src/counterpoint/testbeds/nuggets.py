"""What several vectors of a text say of how alike texts are, and how far scores of tokens are apart."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from counterpoint.data.items import Data
from counterpoint.encoders import NuggetEncoder
from counterpoint.testbeds.bed import Figure, Made
from counterpoint.testbeds.figures import representation

_AT_ONCE, _TEXTS = 256, 200
"""Texts that are encoded together; of which scores are looked at."""


@torch.no_grad()
def several(made: Made, data: Data) -> Float[Tensor, "n k d"]:
    """The vectors of each text, of length one, 0 where there are no more; without nuggets the one that there is."""
    encoder = made.encoder
    if not isinstance(encoder, NuggetEncoder):
        return F.normalize(torch.from_numpy(representation(made, data)).float(), dim=1)[:, None]
    texts, was, found = list(data.anchors[data.anchor].texts), encoder.training, list[Tensor]()
    encoder.eval()
    for start in range(0, len(texts), _AT_ONCE):
        features = encoder.tokenize(texts[start : start + _AT_ONCE])
        nuggets, _ = encoder.padded({name: value.to(encoder.device) for name, value in features.items()})
        found.append(F.normalize(nuggets.float(), dim=2).cpu())
    encoder.train(was)
    most = max(part.shape[1] for part in found)
    return torch.cat([F.pad(part, (0, 0, 0, most - part.shape[1])) for part in found])


def both_ways(z: Float[Tensor, "n k d"]) -> Float[Tensor, "n n"]:
    """How alike two texts are: the mean of the best cosines of one's vectors with the other's, and of the reverse."""
    n, k, _ = z.shape
    there, flat, found = z.abs().amax(2) > 0, z.flatten(0, 1), list[Tensor]()
    for part, own in zip(z.split(_AT_ONCE), there.split(_AT_ONCE), strict=True):
        cosine = (part.flatten(0, 1) @ flat.T).view(len(part), k, n, k)
        # what is not there is nobody's best
        best = cosine.masked_fill(~there, -2.0).amax(3)
        found.append((best * own[..., None]).sum(1) / own.sum(1)[:, None])
    mean = torch.cat(found)
    return (mean + mean.T) / 2


def _another(made: Made) -> float:
    alike = both_ways(several(made, made.test)).fill_diagonal_(-2.0)
    y = made.test.columns["picture"]
    return float((y[alike.argmax(1)] == y).float().mean())


another_by_several = Figure("recall@1 by the nearest of several vectors", _another)
"""Whether the nearest of all captions, by `both_ways`, is another one of the same picture."""


@torch.no_grad()
def _spread(made: Made) -> float:
    encoder = made.encoder
    assert isinstance(encoder, NuggetEncoder)
    texts = made.test.anchors[made.test.anchor].texts[:_TEXTS]
    features = {name: value.to(encoder.device) for name, value in encoder.tokenize(texts).items()}
    return float(encoder.scores(features).std())


score_spread = Figure("standard deviation of the tokens' scores", _spread)
"""Over all tokens of 200 test texts."""
