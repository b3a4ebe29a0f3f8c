"""cpt: pieces of text that follow one another, read by a causal language model to a delimiter at their end."""

from __future__ import annotations

import torch
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.encoders.adapting import with_dropout
from counterpoint.encoders.wrapping import in_templates
from counterpoint.geometry import Temperature
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import InfoNCE
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences import distilcse
from counterpoint.testbeds import Trained, Untrained
from counterpoint.testbeds.documents import FEW_DOCUMENTS
from counterpoint.testbeds.texts import alignment_of_like
from counterpoint.testbeds.transfer import DOCUMENTS, transfer
from counterpoint.training import TrainConfig
from counterpoint.views import another_template, in_pieces, neighbours

TEMPLATES, LONGEST = ("[{}][MASK]", "{{}}[MASK]"), 24
"""Delimiters of a text, and of what follows it; words of a piece."""
follows = neighbours()
"""Each piece and the next of its document."""


def delimited(encoder: nn.Module) -> nn.Module:
    """The last state of a text's second delimiter."""
    return in_templates(with_dropout(encoder), TEMPLATES)


def cut(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: each text becomes its pieces, in their order."""
    del encoder, seed
    pieces = [in_pieces(data.anchors.texts[i], LONGEST) for i in data.anchor.tolist()]
    document = torch.arange(len(pieces)).repeat_interleave(torch.tensor([len(of) for of in pieces]))
    return Data.alone(Items("text", [piece for of in pieces for piece in of]), source=data.source, document=document)


def shuffled(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: each piece has what follows another one."""
    del encoder
    assert data.positives is not None
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))
    positives = data.positives.clone()
    positives[order] = data.positives[order.roll(1)]
    return Data(data.anchors, data.anchor, data.others, positives, source=data.source)


def loss() -> InfoNCE:
    """Both ways, cosines, and a temperature that is learned."""
    return InfoNCE(Temperature(0.07), layout="symmetric")


def by_chance() -> Recipe:
    """Nothing follows."""
    return cpt().varied("cpt, any piece", prepare=(cut, follows, shuffled))


def again() -> Recipe:
    """A piece itself, under other dropout and in the other delimiters: SimCSE's positives."""
    return cpt().varied("cpt, a piece itself", prepare=(cut,))


def cpt() -> Recipe:
    """Neelakantan et al. 2022: a causal model, delimiters, symmetric cross-entropy of cosines over a large batch."""
    train = TrainConfig(epochs=1, batch_size=12_288, learning_rate=1e-4, schedule="linear")
    stage = Stage(loss, train, prepare=(cut, follows), view=(None, another_template(1)))
    return Recipe("cpt", (stage,), Takes("text"), adapt=delimited)


system(
    "cpt",
    title="Text and Code Embeddings by Contrastive Pre-Training",
    year=2022,
    family="retrieval",
    mechanism="tests/systems/test_cpt.py::test_loss_is_that_of_a_naive_loop_both_ways",
    claims=(
        Claim(
            "Pieces of text that follow one another are better positives for features than a piece itself",
            transfer,
            "the piece itself, under other dropout",
            DOCUMENTS,
            Trained(again),
            off=Trained(by_chance),
            ceiling=distilcse.CEILING,
        ),
        Claim(
            "They make a language model's vectors better features",
            transfer,
            "the language model as it is",
            DOCUMENTS,
            Untrained(cpt),
            off=Trained(by_chance),
            ceiling=distilcse.CEILING,
            floors=("raw",),
        ),
    ),
    signal=Signal(alignment_of_like, off=Trained(by_chance)),
    sample=FEW_DOCUMENTS,
    setup="Of the paper its abstract was read; the loss, the learned temperature, the delimiters (brackets for a text, "
    "braces for what follows it) and the batches of 12,288 of its smallest model are as others tell them, and a start "
    "of 0.07, dropout and the rate are ours. The embeddings, which stay, and first layer of SmolLM2 stand in for "
    "models of 300 million to 175 billion weights that begin as GPT-3, pieces of 24 words of SciFact's abstracts for "
    "text of the Internet, and batches of 32 for theirs, which are said to be most of the effect. All texts of a test "
    "have a text's own delimiters. Of a model with a mask token, that token stands after the delimiter and is asked. "
    "Three tasks of SentEval, with 500 texts for a probe each, for seven. Search and code, of which they train models "
    "of their own, are not measured. The ceiling is all-MiniLM-L6-v2.",
)(cpt)
