"""CoCoSoDa: queries and codes, each with a soft view that a momentum encoder sees, contrasted across and within."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import InfoNCE, Objective
from counterpoint.procedures import Procedure, TwoKinds
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.tasks import Collection
from counterpoint.testbeds import Figure, Made, Richer, Trained
from counterpoint.testbeds.code import CODE, MADE_CODE, SEEN_CODE
from counterpoint.testbeds.figures import found
from counterpoint.testbeds.lexical import LEXICAL
from counterpoint.training import TrainConfig
from counterpoint.views import TextView, chained, masked_code, one_kind, one_of, typed_code
from counterpoint.views.words import WordView, blank

TEMPERATURE, QUEUE, FAST, SHARE, MASK = 0.07, 1024, 0.99, 0.1, "[MASK]"
"""`SHARE` of the tokens are changed."""
_MRR = found("mrr@10")


def both_in_one(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: each pair becomes one text, the query in its first line, the code in all that follow."""
    del encoder, seed
    assert data.others is not None and data.positives is not None  # noqa: PT018 - pairs
    row, place = (data.positives >= 0).nonzero(as_tuple=True)
    queries, codes = data.anchors[data.anchor[row]].texts, data.others[data.positives[row, place]].texts
    texts = [" ".join(query.split()) + "\n" + code for query, code in zip(queries, codes, strict=True)]
    return Data.alone(Items("text", texts), source=data.source)


def first_line(text: str, generator: torch.Generator) -> str:
    """The query."""
    del generator
    return text.partition("\n")[0]


def the_rest(text: str, generator: torch.Generator) -> str:
    """The code."""
    del generator
    return text.partition("\n")[2]


def unchanged(text: str, generator: torch.Generator) -> str:
    """As it is."""
    del generator
    return text


SOFT_QUERY = one_of(blank(SHARE, MASK), unchanged, weights=(1, 3))
SOFT_CODE = one_of(masked_code(SHARE, MASK), typed_code(SHARE), one_kind(SHARE), one_kind(SHARE, MASK))


def four_views(query: WordView = SOFT_QUERY, code: WordView = SOFT_CODE) -> tuple[TextView, ...]:
    """Query and code as they are, and a soft view of each."""
    views = (first_line, the_rest, chained(first_line, query), chained(the_rest, code))
    return tuple(TextView(view) for view in views)


def contrast() -> Objective:
    """InfoNCE."""
    return InfoNCE(TEMPERATURE)


def kinds(width: int) -> Procedure:
    """Across and within, each with a queue."""
    return TwoKinds(QUEUE, width)


def fast(width: int) -> Procedure:
    """With a teacher that follows within 200 steps."""
    return TwoKinds(QUEUE, width, decay=FAST)


def across_alone(width: int) -> Procedure:
    """Across only."""
    return TwoKinds(QUEUE, width, decay=FAST, within=False)


def short_queues(width: int) -> Procedure:
    """Queues that hold one vector."""
    return TwoKinds(1, width, decay=FAST)


def in_small() -> Recipe:
    """As claims are measured: for 200 steps."""
    return cocosoda().varied("CoCoSoDa", procedure=fast)


def plain() -> Recipe:
    """Queries against the codes of the batch and back, as they are."""
    return cocosoda().varied(
        "in-batch", objective=lambda: InfoNCE(TEMPERATURE, layout="symmetric"), procedure=None, view=None, prepare=()
    )


def hard_views() -> Recipe:
    """Nothing is masked or replaced: a soft view is the item itself."""
    return in_small().varied("CoCoSoDa without SoDa", view=four_views(unchanged, unchanged))


def across() -> Recipe:
    """Without contrast within a kind."""
    return in_small().varied("CoCoSoDa, across alone", procedure=across_alone)


def unqueued() -> Recipe:
    """Hardly any negatives beyond the batch."""
    return in_small().varied("CoCoSoDa without queues", procedure=short_queues)


def _steady(made: Made) -> float:
    assert isinstance(made.parts[1], Collection)
    texts, generator = list(made.parts[1].corpus.texts)[:64], torch.Generator().manual_seed(made.seed)
    masked = [masked_code(0.5, MASK)(text, generator) for text in texts]
    whole, soft = (torch.from_numpy(made.encoder.encode_items(Items("text", some))) for some in (texts, masked))
    return float(F.cosine_similarity(whole, soft, dim=1).mean())


steady = Figure("cosine of a code with itself half masked", _steady)
"""Over 64 documents of the test."""

_CEILING = Richer(Trained(plain), SEEN_CODE)


def _better(text: str, against: str, baseline: Trained) -> Claim:
    return Claim(text, _MRR, against, CODE, baseline, system=Trained(in_small), ceiling=_CEILING)


@system(
    "CoCoSoDa",
    title="CoCoSoDa: Effective Contrastive Learning for Code Search",
    year=2022,
    family="retrieval",
    mechanism="tests/systems/test_cocosoda.py::test_loss_is_that_of_a_naive_loop_over_six_blocks",
    claims=(
        Claim(
            "Soft views, queues and contrast within each kind find more functions than contrast in the batch",
            _MRR,
            "queries against codes of the batch and back, same steps",
            CODE,
            Trained(plain),
            system=Trained(in_small),
            off=Trained(hard_views),
            ceiling=_CEILING,
        ),
        _better("Soft data augmentation does so", "soft views that are the items themselves", Trained(hard_views)),
        _better("Contrast within each kind does so", "across kinds alone", Trained(across)),
        _better("Queues do so", "queues of one vector", Trained(unqueued)),
        Claim(
            "Trained so, vectors find more functions than BM25",
            _MRR,
            "BM25",
            CODE,
            LEXICAL,
            system=Trained(in_small),
            ceiling=_CEILING,
            floors=("untrained",),
        ),
    ),
    signal=Signal(steady, off=Trained(hard_views), system=Trained(in_small)),
    sample=MADE_CODE,
    setup="A table of token vectors stands in for UniXcoder and is trained on one language, Python as it is "
    "installed, by the multimodal contrast alone, without the fine-tuning that follows in the paper. The temperature "
    "is the paper's, which its code divides by 20 more. Contrast within a kind is the paper's, too; the script that "
    "is given out leaves it off, and there three of the four ways to change a code do almost nothing. Which way is "
    "drawn for each text (theirs: for each step), among six kinds of tokens that a regular expression tells (theirs: "
    "a parser's types); all tokens that are drawn are masked or replaced, where their code leaves a fifth. Masks are "
    "put into the text, so that a tokenizer with a [MASK] of its own sees it; to a table it is a word. The queues "
    "begin empty. Claims are measured with a decay of 0.99, for 0.999, which after 200 steps would leave the teacher "
    "as it began.",
)
def cocosoda() -> Recipe:
    """Shi et al. 2023 and their code: six losses, queues of 1,024, decay 0.999, a tenth of the tokens."""
    train = TrainConfig(epochs=10, batch_size=128, learning_rate=2e-5, schedule="linear", warmup=0.0)
    stage = Stage(contrast, train, procedure=kinds, view=four_views(), views=4, prepare=(both_in_one,))
    # one encoder sees queries and codes alike
    return Recipe("CoCoSoDa", (stage,), Takes("text", "text"), prompts={"query": "", "document": ""})
