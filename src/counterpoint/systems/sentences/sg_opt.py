"""SG-OPT: [CLS] is to be what each layer of the model, as it was before, says of the sentence."""

from __future__ import annotations

from torch import nn

from counterpoint.encoders.adapting import frozen_tokens, unscaled
from counterpoint.encoders.layers import PooledLayers
from counterpoint.heads import projection
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import InfoNCE, Lengths, Objective, Part
from counterpoint.procedures import AgainstStart, Chain, DistanceFromStart, Procedure
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences.simcse import CEILING, cls_with_dropout, word_deletion
from counterpoint.testbeds import Trained, Untrained
from counterpoint.testbeds.figures import spearman
from counterpoint.testbeds.texts import LIKENESS, SENTENCES, alignment_of_like
from counterpoint.training import TrainConfig

TEMPERATURE, DISTANCE = 0.01, 0.1
"""Of the contrast; the weight of the distance from the start."""


def frozen_embeddings(encoder: nn.Module) -> nn.Module:
    """[CLS], dropout, and embeddings that stay."""
    return frozen_tokens(unscaled(cls_with_dropout(encoder)))


def projector(width: int) -> nn.Module:
    """Two layers, each with a GELU, that [CLS] and layers share, as much wider as 4,096 is than 768."""
    wider = 16 * width // 3
    return projection(width, hidden=(wider,), out=wider, activation=nn.GELU, last=nn.GELU)


def all_layers(width: int) -> Procedure:
    """Each layer of the frozen copy is a positive."""
    return Chain(AgainstStart(PooledLayers, projector(width)), DistanceFromStart())


def one_layer(width: int) -> Procedure:
    """One of them, drawn for each sentence in each step."""
    return Chain(AgainstStart(PooledLayers, projector(width), drawn=True), DistanceFromStart())


def no_layer(width: int) -> Procedure:
    """The copy's own vector."""
    return Chain(AgainstStart(None, projector(width)), DistanceFromStart())


def layers_alone(width: int) -> Procedure:
    """All layers, and no distance."""
    return AgainstStart(PooledLayers, projector(width))


def near_start(contrast: Objective) -> Objective:
    """A contrast, and the squared distance of the weights from where they began."""
    return Part(contrast, 0, -1) + DISTANCE * Part(Lengths(), -1)


def loss() -> Objective:
    """Each layer against the layers of other sentences."""
    return near_start(InfoNCE(TEMPERATURE))


def both_ways() -> Objective:
    """NT-Xent: layers are anchors, too, and [CLS] of other sentences negatives."""
    return near_start(InfoNCE(TEMPERATURE, layout="views"))


def sg_opt() -> Recipe:
    """Kim et al. 2021 and their code: all layers of a frozen copy are positives, and the weights stay near it."""
    train = TrainConfig(epochs=1, batch_size=16, learning_rate=5e-5, betas=(0.9, 0.9), schedule="linear")
    stage = Stage(loss, train, procedure=all_layers, views=1)
    return Recipe("SG-OPT", (stage,), Takes("text"), adapt=frozen_embeddings)


def sg() -> Recipe:
    """Their first form: NT-Xent with one random layer."""
    return sg_opt().varied("SG", objective=both_ways, procedure=one_layer)


def own_vector() -> Recipe:
    """Only the copy's own vector guides."""
    return sg_opt().varied("SG-OPT without layers", procedure=no_layer)


def free() -> Recipe:
    """The weights may go anywhere."""
    return sg_opt().varied("SG-OPT without distance", objective=lambda: InfoNCE(TEMPERATURE), procedure=layers_alone)


def _better(text: str, against: str, baseline: Trained) -> Claim:
    return Claim(text, spearman, against, SENTENCES, baseline, ceiling=CEILING)


system(
    "SG-OPT",
    title="Self-Guided Contrastive Learning for BERT Sentence Representations",
    year=2021,
    family="sentences",
    mechanism="tests/systems/test_sg_opt.py::test_loss_is_that_of_a_naive_loop_over_layers_and_weights",
    variants={"SG": sg},
    claims=(
        Claim(
            "Training on unlabelled sentences improves the start",
            spearman,
            "the start's [CLS], not fine-tuned",
            SENTENCES,
            Untrained(sg_opt),
            off=Trained(own_vector),
            ceiling=CEILING,
            floors=("raw",),
        ),
        _better("The model's own layers are better views than a changed text", "a tenth of words deleted, InfoNCE",
                Trained(word_deletion)),
        _better("Every layer against the layers of others is better than NT-Xent", "NT-Xent with a random layer",
                Trained(sg)),
        _better("Weights that stay near their start are better", "without distance", Trained(free)),
    ),
    signal=Signal(alignment_of_like, off=Trained(own_vector)),
    sample=LIKENESS,
    setup="The start, sentences and batches are those of SimCSE here, in place of BERT and of all sentences of STS-B, "
    "its test among them; so there are two layers, the embeddings and the first, where BERT has thirteen, and the mean "
    "of states stands in for [CLS]. The distance is a sum over all weights that learn, as in the authors' code: of one "
    "layer it is less. The frozen copy has dropout in training, as it has in their code. Weights of the projection "
    "begin as PyTorch has them; theirs are normal. The last weights are kept, not those that are best on STS-B's "
    "development part, whose labels they choose by. A tenth of the words deleted, as SimCSE has it here, stands in for "
    "their baseline of back-translation.",
)(sg_opt)  # fmt: skip
