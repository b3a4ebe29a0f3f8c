"""MASTER: five decoders guess a passage, parts of it, its questions and what follows, each from its vector alone."""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from counterpoint.data.items import Data
from counterpoint.methods import Recipe
from counterpoint.pretraining import MASTER, CoTMAE, transformer
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.retrieval import cot_mae
from counterpoint.systems.retrieval._pretrained import CEILING, SETUP, in_spans, pretrained, with_task
from counterpoint.systems.retrieval.query_as_context import QUESTIONS, with_questions
from counterpoint.testbeds import Trained
from counterpoint.testbeds.aligned import alignment
from counterpoint.testbeds.documents import BY_BERT, FEW_PAIRS
from counterpoint.testbeds.figures import found
from counterpoint.training import TrainConfig

PRETRAINING = TrainConfig(epochs=40, batch_size=2048, learning_rate=3e-4, schedule="linear")


def followed(data: Data) -> dict[str, str]:
    """What stands after each span in its document; before the last one."""
    found = dict[str, str]()
    for document in in_spans(data):
        found |= {document[-1]: document[-2]} if len(document) > 1 else {}
        found |= dict(pairwise(document))
    return found


def by_five(data: Data, encoder: nn.Module) -> MASTER:
    """All tasks."""
    follows = followed(data)
    groups = [group for group in with_questions(data) if group[0] in follows]
    passages, questions = [group[0] for group in groups], [group[1:] for group in groups]
    return MASTER(transformer(encoder), passages, questions, [follows[p] for p in passages], whole_words=True)


def itself() -> Recipe:
    """One decoder, of the passage itself."""
    return with_task(master(), "MASTER, the passage alone", cot_mae.of_itself, CoTMAE.objective)


def of_context() -> Recipe:
    """One decoder, of another span: CoT-MAE with the same fine-tuning."""
    return with_task(master(), "CoT-MAE", cot_mae.of_context, CoTMAE.objective)


@system(
    "MASTER",
    title="MASTER: Multi-task Pre-trained Bottlenecked Masked Autoencoders are Better Dense Retrievers",
    year=2022,
    family="retrieval",
    mechanism="tests/systems/test_master.py::test_loss_is_the_sum_of_eight_means_of_a_naive_loop",
    claims=(
        Claim(
            "Five tasks at once prepare an encoder better for retrieval than CoT-MAE's one",
            found("ndcg@10"),
            "CoT-MAE, fine-tuned alike",
            BY_BERT,
            Trained(of_context),
            off=Trained(itself),
            ceiling=CEILING,
        ),
        Claim(
            "And better than the passage itself alone",
            found("ndcg@10"),
            "one decoder of the passage itself, fine-tuned alike",
            BY_BERT,
            Trained(itself),
            ceiling=CEILING,
        ),
    ),
    signal=Signal(alignment, off=Trained(itself)),
    sample=FEW_PAIRS,
    setup=SETUP + "Of the paper its abstract was read, and the authors' code. Questions are by the rule of "
    f"Query-as-context, {QUESTIONS} of a passage for 10, and what stands after a passage in its document is its "
    "continuation, for GPT-2's. Passages are pieces of a document of at most 48 words, for 128 tokens. The compared "
    "decoder of the passage alone masks words all alike, and sees each passage as often. How often words are is "
    "counted over the passages, for MS MARCO. Three of four stages of their fine-tuning, with mined negatives and a "
    "reranker's scores, are left out.",
)
def master() -> Recipe:
    """Zhou et al. 2022 and their code: 30% hidden from the encoder, half from five decoders of two layers."""
    fine = TrainConfig(epochs=15, batch_size=64, learning_rate=5e-6, schedule="linear")
    return pretrained("MASTER", by_five, MASTER.objective, PRETRAINING, fine)
