"""AMR-LE: a model that reads two sentences learns which are logically equivalent, and then the task."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from counterpoint.geometry import Dot
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import InfoNCE, Objective
from counterpoint.procedures import AgainstClasses, Procedure
from counterpoint.relation import Relation, same
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences.simcse import cls_with_dropout
from counterpoint.testbeds import Arm, Richer, Trained
from counterpoint.testbeds.classifiers import accuracy, its_classifier
from counterpoint.testbeds.joined import FEW_VERDICTS, HALF_TRAINED, MORE_VERDICTS, RELATED_TEXTS, equivalence
from counterpoint.testbeds.weak import shuffled
from counterpoint.training import TrainConfig
from counterpoint.views.equivalents import law_pairs

CLASSES, DROPOUT = 3, 0.1
"""Of the task, those of inference; of the classifier."""


def classifier(width: int, classes: int) -> nn.Module:
    """RoBERTa's: a layer and tanh, then one to the classes, with dropout before each."""
    layers = (nn.Dropout(DROPOUT), nn.Linear(width, width), nn.Tanh(), nn.Dropout(DROPOUT), nn.Linear(width, classes))
    return nn.Sequential(*layers)


def of_equivalence(width: int) -> nn.Module:
    """The classifier of the first stage, which is thrown away."""
    return classifier(width, 2)


def of_task(width: int) -> nn.Module:
    """That of the second."""
    return classifier(width, CLASSES)


def against_two(_width: int) -> Procedure:
    """Equivalent, or not."""
    return AgainstClasses(2)


def against_classes(_width: int) -> Procedure:
    """The classes of the task."""
    return AgainstClasses(CLASSES)


def loss() -> Objective:
    """Cross-entropy of logits."""
    return InfoNCE(1.0, geometry=Dot(), relation=Relation(same("label")))


def fine_tuned() -> Recipe:
    """The second stage alone."""
    return amr_le().varied("fine-tuning", stages=amr_le().stages[1:])


def shuffled_equivalence() -> Recipe:
    """Which sentences are said to be equivalent is that of others."""
    recipe = amr_le()
    first = replace(recipe.stages[0], prepare=(*_LAWS, shuffled("label")))
    return recipe.varied("AMR-LE, equivalence of others", stages=(first, *recipe.stages[1:]))


def _better(against: str, baseline: Arm) -> Claim:
    """Than one of three controls."""
    return Claim(
        f"A model that has learned which sentences are equivalent is better at inference than {against}",
        accuracy(its_classifier),
        against,
        FEW_VERDICTS,
        baseline,
        ceiling=Richer(Trained(fine_tuned), MORE_VERDICTS),
    )


_LAWS = (law_pairs(),)
_TRAIN = TrainConfig(epochs=10, batch_size=32, learning_rate=2e-5, weight_decay=0.0, schedule="linear", warmup=0.0)


@system(
    "AMR-LE",
    title="Contrastive Learning with Logic-driven Data Augmentation for Logical Reasoning over Text",
    year=2023,
    family="sentences",
    mechanism="tests/systems/test_amr_le.py::test_both_losses_are_the_cross_entropy_of_a_naive_loop",
    claims=(
        _better("the same two stages, with the equivalence of others", Trained(shuffled_equivalence)),
        _better("fine-tuning alone, as many steps on the task", Richer(Trained(fine_tuned), HALF_TRAINED)),
        _better("fine-tuning alone, as many steps in all", Trained(fine_tuned)),
    ),
    signal=Signal(equivalence, off=Trained(shuffled_equivalence)),
    sample=RELATED_TEXTS,
    setup="The loss is the cross-entropy of pairs that are read together; nothing is contrasted within a batch, as in "
    "their code. The laws are applied to sentences of templates as they are, without a parser to graphs and a "
    "generator back, so that no pair is reworded; words of 24 subjects and 32 adjectives, of which a third is kept for "
    "a test, in place of 38 and 53, 4,000 pairs in place of 11,344, of each law about the same share, as many that are "
    "equivalent as are not. 500 pairs of SNLI with three classes stand in for ReClor, LogiQA and tasks of GLUE, MNLI "
    "among them, and the first layer of SmolLM2, causal and mean-pooled, with dropout of 0.1, for RoBERTa and DeBERTa: "
    "what one layer can say of two sentences is little. Each stage has 100 steps. The main claim's baseline has both "
    "stages, and in the first one each pair is said to be what another one is; the second's has the 100 steps on the "
    "task alone, as in the paper, where the first stage comes on top; the third's has 200 on the task.",
)
def amr_le() -> Recipe:
    """Bao et al. 2023 and their code: equivalence of pairs first, then the task with a new classifier."""
    first = Stage(loss, _TRAIN, head=of_equivalence, procedure=against_two, views=1, prepare=_LAWS)
    second = Stage(loss, _TRAIN, head=of_task, procedure=against_classes, views=1)
    return Recipe("AMR-LE", (first, second), Takes("text", schemas=("labelled",)), adapt=cls_with_dropout)
