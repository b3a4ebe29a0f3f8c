"""The compute-optimal recipe: which of a language model's weights to train on pairs, for a budget of operations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from torch import nn

from counterpoint.encoders import TransformerEncoder
from counterpoint.encoders.thawed import biases_alone, counted, last_blocks
from counterpoint.evaluate.budgets import ComputeOptimal, Learned, Trial, flop_per_token
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import InfoNCE, Objective
from counterpoint.systems.registry import Claim, system
from counterpoint.systems.sentences.adapters import RATES, WHOLE_RATES
from counterpoint.testbeds import Richer, Trained, Tuned
from counterpoint.testbeds.budgets import (
    OWN_LOSS,
    PAIRED_LOSS,
    SEEN_LOSS,
    TEMPERATURE,
    TRIALS,
    budgeted,
    held_out_loss,
    of_layers,
    tokens_a_step,
)
from counterpoint.training import TrainConfig

RANK, SMALL_RANK, ALPHA = 32, 4, 8
"""Of updates: theirs, at a width of 512 and more, and one for a width of 64; their scale, to be divided by the rank."""
LAYER, ADDED = 3_540_096, 325_632
"""Parameters of a layer of SmolLM2, and of updates of its matrices."""
SHARE = flop_per_token("low-rank", LAYER + ADDED, ADDED) / flop_per_token("all", LAYER, LAYER)
"""What a step of these costs, of one of all weights."""
FEW, MANY = 25, 200
"""Steps of all weights that cost a small budget and a large one."""
SIZES, FITTED, LARGER = (1, 2), (10, 20), 60
"""Trials: layers, budgets that lines are fitted to and the one they are asked for, in steps of all of one layer."""


def loss() -> Objective:
    """InfoNCE, the mean of both ways."""
    return InfoNCE(TEMPERATURE, layout="symmetric")


def compute_optimal() -> Recipe:
    """Ziarko et al. 2024 and their code: all weights, pairs, InfoNCE both ways at 1 / 40."""
    train = TrainConfig(batch_size=1024, learning_rate=1e-4, weight_decay=0.1, warmup=0.1, schedule="cosine", clip=0.0)
    return Recipe("Compute-optimal embedding recipe", (Stage(loss, train),), Takes("text", "text"))


def with_updates(encoder: nn.Module, rank: int = RANK) -> nn.Module:
    """A frozen model with updates of low rank."""
    for part in encoder.modules():
        if isinstance(part, TransformerEncoder) and not hasattr(part.model, "merge_and_unload"):
            part.add_lora(rank, alpha=ALPHA)
    return encoder


def low_rank() -> Recipe:
    """LoRA of all matrices."""
    return compute_optimal().varied("LoRA", adapt=with_updates)


def lower_rank() -> Recipe:
    """The same for a narrow model."""
    return compute_optimal().varied("LoRA of a lower rank", adapt=partial(with_updates, rank=SMALL_RANK))


def of_biases() -> Recipe:
    """Biases alone."""
    return compute_optimal().varied("biases", adapt=biases_alone)


def of_last_block() -> Recipe:
    """The last block alone."""
    return compute_optimal().varied("last block", adapt=partial(last_blocks, blocks=1))


def whole(steps: int, rate: float) -> Recipe:
    """All weights, for so many steps at a rate."""
    return compute_optimal().changed(steps=steps, learning_rate=rate)


def updates(steps: int, rate: float) -> Recipe:
    """Updates of low rank, for as many operations."""
    return low_rank().changed(steps=round(steps / SHARE), learning_rate=rate)


KINDS: Mapping[Learned, Callable[[], Recipe]] = {
    "all": compute_optimal, "low-rank": lower_rank, "biases": of_biases, "last blocks": of_last_block,
}  # fmt: skip


def trial(learned: Learned, layers: int, steps: int, seed: int) -> Trial:
    """A training that costs what so many steps of all of one layer do."""
    bed = replace(TRIALS, start=partial(of_layers, layers))
    parts, one = bed.parts(seed), of_layers(1, bed.parts(seed)[0], seed)
    flop = steps * flop_per_token("all", *counted(one)) * tokens_a_step(bed, one, seed)
    size = counted(KINDS[learned]().settle(of_layers(layers, parts[0], seed), seed))
    share = flop_per_token(learned, *size) / flop_per_token("all", *counted(one))
    made = Trained(KINDS[learned]).made(budgeted(bed, steps, share), parts, seed)
    return Trial(learned, *size, flop, held_out_loss.of(made))


def chosen_well(seed: int) -> Mapping[str, float]:
    """The loss, at a larger budget, of what fitted lines recommend, of the largest model and of the best choice."""
    kinds = [(kind, layers) for kind in KINDS for layers in SIZES]
    fitted = ComputeOptimal([trial(*kind, steps, seed) for kind in kinds for steps in FITTED])
    larger = [trial(*kind, LARGER, seed) for kind in kinds]
    choice = fitted.recommend(larger[0].flop)
    found = {(each.learned, each.parameters): each.loss for each in larger}
    largest = max(each.parameters for each in larger if each.learned == "all")
    return {
        "system": found[choice.learned, choice.parameters],
        "baseline": found["all", largest],
        "ceiling": min(found.values()),
    }


system(
    "Compute-optimal embedding recipe",
    title="Repurposing Language Models into Embedding Models: Finding the Compute-Optimal Recipe",
    year=2024,
    family="sentences",
    mechanism="tests/systems/test_compute_optimal.py::test_loss_is_that_of_a_naive_loop_both_ways",
    claims=(
        Claim(
            "With few operations it is best to train all weights",
            held_out_loss,
            "updates of low rank, as many operations",
            OWN_LOSS,
            Tuned(partial(updates, FEW), RATES),
            system=Tuned(partial(whole, FEW), WHOLE_RATES),
            ceiling=Richer(Trained(compute_optimal), budgeted(PAIRED_LOSS, MANY)),
            floors=("untrained",),
            better="lower",
        ),
        Claim(
            "With many operations updates of low rank are better",
            held_out_loss,
            "all weights, as many operations",
            OWN_LOSS,
            Tuned(partial(whole, MANY), WHOLE_RATES),
            system=Tuned(partial(updates, MANY), RATES),
            ceiling=Richer(Trained(compute_optimal), budgeted(SEEN_LOSS, 2 * MANY)),
            floors=("untrained",),
            better="lower",
        ),
        Claim(
            "Lines through small trials choose well for a larger budget",
            f"{held_out_loss.name}, at {LARGER // FITTED[-1]} times the operations",
            "all weights of the largest model",
            better="lower",
            check=chosen_well,
        ),
    ),
    sample=TRIALS,
    setup="Titles and descriptions of packages stand in for BAAI's pairs, the loss of held-out pairs for that of "
    "training, which sees each pair once. In the first two claims the first layer of SmolLM2, with dropout of 0.1 and "
    f"token vectors that stay, stands in for Pythia's 14 to 2,800 million parameters: budgets are those of {FEW} and "
    f"{MANY} steps of 64 pairs of all its weights, far below the paper's, and its size is no choice. Updates have rank "
    f"{RANK} and a scale of {ALPHA}, as in their code, but none of the token vectors. Operations are counted by "
    "their rule. The rate of each is the best of three, those of updates higher than those of all weights; in the "
    "trials it is one for all, as theirs for a size. SmolLM2 has no biases, so all four kinds (the last block, biases) "
    "meet in the third claim alone, whose trials are of the first one and two layers of "
    f"a BERT in miniature, 64 wide, with updates of rank {SMALL_RANK}; lines are fitted to two budgets each, and the "
    "ceiling has tried everything at the larger one. That sizes follow a line in logarithms, as losses do, is as "
    "others tell it; how many tokens a model of a size is then given follows from the budget. LoRA needs the extra "
    "lora.",
)(compute_optimal)
