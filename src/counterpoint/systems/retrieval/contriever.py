"""Contriever: two crops of a document find each other, the second seen by an encoder that follows slowly."""

from __future__ import annotations

from counterpoint.encoders.adapting import mean_of_tokens
from counterpoint.geometry import Dot
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import InfoNCE
from counterpoint.procedures import Chain, Queue, Teacher
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.retrieval import e5
from counterpoint.testbeds import Richer, Trained
from counterpoint.testbeds.aligned import alignment
from counterpoint.testbeds.documents import FEW_DOCUMENTS, UNASKED
from counterpoint.testbeds.figures import found
from counterpoint.testbeds.lexical import LEXICAL
from counterpoint.testbeds.texts import LONGER_SCIFACT
from counterpoint.training import TrainConfig
from counterpoint.views import TextView, chained, inverse_cloze
from counterpoint.views.tokens import random_crop, token_deletion

TEMPERATURE, QUEUE, DECAY = 0.05, 131_072, 0.9995
FEW, FAST = 1024, 0.99
"""The queue and the decay where there are 5,183 documents and 200 steps."""


def loss() -> InfoNCE:
    """Inner products, of vectors that are not scaled."""
    return InfoNCE(TEMPERATURE, geometry=Dot())


def remembering(width: int, size: int = QUEUE, decay: float = DECAY) -> Chain:
    """Each query sees its own key, by the encoder that follows, and the queue."""
    return Chain(Teacher(decay, symmetric=False), Queue(size, width))


def fewer(width: int) -> Chain:
    """For few documents and steps."""
    return remembering(width, FEW, FAST)


def in_small() -> Recipe:
    """With a queue and a decay for few documents and steps."""
    return contriever().varied("Contriever", procedure=fewer)


def whole() -> Recipe:
    """Both views are the whole document."""
    return contriever().varied("Contriever, whole documents", view=None)


def whole_in_small() -> Recipe:
    """The same for few documents and steps."""
    return in_small().varied("Contriever, whole documents", view=None)


def undeleted() -> Recipe:
    """Crops of which nothing is deleted."""
    return in_small().varied("Contriever without deletion", view=TextView(tokens=random_crop()))


def cloze() -> Recipe:
    """A sentence and the rest of its document, drawn once."""
    return in_small().varied("inverse cloze task", view=None, prepare=(inverse_cloze(),))


_CEILING = Richer(Trained(e5.unfiltered), LONGER_SCIFACT)


@system(
    "Contriever",
    title="Unsupervised Dense Information Retrieval with Contrastive Learning",
    year=2021,
    family="retrieval",
    mechanism="tests/systems/test_contriever.py::test_loss_is_that_of_a_naive_loop_over_its_own_key_and_the_queue",
    claims=(
        Claim(
            "Crops of documents, without any question, teach to find more within 100 documents than BM25",
            found("recall@100"),
            "BM25",
            UNASKED,
            LEXICAL,
            system=Trained(in_small),
            off=Trained(whole_in_small),
            ceiling=_CEILING,
            floors=("untrained",),
        ),
        Claim(
            "Two crops are better views than a sentence and what is around it",
            found("ndcg@10"),
            "the inverse cloze task, whose pairs are drawn once",
            UNASKED,
            Trained(cloze),
            system=Trained(undeleted),
            ceiling=_CEILING,
        ),
        Claim(
            "Deleted tokens make crops better views",
            found("ndcg@10"),
            "crops of which nothing is deleted",
            UNASKED,
            Trained(undeleted),
            system=Trained(in_small),
            ceiling=_CEILING,
        ),
    ),
    signal=Signal(alignment, off=Trained(whole_in_small), system=Trained(in_small)),
    sample=FEW_DOCUMENTS,
    setup="SciFact's 5,183 abstracts stand in for Wikipedia and CCNet, of which each batch has a half there, and their "
    "own claims for BEIR; a table of token vectors from scratch for BERT, so that crops tell words that go together "
    "and no order. With so few documents and 200 steps of 256 for 500,000 of 2,048, claims are measured with a queue "
    f"of {FEW:,} and a decay of {FAST} (theirs: {QUEUE:,} and {DECAY}, which would leave the second encoder as it "
    "began). The queue begins empty, where theirs holds random vectors. At least one token of each crop stays. Texts "
    "are cut at the encoder's own length, not into pieces of 256 tokens. The inverse cloze task draws a sentence of "
    "each document once, and leaves it in one of ten. Fine-tuning on MS MARCO and mContriever are not measured. The "
    "ceiling has the test's claims among its training claims.",
)
def contriever() -> Recipe:
    """Izacard et al. 2021 and their code: crops of 5% to 50%, a tenth deleted, MoCo, inner products, mean pooling."""
    train = TrainConfig(
        epochs=1, batch_size=2048, learning_rate=5e-5, betas=(0.9, 0.98), schedule="linear", warmup=0.04
    )
    view = TextView(tokens=chained(random_crop(), token_deletion()))
    stage = Stage(loss, train, procedure=remembering, view=view)
    return Recipe("Contriever", (stage,), Takes("text"), similarity="dot", adapt=mean_of_tokens)
