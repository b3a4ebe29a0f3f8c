"""Query-as-context: questions that a language model asks of a passage are its context, in place of other passages."""

from __future__ import annotations

from functools import cache

import torch
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.generating import Generator, Rules, paraphrased
from counterpoint.methods import Recipe
from counterpoint.pretraining import CoCondenser, QueryDecoding, transformer
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.retrieval import cocondenser, cot_mae
from counterpoint.systems.retrieval._pretrained import CEILING, SETUP, in_spans, pretrained, with_task
from counterpoint.testbeds import Trained
from counterpoint.testbeds.aligned import alignment
from counterpoint.testbeds.documents import BY_BERT, FEW_PAIRS
from counterpoint.testbeds.figures import found
from counterpoint.testbeds.questions import asked_by_rule
from counterpoint.training import TrainConfig

ASK, QUESTIONS = "Ask a question that the following text answers, in one line and nothing else.\n\n{text}", 2
"""Of a language model; questions of a passage."""
PRETRAINING = TrainConfig(epochs=8, batch_size=16_384, learning_rate=4e-4, schedule="linear")
CONTRAST = TrainConfig(epochs=8, batch_size=2048, learning_rate=1e-4, schedule="linear")


@cache
def asker() -> Generator:
    """The stand-in for a language model."""
    return Generator(Rules(asked_by_rule, name="words of a passage"))


def with_questions(data: Data) -> list[list[str]]:
    """Each span with questions about it; by torch's seed."""
    spans = list(dict.fromkeys(span for document in in_spans(data) for span in document))
    asked = paraphrased(asker(), ASK, samples=QUESTIONS)(
        Data.alone(Items("text", spans)), nn.Identity(), torch.initial_seed()
    )
    assert asked.others is not None and asked.positives is not None  # noqa: PT018 - they have been written
    rows = zip(asked.anchors[asked.anchor].texts, asked.positives.tolist(), strict=True)
    return [[span, *(asked.others.texts[i] for i in own)] for span, own in rows]


def written(data: Data, encoder: nn.Module) -> QueryDecoding:
    """A decoder writes a question of the passage."""
    return QueryDecoding(transformer(encoder), with_questions(data), whole_words=True)


def written_of_others(data: Data, encoder: nn.Module) -> QueryDecoding:
    """A decoder writes a question of the next passage of all."""
    groups = with_questions(data)
    moved = [[first, *rest] for (first, *_), (_, *rest) in zip(groups, groups[1:] + groups[:1], strict=True)]
    return QueryDecoding(transformer(encoder), moved, whole_words=True)


def contrasted(data: Data, encoder: nn.Module) -> CoCondenser:
    """A passage and a question of it find each other."""
    return CoCondenser(transformer(encoder), with_questions(data), anchored=True, whole_words=True)


def cocondenser_qc() -> Recipe:
    """The contrastive one."""
    return pretrained("coCondenser-qc", contrasted, CoCondenser.objective, CONTRAST, cot_mae.FINE)


def by_spans() -> Recipe:
    """coCondenser with the same fine-tuning."""
    return with_task(cocondenser_qc(), "coCondenser", cocondenser.contrasted_spans, CoCondenser.objective)


def strangers() -> Recipe:
    """Questions of other passages."""
    return with_task(query_as_context(), "CoT-MAE-qc, questions of others", written_of_others, QueryDecoding.objective)


@system(
    "Query-as-context",
    title="Query-as-context Pre-training for Dense Passage Retrieval",
    year=2022,
    family="retrieval",
    mechanism="tests/systems/test_query_as_context.py::test_loss_is_that_of_a_naive_loop_that_writes_token_by_token",
    variants={"coCondenser-qc": cocondenser_qc},
    claims=(
        Claim(
            "A question that is written from a passage's vector prepares an encoder better than a passage near it",
            found("ndcg@10"),
            "CoT-MAE",
            BY_BERT,
            Trained(cot_mae.cot_mae),
            off=Trained(strangers),
            ceiling=CEILING,
        ),
        Claim(
            "A question is better than another span for coCondenser's contrast, too",
            found("ndcg@10"),
            "coCondenser",
            BY_BERT,
            Trained(by_spans),
            system=Trained(cocondenser_qc),
            ceiling=CEILING,
        ),
    ),
    signal=Signal(alignment, off=Trained(strangers)),
    sample=FEW_PAIRS,
    setup=SETUP + "Of the paper its abstract was read, and the authors' code. A rule stands in for a language model "
    "that was trained on MS MARCO's questions: six words of a passage that are no stop words, in their order, so that "
    f"a question says nothing that the passage does not; {QUESTIONS} of a passage for 20. Passages are pieces of a "
    "document of at most 48 words, for 144 tokens. What the decoder reads has the embedding layer's dropout and not "
    "GPT-2's beside it. The contrastive one begins without a Condenser that is trained already. Their second round of "
    "fine-tuning, with mined negatives, is left out.",
)
def query_as_context() -> Recipe:
    """Wu et al. 2022 and their code, the generative one: one causal layer that sees three places and the vector."""
    return pretrained("Query-as-context", written, QueryDecoding.objective, PRETRAINING, cot_mae.FINE)
