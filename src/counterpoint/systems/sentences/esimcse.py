"""ESimCSE: some words twice make a positive of another length, and past sentences are further negatives."""

from __future__ import annotations

from counterpoint.methods import Recipe
from counterpoint.procedures import MomentumQueue, Procedure
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences.simcse import CEILING, simcse
from counterpoint.testbeds import Trained
from counterpoint.testbeds.figures import spearman
from counterpoint.testbeds.texts import LIKENESS, SENTENCES, length_bias
from counterpoint.views import TextView
from counterpoint.views.tokens import repeated_tokens

RATE, QUEUE, DECAY = 0.32, 160, 0.995
"""Of the tokens, at most, that come twice; 2.5 batches of 64; of the momentum encoder."""


def past(width: int) -> Procedure:
    """Two and a half batches of sentences that came before."""
    return MomentumQueue(QUEUE, width, DECAY)


def repeated() -> Recipe:
    """SimCSE, whose positives have some tokens twice."""
    return simcse().varied("SimCSE, repetition", view=(None, TextView(tokens=repeated_tokens(RATE))))


def queued() -> Recipe:
    """SimCSE with the queue."""
    return simcse().varied("SimCSE, queue", procedure=past)


@system(
    "ESimCSE",
    title="ESimCSE: Enhanced Sample Building Method for Contrastive Learning of Unsupervised Sentence Embedding",
    year=2021,
    family="sentences",
    mechanism="tests/systems/test_esimcse.py::test_loss_is_that_of_a_naive_loop_over_batch_and_queue",
    claims=(
        Claim(
            "Repetition and a momentum queue improve on dropout alone",
            spearman,
            "SimCSE",
            SENTENCES,
            Trained(simcse),
            ceiling=CEILING,
        ),
        Claim(
            "Repetition alone does",
            spearman,
            "SimCSE",
            SENTENCES,
            Trained(simcse),
            system=Trained(repeated),
            ceiling=CEILING,
        ),
        Claim(
            "The momentum queue alone does",
            spearman,
            "SimCSE",
            SENTENCES,
            Trained(simcse),
            system=Trained(queued),
            ceiling=CEILING,
        ),
    ),
    signal=Signal(length_bias, off=Trained(simcse)),
    sample=LIKENESS,
    setup=f"As SimCSE here, with its dropout of 0.1 (0.15 there). Fewer than {RATE:.0%} of a text's tokens, and fewer "
    "than ten, come twice, as in the authors' code, which draws them once for all epochs; a text of six tokens or "
    "fewer stays as it is, where the paper's own rule repeats up to two. The queue holds 2.5 batches, the momentum "
    f"{DECAY}. The momentum encoder begins as the encoder does.",
)
def esimcse() -> Recipe:
    """Wu et al. 2021, section 3: repetition of tokens on one side, and a queue of a momentum encoder's sentences."""
    return repeated().varied("ESimCSE", procedure=past)
