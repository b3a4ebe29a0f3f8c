"""USE: one encoder for several tasks, whose neighbours and responses are told by a network of their own."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from counterpoint.data.items import Data
from counterpoint.encoders import DeepEncoder
from counterpoint.encoders.adapting import scaled_sum, unscaled
from counterpoint.encoders.wrapping import token_table, with_layers, with_ngrams
from counterpoint.errors import InputError
from counterpoint.geometry import Dot
from counterpoint.heads import projection
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import InfoNCE
from counterpoint.procedures import AgainstClasses, ByTask, Chain, PairFeatures, Predictor, Procedure
from counterpoint.relation import Relation, same
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences import distilcse
from counterpoint.systems.sentences.infersent import CLASSES, HIDDEN, known_classes
from counterpoint.testbeds import Seen, Trained, Untrained
from counterpoint.testbeds.several_tasks import FEW_TASKS, SEVERAL_TASKS, pearson_by_angle, pearson_by_cosine
from counterpoint.testbeds.texts import alignment_of_like
from counterpoint.testbeds.transfer import transfer
from counterpoint.training import TrainConfig

TRANSFORMS, BUCKETS, LAYERS = 2, 10_000, 4
"""Kinds of pairs without a class, such as neighbours and responses; of bigrams; of the averaging network."""


def by_task(width: int) -> Procedure:
    """A network on the second side of each kind of pairs without a class, and a classifier of pairs."""
    networks = (projection(width, hidden=(width,), activation=nn.Tanh) for _ in range(TRANSFORMS))
    responses = (Predictor(network, side="keys") for network in networks)
    classifier = projection(4 * width, hidden=(HIDDEN,), out=CLASSES)
    return ByTask(*responses, Chain(PairFeatures(classifier), AgainstClasses(CLASSES)))


def loss() -> InfoNCE:
    """The softmax of inner products: of the batch's second sides, or of the classes' axes, which is cross-entropy."""
    return InfoNCE(1.0, geometry=Dot(), relation=Relation(same("sample") | same("label")))


def tasks(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: the column `task`, the last one for pairs with a class, the others by their `source`."""
    del encoder, seed
    plain = data.columns["label"] < 0
    source = data.columns.get("source", torch.zeros(len(data), dtype=torch.long))
    found = source[plain].unique()
    if len(found) > TRANSFORMS:
        said = f"{len(found)} sources of pairs without a class, and {TRANSFORMS} tasks of such"
        raise InputError(said, file=data.source or None, fix="give neighbours, responses and classes")
    task = torch.where(plain, torch.searchsorted(found, source), TRANSFORMS)
    return replace(data, columns={**data.columns, "task": task})


