"""StyleDistance: sentences of one style attract each other, and each is pushed from its own words in another style."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from counterpoint.data.items import Data
from counterpoint.encoders.adapting import with_dropout
from counterpoint.geometry import Euclidean
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import Objective, Triplet
from counterpoint.relation import Relation, own_mined
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Trained, Untrained
from counterpoint.testbeds.styles import CAPTIONS, NEW, TITLES_IN_STYLES, likeness_of_content, style_or_content
from counterpoint.training import TrainConfig
from counterpoint.views.styles import STYLES, style_triplets

MARGIN = 0.1


def loss() -> Objective:
    """Squared distances of unit vectors, each triplet by itself."""
    return Triplet(MARGIN, geometry=Euclidean(squared=True, normalized=True), relation=Relation(negative=own_mined))


def other_content(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: the negative of another row, so that it says something else."""
    del encoder
    assert data.negatives is not None
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))
    return replace(data, negatives=data.negatives[order])


def any_content() -> Recipe:
    """Negatives that say something else."""
    return styledistance().varied("StyleDistance, other content", prepare=(style_triplets(), other_content))


def of_some() -> Recipe:
    """Some styles are not trained on."""
    known = [name for name in STYLES if name not in NEW]
    return styledistance().varied("StyleDistance without some styles", prepare=(style_triplets(styles=known),))


_HELD = style_or_content(NEW)


@system(
    "StyleDistance",
    title="StyleDistance: Stronger Content-Independent Style Embeddings with Synthetic Parallel Examples",
    year=2024,
    family="sentences",
    mechanism="tests/systems/test_styledistance.py::test_loss_is_that_of_a_naive_loop_over_triplets",
    claims=(
        Claim(
            "Triplets of parallel sentences make style count more than content",
            style_or_content(),
            "the start, not fine-tuned",
            CAPTIONS,
            Untrained(),
            off=Trained(any_content),
            ceiling=1.0,
            floors=(),
        ),
        Claim(
            "Negatives that say the same are what makes it so",
            style_or_content(),
            "the same with negatives that say something else",
            CAPTIONS,
            Trained(any_content),
            ceiling=1.0,
        ),
        Claim(
            "It holds of styles that were not trained on",
            _HELD,
            "the start, not fine-tuned",
            CAPTIONS,
            Untrained(),
            system=Trained(of_some),
            ceiling=1.0,
            floors=(),
        ),
    ),
    signal=Signal(likeness_of_content, off=Trained(any_content)),
    sample=TITLES_IN_STYLES,
    setup="Rules for 18 styles of captions stand in for GPT-4's sentences with and without each of 40. What a rule "
    "leaves out of a style, such as a choice of words, is not learned, and the negative is in another style, not "
    "without one, which would tell what was changed from what was not. Four triplets a text in batches of 64 for all "
    "pairs of a style in batches of 512. The synthetic triplets alone; the paper's model has as many of one author's "
    "texts. The first layer of SmolLM2 with dropout of 0.1 stands in for RoBERTa with LoRA, whole; vectors are "
    "normalised in training, as the margin needs. The second claim is why the paper makes parallel sentences, not one "
    "of its tables. Styles that were not trained on are the four that change words within.",
)
def styledistance() -> Recipe:
    """Patel et al. 2024: a margin of 0.1 on squared distances, negatives of the anchor's or the positive's words."""
    train = TrainConfig(epochs=1, batch_size=512, learning_rate=1e-4, weight_decay=0.01, schedule="linear", warmup=0.0)
    stage = Stage(loss, train, prepare=(style_triplets(),))
    return Recipe("StyleDistance", (stage,), Takes("text"), adapt=with_dropout)
