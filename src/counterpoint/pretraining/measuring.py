"""How well tokens are guessed in texts that were held out."""

from __future__ import annotations

import math
from collections import Counter

import torch
import torch.nn.functional as F

from counterpoint.encoders import Features
from counterpoint.points import Points
from counterpoint.pretraining._base import Guessing


@torch.no_grad()
def guesses(task: Guessing, features: Features, *, batch_size: int = 64, seed: int = 0) -> dict[str, float]:
    """Of each term: mean loss in nats, perplexity, accuracy, and what always saying the most frequent answer would get.

    Args:
        task: What was trained.
        features: Held-out texts, one or more.
        batch_size: Texts encoded at once.
        seed: Of what is masked.

    Returns:
        `"masked loss"`, `"masked perplexity"` (the exponential of the loss), `"masked accuracy"` and `"masked floor"`,
        or what the terms are called, over all places that are asked for.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> from counterpoint.pretraining import MaskedLM
        >>> texts = ["a small corpus", "of two texts"]
        >>> masked = MaskedLM(small_transformer(texts, layers=1, width=16, vocab_size=60), texts, share=0.5)
        >>> sorted(guesses(masked, masked.encoder.tokenize(texts)))
        ['masked accuracy', 'masked floor', 'masked loss', 'masked perplexity']
    """
    was, over = task.training, task.over(features)
    over.eval()
    loss, right = [0.0] * len(task.terms), [0] * len(task.terms)
    answers = [Counter[int]() for _ in task.terms]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for rows in torch.arange(len(over)).split(batch_size):
            payload = over.payload(rows)
            call = payload.arguments(over(payload.inputs))
            for i in range(len(task.terms)):
                queries, keys = _of_term(call["queries"], i), _of_term(call["keys"], i)
                place = torch.searchsorted(keys.columns["sample"], queries.columns["sample"])
                scores = queries.z @ keys.z.T
                loss[i] += float(F.cross_entropy(scores, place, reduction="sum"))
                right[i] += int((scores.argmax(1) == place).sum())
                answers[i].update(place.tolist())
    over.train(was)
    figures: dict[str, float] = {}
    for i, name in enumerate(task.terms):
        n = answers[i].total()
        figures |= {
            f"{name} loss": loss[i] / n,
            f"{name} perplexity": math.exp(min(loss[i] / n, 700.0)),
            f"{name} accuracy": right[i] / n,
            f"{name} floor": answers[i].most_common(1)[0][1] / n,
        }
    return figures


def _of_term(points: Points, term: int) -> Points:
    return points[points.columns["term"] == term] if "term" in points.columns else points
