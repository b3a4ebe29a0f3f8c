"""CodeSage, its second stage: docstrings against bodies without signature, hard negatives weighted by a softmax."""

from __future__ import annotations

import re
from dataclasses import replace

from torch import nn

from counterpoint.data.items import Data
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import InfoNCE, Mined, Objective, softmax_weighted
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Arm, Richer, Trained
from counterpoint.testbeds.code import CODE, MADE_CODE, SEEN_CODE
from counterpoint.testbeds.figures import found
from counterpoint.testbeds.lexical import LEXICAL
from counterpoint.testbeds.texts import nearest_wrong
from counterpoint.training import TrainConfig
from counterpoint.views import body_of

TEMPERATURE = 0.05
_MRR = found("mrr@10")


def first_sentences(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: of each docstring its first sentence."""
    del encoder, seed
    texts = [re.split(r"(?<=[.!?])\s", text.strip(), maxsplit=1)[0] for text in data.anchors.texts]
    return replace(data, anchors=replace(data.anchors, values=texts))


def hard_positives(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: of each function its body, without signature and return statements."""
    del encoder, seed
    assert data.others is not None  # pairs
    return replace(data, others=replace(data.others, values=[body_of(text) for text in data.others.texts]))


def weighted() -> Objective:
    """Each text or code against all others of both kinds, which count by a softmax of their scores."""
    return Mined(plain(), softmax_weighted())


def plain() -> InfoNCE:
    """The same where all others count alike."""
    return InfoNCE(TEMPERATURE, layout="views")


def on_table() -> Recipe:
    """In batches of 512, for a table of token vectors."""
    return codesage().changed(batch_size=512)


def unweighted() -> Recipe:
    """Hard positives, and negatives that count alike."""
    return on_table().varied("CodeSage, negatives alike", objective=plain)


def whole() -> Recipe:
    """Weighted negatives, and whole functions."""
    return on_table().varied("CodeSage, whole functions", prepare=(first_sentences,))


def neither() -> Recipe:
    """Whole functions, and negatives that count alike."""
    return whole().varied("CodeSage, InfoNCE", objective=plain)


_CEILING = Richer(Trained(neither), SEEN_CODE)


def _better(text: str, against: str, baseline: Arm, floors: tuple[str, ...] = ("raw", "untrained")) -> Claim:
    return Claim(text, _MRR, against, CODE, baseline, system=Trained(on_table), ceiling=_CEILING, floors=floors)


@system(
    "CodeSage",
    title="Code Representation Learning At Scale",
    year=2024,
    family="retrieval",
    mechanism="tests/systems/test_codesage.py::test_loss_is_that_of_a_naive_loop_over_both_kinds",
    claims=(
        _better(
            "Hard positives and hard negatives find more functions than whole functions and negatives that count alike",
            "InfoNCE of whole functions, same steps",
            Trained(neither),
        ),
        _better("Hard positives do so", "whole functions", Trained(whole)),
        _better("Hard negatives do so", "negatives that count alike", Trained(unweighted)),
        _better("Trained so, vectors find more functions than BM25", "BM25", LEXICAL, ("untrained",)),
    ),
    signal=Signal(nearest_wrong, off=Trained(neither), system=Trained(on_table)),
    sample=MADE_CODE,
    setup="The second stage alone, from a table of token vectors in place of a transformer that masked and "
    "deobfuscated code has taught (the first stage), in batches of 512 for 8,192; 6,500 functions of Python as it is "
    "installed stand in for 75 million of nine languages. The weights of the negatives sum to 1, as the equation "
    "says, so that all of them together weigh what one does elsewhere; whether gradient flows through them is not said "
    "there, and here it does not. Bodies are taken by Python's own parser: code of another language stays whole. "
    "Functions are whole at test.",
)
def codesage() -> Recipe:
    """Zhang et al. 2024, stage II: temperature 0.05, batches of 8,192, symmetric over texts and codes."""
    train = TrainConfig(steps=20_000, batch_size=8192, learning_rate=5e-6, warmup=0.025)
    stage = Stage(weighted, train, prepare=(first_sentences, hard_positives))
    return Recipe("CodeSage", (stage,), Takes("text", "text"))
