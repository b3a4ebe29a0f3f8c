"""Augmentation where few weights learn: a prefix and a classifier, altered texts, and contrast of classes beside."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from counterpoint.encoders import TransformerEncoder
from counterpoint.encoders.wrapping import with_prefix
from counterpoint.heads import Several
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import Logits, Objective, Part, SupCon
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences.simcse import cls_with_dropout
from counterpoint.testbeds import Richer, Trained
from counterpoint.testbeds.augmented import ALL_LABELS, FEW_LABELS, FEW_SECTIONS, easy, separated
from counterpoint.testbeds.classifiers import accuracy, its_classifier
from counterpoint.training import TrainConfig
from counterpoint.views import TextView

CLASSES, LENGTH, RANK = 6, 16, 8
"""Of both testbeds; of the prefix; of LoRA's updates."""
TEMPERATURE, WEIGHT = 0.1, 1.0
"""Of the contrast."""
PREFIX_RATE, LORA_RATE, WHOLE_RATE = 1e-2, 2e-3, 5e-4


def beside_logits(width: int) -> nn.Module:
    """The vector itself, and a linear classifier of it."""
    return Several(nn.Identity(), nn.Linear(width, CLASSES))


def prefixed(encoder: nn.Module) -> nn.Module:
    """A frozen model with a prefix in each layer."""
    return with_prefix(cls_with_dropout(encoder), LENGTH)


def with_lora(encoder: nn.Module) -> nn.Module:
    """A frozen model with updates of low rank."""
    for part in cls_with_dropout(encoder).modules():
        if isinstance(part, TransformerEncoder) and not hasattr(part.model, "merge_and_unload"):
            part.add_lora(RANK)
    return encoder


def classified() -> Objective:
    """Cross-entropy."""
    return Part(Logits(CLASSES), -CLASSES)


def contrasted() -> Objective:
    """And vectors of one class attract each other, altered or not."""
    return classified() + WEIGHT * Part(SupCon(TEMPERATURE), 0, -CLASSES)


def augmented() -> Recipe:
    """Cross-entropy of texts and of altered ones."""
    return pet_augmentation().varied("prefix, altered texts", objective=classified)


def plain() -> Recipe:
    """Of texts as they are, twice, with other dropout."""
    return augmented().varied("prefix", view=None)


def contrasted_plain() -> Recipe:
    """Contrast of classes without altered texts."""
    return pet_augmentation().varied("prefix, contrast", view=None)


def _rated(recipe: Recipe, name: str, rate: float) -> Recipe:
    return recipe.varied(name, train=replace(recipe.stages[0].train, learning_rate=rate))


def fine_tuned() -> Recipe:
    """All weights, texts and altered ones."""
    return replace(_rated(augmented(), "fine-tuning, altered texts", WHOLE_RATE), adapt=cls_with_dropout)


def lora() -> Recipe:
    """LoRA on texts as they are."""
    return replace(_rated(plain(), "LoRA", LORA_RATE), adapt=with_lora)


def augmented_lora() -> Recipe:
    """And on altered ones."""
    return replace(_rated(augmented(), "LoRA, altered texts", LORA_RATE), adapt=with_lora)


_CEILING = Richer(Trained(plain), ALL_LABELS)


@system(
    "DA-for-PET study",
    title="Effectiveness of Data Augmentation for Parameter Efficient Tuning with Limited Data",
    year=2023,
    family="sentences",
    mechanism="tests/systems/test_pet_augmentation.py::test_loss_is_cross_entropy_and_contrast_of_a_naive_loop",
    claims=(
        Claim(
            "Contrast of classes makes prefix tuning on altered texts better",
            accuracy(its_classifier),
            "cross-entropy on the same texts",
            FEW_LABELS,
            Trained(augmented),
            off=Trained(contrasted_plain),
            ceiling=_CEILING,
        ),
        Claim(
            "Altered texts improve prefix tuning",
            accuracy(its_classifier),
            "texts as they are",
            FEW_LABELS,
            Trained(plain),
            system=Trained(augmented),
            ceiling=_CEILING,
        ),
        Claim(
            "And LoRA",
            accuracy(its_classifier),
            "texts as they are",
            FEW_LABELS,
            Trained(lora),
            system=Trained(augmented_lora),
            ceiling=Richer(Trained(lora), ALL_LABELS),
        ),
        Claim(
            "Fine-tuning keeps classes of altered texts further apart than prefix tuning does",
            separated,
            "prefix tuning",
            FEW_LABELS,
            Trained(augmented),
            system=Trained(fine_tuned),
            ceiling=Richer(Trained(fine_tuned), ALL_LABELS),
        ),
    ),
    signal=Signal(separated, off=Trained(augmented)),
    sample=FEW_SECTIONS,
    setup="Of the paper its abstract was seen: weight and temperature of the contrast, the length of the prefix, the "
    f"rank and the rates ({PREFIX_RATE:g}, {LORA_RATE:g} and {WHOLE_RATE:g} for prefix, LoRA and the whole model) are "
    "the house's own, and were not chosen. The first layer of SmolLM2 stands in for BERT and RoBERTa, its mean state "
    "for [CLS], and 100 questions of six classes for five data sets; the one layer has one prefix. Of EDA "
    "only swapping and leaving out words are used: its other two need a thesaurus. Back-translation needs a model that "
    "translates, and Mixup mixes classes, for which the contrast means nothing: both are left out. Texts as they are "
    "stand twice in a batch, as often as with altered ones. The contrast is claimed for prefixes alone, as the paper "
    "does. The ceiling has all labels. LoRA needs the extra lora.",
)
def pet_augmentation() -> Recipe:
    """Obadinma et al. 2023: P-tuning v2 with altered texts, cross-entropy and a supervised contrastive loss."""
    train = TrainConfig(epochs=20, batch_size=32, learning_rate=PREFIX_RATE, schedule="linear", warmup=0.1)
    stage = Stage(contrasted, train, head=beside_logits, view=(None, TextView(easy())))
    return Recipe("DA-for-PET", (stage,), Takes("text", schemas=("labelled",)), adapt=prefixed)
