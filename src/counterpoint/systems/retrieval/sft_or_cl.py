"""SFT or CL: how hard the two losses of rerankers push each document of a list, and which of them ranks better."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from counterpoint.data.items import Data
from counterpoint.encoders import CrossEncoder, TransformerCrossEncoder, load
from counterpoint.encoders.adapting import first_layers
from counterpoint.fitting.bases import smollm2_folder
from counterpoint.geometry import Dot
from counterpoint.methods import Recipe, Takes
from counterpoint.negatives import mine_bm25
from counterpoint.objectives import InfoNCE, Objective, Pairs
from counterpoint.points import Points
from counterpoint.search import Score
from counterpoint.systems.registry import Claim, Figures, Say, system
from counterpoint.tasks import Collection, pairs
from counterpoint.testbeds import Made
from counterpoint.testbeds.figures import found
from counterpoint.testbeds.lexical import Lexical
from counterpoint.testbeds.ranked import Reranked
from counterpoint.testbeds.texts import SMALL_TITLES
from counterpoint.training import CrossLists, TrainConfig, train
from counterpoint.training.lists import cross_encoder

_TOP = found("ndcg@10")
_NEGATIVES, _DEPTH, _QUERIES = 5, 20, 200
_TRAIN = TrainConfig(steps=100, batch_size=8, learning_rate=5e-4, validations=1, dtype="float32", chunk_tokens=1 << 20)


def contrastive() -> Objective:
    """CL: the softmax cross-entropy of the positive over its list, `-log p_+`."""
    return InfoNCE(1.0, geometry=Dot())


def supervised() -> Objective:
    """SFT: is this a pair, yes or no, `-log sigmoid(s)` or `-log sigmoid(-s)`, the mean over all pairs.

    With `s` the logit of "yes" less that of "no" it is the cross-entropy of the two tokens.
    """
    return Pairs(0.0, 0.0, shape=F.softplus, over="terms", geometry=Dot())


def weights(objective: Objective, scores: Float[Tensor, "n s"], positive: Bool[Tensor, "n s"]) -> Float[Tensor, "n s"]:
    """How hard each document is pushed, up where above 0: `-dL/ds`, of a document's own share of the loss.

    The gradient of a loss is `sum_j (dL/ds_j) (ds_j/dtheta)`, a weight times a direction: this is the weight. Of CL it
    is `y_j - p_j`, with the softmax `p` over the list; of SFT `y_j - sigmoid(s_j)`, which knows no other document. One
    is scaled by the number of lists, the other by that of pairs, over which their means are.

    Args:
        objective: `contrastive()` or `supervised()`.
        scores: Of each list.
        positive: Which documents are.

    Examples:
        >>> weights(supervised(), torch.zeros(1, 3), torch.tensor([[True, False, False]])).tolist()
        [[0.5, -0.5, -0.5]]
    """
    scores = scores.detach().requires_grad_()
    owned = Points(scores[..., None], positive=positive.to(scores), valid=torch.ones_like(positive))
    loss = objective(Points(scores.new_ones(len(scores), 1)), owned=owned)
    (gradient,) = torch.autograd.grad(loss, scores)
    return -gradient * (len(scores) if isinstance(objective, InfoNCE) else scores.numel())


def reader(seed: int) -> TransformerCrossEncoder:
    """A causal language model's embeddings, which stay, and its first layer, under a score of the last token."""
    body = first_layers(load(smollm2_folder()), 1)
    model = TransformerCrossEncoder.of(body, max_length=96, seed=seed)
    model.model.get_input_embeddings().requires_grad_(requires_grad=False)
    return model


def trained(model: CrossEncoder, data: Data, objective: Objective, seed: int) -> CrossEncoder:
    """It, after so many steps of lists of a positive and five of BM25's."""
    lists = mine_bm25(data, _NEGATIVES)
    train(model, CrossLists(lists, model), objective, TrainConfig(**{**vars(_TRAIN), "seed": seed}))
    return model