def without_classes(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: pairs with a class are left out."""
    del encoder, seed
    return data[data.columns["label"] < 0]


def with_classes(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: others are."""
    del encoder, seed
    return data[data.columns["label"] >= 0]


def classes_of_others(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: the class of a pair is that of another."""
    del encoder
    label = data.columns["label"].clone()
    rows = (label >= 0).nonzero()[:, 0]
    label[rows] = label[rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))]]
    return replace(data, columns={**data.columns, "label": label})


def summed(encoder: nn.Module) -> nn.Module:
    """USE_T: the sum of all states over the root of their number, of any length."""
    return unscaled(scaled_sum(encoder))


def averaged(encoder: nn.Module) -> nn.Module:
    """USE_D: four layers on the mean of tokens and bigrams, of any length."""
    if isinstance(encoder, DeepEncoder):
        return encoder
    return unscaled(with_layers(with_ngrams(encoder, BUCKETS), LAYERS))


def words(encoder: nn.Module) -> nn.Module:
    """The mean of token vectors."""
    return unscaled(token_table(encoder))


def dan() -> Recipe:
    """The averaging network."""
    return use().varied("USE_D", adapt=averaged)


def word_level() -> Recipe:
    """Token vectors are all that is transferred."""
    return use().varied("word vectors", adapt=words)


def unsupervised() -> Recipe:
    """Neighbours and responses alone."""
    return use().varied("USE, no classes", prepare=(without_classes, tasks))


def inference() -> Recipe:
    """Pairs with a class alone."""
    return use().varied("USE, classes alone", prepare=(with_classes, known_classes, tasks))


def shuffled_classes() -> Recipe:
    """Classes of other pairs."""
    return use().varied("USE, classes of others", prepare=(known_classes, tasks, classes_of_others))


@system(
    "USE",
    title="Universal Sentence Encoder",
    year=2018,
    family="sentences",
    mechanism="tests/systems/test_use.py::test_losses_are_those_of_a_naive_loop_over_each_task",
    variants={"USE_D": dan},
    claims=(
        Claim(
            "Inference pairs beside neighbours and responses make better features",
            transfer,
            "neighbours and responses alone",
            SEVERAL_TASKS,
            Trained(unsupervised),
            off=Trained(shuffled_classes),
            ceiling=distilcse.CEILING,
        ),
        Claim(
            "Several tasks are better than inference alone",
            transfer,
            "inference pairs alone",
            SEVERAL_TASKS,
            Trained(inference),
            ceiling=distilcse.CEILING,
        ),
        Claim(
            "Sentence vectors are better features for other tasks than word vectors",
            transfer,
            "the mean of token vectors",
            SEVERAL_TASKS,
            Untrained(word_level),
            ceiling=distilcse.CEILING,
            floors=("raw",),
        ),
        Claim(
            "The transformer's features are better than those of the averaging network",
            transfer,
            "USE_D",
            SEVERAL_TASKS,
            Trained(dan),
            ceiling=distilcse.CEILING,
        ),
        Claim(
            "By angle vectors tell better how alike sentences are than by their cosine",
            pearson_by_angle,
            "the same vectors by their cosine",
            SEVERAL_TASKS,
            Seen(None, pearson_by_cosine),
            ceiling=distilcse.CEILING,
        ),
    ),
    signal=Signal(alignment_of_like, off=Trained(shuffled_classes)),
    sample=FEW_TASKS,
    setup="No training code was released, and the paper itself was not at hand. Its encoders, tasks, data and the "
    "similarity by angle are as others' notes on it tell them, the losses as Amit Chaudhary's account of it does "
    "(2020): all sides by one encoder, second sides of pairs without a class through a network of their own. The task "
    "like Skip-Thought, which may have had a decoder, is of such pairs, too, each both ways. These networks are a tanh "
    "layer and a linear one here, the classifier a ReLU layer of 512 and a linear one; their sizes are not told, nor "
    "are the tasks' weights, rates or batches. A batch is of one task, each as often as its pairs are to all. The "
    "first layer of SmolLM2, whose token vectors stay, stands in for six layers of 512 from scratch; copies are no "
    "negatives. USE_D's four layers are on SmolLM2's token vectors, which learn, and 10,000 buckets of bigrams. Word "
    "vectors are the same ones, averaged, with no network on top. Brown's sentences stand in for Wikipedia and news, "
    "answers of TruthfulQA and of a chat assistant for forums. Three of their tasks, with 500 texts for a probe each; "
    "bias (WEAT) is not measured. The order by angle is that by cosine, so only Pearson's correlation can differ. The "
    "ceiling is all-MiniLM-L6-v2.",
)
def use() -> Recipe:
    """Cer et al. 2018: softmax over the batch's second sides, or three classes of pairs; each batch is of one task."""
    train = TrainConfig(epochs=10, batch_size=64, learning_rate=1e-4, weight_decay=0.0)
    stage = Stage(loss, train, procedure=by_task, together="task", prepare=(known_classes, tasks))
    takes = Takes("text", "text", ("pairs",), ("label",))
    # both sides are sentences: no prompt tells them apart
    return Recipe("USE", (stage,), takes, prompts={"document": ""}, adapt=summed)
