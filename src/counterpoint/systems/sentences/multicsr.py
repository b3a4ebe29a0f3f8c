"""MultiCSR: what a language model wrote is judged by one, and what a guide finds near is no negative."""

from __future__ import annotations

from dataclasses import replace

from counterpoint.generating import Generator, Sampling, triplets_curated, triplets_written
from counterpoint.methods import Prepare, Recipe, Stage, Takes
from counterpoint.objectives import InfoNCE, Objective
from counterpoint.procedures import OwnGuide, Procedure
from counterpoint.relation import Relation, near, same
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences.distilcse import sentences
from counterpoint.systems.sentences.simcse import cls_with_dropout, mlp, simcse
from counterpoint.testbeds import Richer, Trained
from counterpoint.testbeds.figures import spearman
from counterpoint.testbeds.texts import alignment_of_like
from counterpoint.testbeds.triplets import MISTAKEN, RIGHT, SWAPPED, TITLE_TRIPLETS, Judge
from counterpoint.training import TrainConfig

TEMPERATURE, NEAR = 0.05, 0.95
"""Of the loss; phi, the guide's cosine from which a negative does not count."""
GUIDED = Sampling(guidance=1.5)
"""Against the opposite instruction."""


def judged() -> Prepare:
    """A step before training: by the stand-in for a language model."""
    return triplets_curated(Generator(Judge()))


def loss() -> Objective:
    """A text's entailment against all others and all contradictions, those that the guide finds near left out."""
    return InfoNCE(TEMPERATURE, relation=Relation(ignored=near("guide", NEAR) & ~same("sample")))


def plain_loss() -> Objective:
    """Against all of them."""
    return InfoNCE(TEMPERATURE)


def guided(_width: int) -> Procedure:
    """With what the encoder was before the stage for a guide."""
    return OwnGuide()


def without_judge() -> Recipe:
    """As they were written."""
    return multicsr().varied("MultiCSR without judge", prepare=())


def without_mask() -> Recipe:
    """All negatives count."""
    return multicsr().varied("MultiCSR without mask", objective=plain_loss, procedure=None)


def neither() -> Recipe:
    """SimCSE on the triplets, as they were written."""
    return without_mask().varied("MultiCSR without both", prepare=())


def with_generator(generator: Generator, judge: Generator | None = None) -> Recipe:
    """All of it, on texts alone: a generator writes the triplets, and judges them, if there is no other judge."""
    recipe = multicsr()
    written = triplets_written(generator, sampling=GUIDED)
    first, last = recipe.stages
    # equal prompts are answered once, so both stages see the same triplets
    first = replace(first, prepare=(written, *first.prepare))
    last = replace(last, prepare=(written, triplets_curated(judge or generator)))
    return replace(recipe, takes=Takes("text"), stages=(first, last))


CEILING = Richer(Trained(neither), RIGHT)
"""The same triplets without errors."""


@system(
    "MultiCSR",
    title="Large Language Models can Contrastively Refine their Generation for Better Sentence Representation Learning",
    year=2023,
    family="sentences",
    mechanism="tests/systems/test_multicsr.py::test_loss_is_that_of_a_naive_loop_over_what_the_guide_leaves",
    claims=(
        Claim(
            "Triplets that are judged, with near negatives left out, are better than what was written",
            spearman,
            "SimCSE on all triplets",
            MISTAKEN,
            Trained(neither),
            ceiling=CEILING,
        ),
        Claim(
            "Judging the pairs is a part of it",
            spearman,
            "the same without judge",
            MISTAKEN,
            Trained(without_judge),
            ceiling=CEILING,
        ),
        Claim(
            "So is leaving near negatives out",
            spearman,
            "the same without mask",
            MISTAKEN,
            Trained(without_mask),
            ceiling=CEILING,
        ),
    ),
    signal=Signal(alignment_of_like, off=Trained(neither)),
    sample=TITLE_TRIPLETS,
    setup="People's entailments and contradictions in SNLI stand for what a language model writes, and its errors are "
    f"planted: {SWAPPED:.0%} have changed places. all-MiniLM-L6-v2, which has learned from SNLI, too, judges in place "
    "of Flan-T5-XL, by 5 times its cosine. `with_generator` has a language model of one's own write and judge. There "
    "each text is written against the opposite instruction by classifier-free guidance of 1.5; the paper's first stage "
    "refines logits so, but its released code does not have it: the rule and its weight are not theirs. The loss is "
    "SimCSE's with masked terms. Their code multiplies a masked score by 0, so that it counts as a cosine of 0, and "
    "takes the binary cross-entropy of all probabilities. The guide is SimCSE on the triplets' sentences, half of the "
    "steps, without dropout, which their code leaves on; the second half goes on from it, where theirs begins with "
    "BERT. The baseline has the same first half. The first layer of SmolLM2 is the start, as for SimCSE here. The MLP "
    "is dropped at test; they print both. The ceiling has the triplets without errors.",
)
def multicsr() -> Recipe:
    """Wang et al. 2024 and their code: filter 15, temperature 0.05, phi 0.95, after SimCSE."""
    train = TrainConfig(epochs=3, batch_size=128, learning_rate=5e-5, weight_decay=0.0, schedule="linear", warmup=0.0)
    stage = Stage(loss, train, head=mlp, procedure=guided, prepare=(judged(),))
    first = replace(simcse().stages[0], train=replace(train, learning_rate=3e-5), prepare=(sentences,))
    return Recipe("MultiCSR", (first, stage), Takes("text", "text", ("tuples",)), adapt=cls_with_dropout)