def knowing(test: Collection) -> Score:
    """Scores of one who knows the answers: 1 of a query's own, 0 of others."""
    right = {
        (test.queries.texts[q], test.corpus.texts[d])
        for q, gains in test.answers.relevant.items()
        for d, gain in gains.items()
        if gain > 0 and d >= 0
    }
    return lambda queries, documents: np.array([float(both in right) for both in zip(queries, documents, strict=True)])


def compared(seed: int) -> dict[str, float]:
    """nDCG@10 of held-out titles, the first twenty of BM25 put in order by the same model, trained by either loss."""
    train_part, test = SMALL_TITLES.parts(seed)
    collection = test if isinstance(test, Collection) else pairs(test)
    made = partial(Made, parts=(train_part, collection.asking(_QUERIES)), seed=seed)
    of = {"untrained": reader(seed)}
    for name, objective in (("baseline", contrastive()), ("system", supervised())):
        of[name] = trained(reader(seed), train_part, objective, seed)  # type: ignore[assignment]
    ranked = {name: _TOP.of(made(name, Reranked(model.score, _DEPTH))) for name, model in of.items()}
    bm25, best = made("BM25", Lexical()), made("the answer first", Reranked(knowing(collection), _DEPTH))
    return {"raw": _TOP.of(bm25), **ranked, "ceiling": _TOP.of(best)}


def diagnosed(method: Recipe, output: Path, say: Say) -> Figures:
    """How hard either loss pushes the documents of lists, by the scores of a small ranker early and late."""
    del method, output
    data = mine_bm25(SMALL_TITLES.parts(0)[0][torch.arange(256)], _NEGATIVES)
    figures: dict[str, float] = {}
    for steps in (5, 100):
        model = cross_encoder(data, 0, steps=steps)
        payload = CrossLists(data, model).payload(torch.arange(len(data)))
        with torch.no_grad():
            owned = payload.arguments(model(payload.inputs))["owned"]
        whole = owned.columns["valid"].all(1)
        scores, positive = owned.z[whole, :, 0], owned.columns["positive"][whole] > 0
        for name, objective in (("CL", contrastive()), ("SFT", supervised())):
            pushed = weights(objective, scores, positive).abs()
            hardest = pushed.masked_fill(positive, 0).amax(1)
            figures[f"{name}: weight of the positive after {steps} steps"] = float(pushed[positive].mean())
            figures[f"{name}: weight of the hardest negative after {steps} steps"] = float(hardest.mean())
        say(
            f"after {steps} steps the positive is first in {float((scores.argmax(1) == 0).float().mean()):.0%} of lists"
        )
    return figures


@system(
    "SFT or CL",
    title="Supervised Fine-Tuning or Contrastive Learning? Towards Better Multimodal LLM Reranking",
    year=2025,
    family="retrieval",
    mechanism="tests/systems/test_sft_or_cl.py::test_the_gradient_is_weight_times_direction_of_each_document",
    claims=(
        Claim(
            "A language model that says yes or no to each pair puts results in a better order than one that contrasts "
            "the positive with its negatives",
            "ndcg@10 of the reranked",
            "the same model trained by InfoNCE, same lists and steps",
            check=compared,
        ),
    ),
    sample=SMALL_TITLES,
    run=diagnosed,
    setup="An analysis: `fit-reranker --objective pointwise` and `listwise` train both. The paper's text was not to be "
    "had: its abstract was, and the two scores, the two losses and that they are taken apart into weight and direction "
    "as a review tells them. Texts alone stand in for pictures and texts. A linear layer gives one score, so that the "
    "tokens' two logits are their difference, and both losses push in the same direction; the paper finds no clear "
    "winner among directions, and the difference in weights is what is compared. The model is SmolLM2's embeddings, "
    "which stay, and first layer, after 100 steps of 8 lists of titles and descriptions, five negatives of BM25 each; "
    "BM25's first twenty are put in order, and the ceiling is who knows the answer among them.",
)
def sft_or_cl() -> Recipe:
    """Dai et al. 2025; the analysis trains no encoder."""
    return Recipe("SFT or CL", (), Takes("nothing"))
