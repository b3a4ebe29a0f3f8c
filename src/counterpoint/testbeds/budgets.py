"""Testbeds of trainings that cost as many operations, and the loss that they end with."""

from __future__ import annotations

from dataclasses import replace

import torch

from counterpoint.data.items import Data
from counterpoint.encoders import TransformerEncoder, lengths
from counterpoint.encoders.adapting import first_layers
from counterpoint.objectives import InfoNCE
from counterpoint.testbeds.adapted import LIKE_DOMAIN, OWN_RATES, seen_titles
from counterpoint.testbeds.bed import Figure, Made, Testbed
from counterpoint.testbeds.corpora import some_titles
from counterpoint.testbeds.mined import PAIRED
from counterpoint.testbeds.texts import QUICK_BERT, _answered, quick_bert

TEMPERATURE, ASKED = 0.025, 64
"""Of the loss; how many pairs of the test are told from each other."""


def _loss(made: Made) -> float:
    objective, total = InfoNCE(TEMPERATURE, layout="symmetric"), 0.0
    queries, documents = (side.split(ASKED) for side in _answered(made))
    with torch.inference_mode():
        for q, d in zip(queries, documents, strict=True):
            total += float(objective(q, d)) / len(queries)
    return total


held_out_loss = Figure("contrastive loss of held-out pairs", _loss)
"""InfoNCE both ways over 64 pairs at a time, of 512 test queries with a document that answers each."""


def budgeted(bed: Testbed, steps: int, share: float = 1.0) -> Testbed:
    """A testbed with as many steps as cost what so many do, where a step costs the share of one of these.

    Examples:
        >>> budgeted(PAIRED, 40, 0.8).steps
        50
    """
    name = f"{bed.name}, as much as {steps} steps"
    about = bed.about.replace(f"{bed.steps} steps", f"what {steps} steps of all weights cost, steps")
    return replace(bed, name=name, about=about, steps=max(1, round(steps / share)))


def of_layers(layers: int, data: Data, seed: int) -> TransformerEncoder:
    """The first layers of what tests begin with."""
    return first_layers(quick_bert(data, seed), layers)


def tokens_a_step(bed: Testbed, encoder: TransformerEncoder, seed: int) -> float:
    """How many tokens of pairs a step of a testbed reads, on average."""
    train = bed.parts(seed)[0]
    assert train.others is not None
    assert train.positives is not None
    sides = train.anchors[train.anchor], train.others[train.positives[:, 0]]
    means = [float(lengths(encoder.tokenize(list(side.texts))).float().mean()) for side in sides]
    return sum(means) * int(bed.settings["batch_size"])


PAIRED_LOSS = replace(PAIRED, name="titles with descriptions, their loss", figures=(held_out_loss,))
OWN_LOSS = replace(
    PAIRED_LOSS,
    name="titles with descriptions, their loss, own budgets",
    about=PAIRED.about.replace("then 400 steps of 64 at a rate of 5e-4", "then as many steps of 64 as each arm says"),
    steps=0,
    settings={**OWN_RATES, "accumulate": 1},
)
"""For arms that say their steps and rates themselves."""
SEEN_LOSS = replace(PAIRED_LOSS, name="titles with descriptions, seen, their loss", parts=seen_titles)
"""With the titles of the test among those of training."""
TRIALS = replace(
    LIKE_DOMAIN,
    name="trials",
    parts=some_titles,
    about="included corpus: 4,000 titles with their descriptions to train on, 1,500 held-out titles against 3,000 "
    f"descriptions; {QUICK_BERT}, then 40 steps of 32 at a rate of 2e-3",
    settings=LIKE_DOMAIN.settings | {"batch_size": 32},
    figures=(held_out_loss,),
)
"""Where many small trainings are made."""
