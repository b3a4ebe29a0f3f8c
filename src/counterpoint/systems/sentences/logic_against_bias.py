"""Logic Against Bias: what follows from a sentence is judged with fewer stereotypes than what is like it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.data.items import Data, Items
from counterpoint.encoders.adapting import unscaled
from counterpoint.evaluate import PairScore, by_similarity, evaluate_stereotypes
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import Logits
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences.amr_le import classifier
from counterpoint.systems.sentences.infersent import known_classes
from counterpoint.systems.sentences.simcse import cls_with_dropout, supervised
from counterpoint.testbeds import Made, Richer, Trained
from counterpoint.testbeds.bed import Figure
from counterpoint.testbeds.texts import INFERENCES
from counterpoint.testbeds.transfer import RELATED, VERDICTS
from counterpoint.testbeds.weak import shuffled
from counterpoint.training import TrainConfig

CLASSES, TOLD = 3, 300
"""Of entailment; training pairs of which the signal asks."""


def supposition(context: str, sentence: str) -> str:
    """What the model judges: one text."""
    return f"{sentence} is entailed by {context}."


def suppositions(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: each pair is the supposition that its second text follows from its first."""
    del encoder, seed
    assert data.others is not None and data.positives is not None  # noqa: PT018 - pairs
    first, second = data.anchors[data.anchor].texts, data.others[data.positives[:, 0]].texts
    texts = [supposition(*pair) for pair in zip(first, second, strict=True)]
    return Data.alone(Items("text", texts), source=data.source, classes=data.classes, **data.columns)


def of_entailment(width: int) -> nn.Module:
    """RoBERTa's classifier."""
    return classifier(width, CLASSES)


def loss() -> Logits:
    """Cross-entropy."""
    return Logits(CLASSES)


def raw_states(encoder: nn.Module) -> nn.Module:
    """[CLS] as it is, with dropout."""
    return cls_with_dropout(unscaled(encoder))


def classes_of_others() -> Recipe:
    """Which pairs entail is that of other pairs."""
    steps = (*logic_against_bias().stages[0].prepare, shuffled("label"))
    return logic_against_bias().varied("entailment of others", prepare=steps)


def vectors(made: Made, texts: Sequence[str]) -> Float[Tensor, "n d"]:
    """Each text's, encoded once."""
    row = {text: i for i, text in enumerate(dict.fromkeys(texts))}
    z = torch.from_numpy(made.encoder.encode_items(Items("text", list(row))))
    return z[[row[text] for text in texts]]


@torch.inference_mode()
def logits(made: Made, contexts: Sequence[str], sentences: Sequence[str]) -> Float[np.ndarray, "n c"]:
    """Of each supposition, by the model's own classifier."""
    z: Tensor = made.head(vectors(made, list(map(supposition, contexts, sentences))))
    return z.numpy()


def score_of(made: Made) -> PairScore:
    """The logit of entailment where a model tells it; else how near vectors are."""
    if not isinstance(made.objective, Logits):
        return by_similarity(lambda texts: vectors(made, texts).numpy())
    # without such a class the last one is that of the most alike
    entailed = made.train.classes.index("entailment") if "entailment" in made.train.classes else -1
    return lambda contexts, sentences: logits(made, contexts, sentences)[:, entailed]


def _figure(name: str) -> Callable[[Made], float]:
    def measure(made: Made) -> float:
        return evaluate_stereotypes(score_of(made), samples=0)[name].value

    return measure


recognition = Figure("recognition of men and women", _figure("recognition"))
professions = Figure("fairness, professions of men and women", _figure("professions fairness"))
feelings = Figure("fairness, feelings of men and women", _figure("feelings fairness"))


def _told(made: Made) -> float:
    data = made.train[torch.arange(min(TOLD, len(made.train)))]
    assert data.others is not None and data.positives is not None  # noqa: PT018 - pairs
    first, second = data.anchors[data.anchor].texts, data.others[data.positives[:, 0]].texts
    right = logits(made, first, second).argmax(1) == data.columns["label"].numpy()
    return float(right.mean())


told = Figure("accuracy of its own classifier on training pairs", _told)


_SIMCSE = Richer(Trained(supervised), INFERENCES)
_AGAINST = "SimCSE on inference pairs, by the distance of vectors"
_OFF = Trained(classes_of_others)


@system(
    "Logic Against Bias",
    title="Logic Against Bias: Textual Entailment Mitigates Stereotypical Sentence Reasoning",
    year=2023,
    family="sentences",
    mechanism="tests/systems/test_logic_against_bias.py::test_loss_is_the_cross_entropy_of_a_naive_loop",
    claims=(
        Claim(
            "What follows tells men from women better than what is alike",
            recognition,
            _AGAINST,
            VERDICTS,
            _SIMCSE,
            off=_OFF,
            ceiling=1.0,
            floors=("raw",),
        ),
        Claim(
            "Professions are given to both more evenly",
            professions,
            _AGAINST,
            VERDICTS,
            _SIMCSE,
            off=_OFF,
            ceiling=1.0,
            floors=(),
        ),
        Claim(
            "And so are feelings",
            feelings,
            _AGAINST,
            VERDICTS,
            _SIMCSE,
            off=_OFF,
            ceiling=1.0,
            floors=(),
        ),
    ),
    signal=Signal(told, off=_OFF),
    sample=RELATED,
    setup="An analysis: a test of stereotypes (`counterpoint.evaluate.evaluate_stereotypes`) and whom it is asked of. "
    "The paper's abstract and the authors' tests were read; how their classifiers, large BERT, RoBERTa and DeBERTa, "
    "were trained was not seen, and that they read a supposition as one text, as this method does, is what the tests "
    "give them. Claims are measured of this method on SNLI's development and test parts, 200 steps of 64. One layer "
    "of SmolLM2 hardly relates two texts so: after 100 steps of one seed it gave either sex to all or to none, and so "
    "claims may well not tell. SimCSE, supervised, has SNLI's entailments and contradictions, as many steps and a "
    "distance of vectors, as theirs; it stands for pretrained models, too, whose vectors alone are compared there. "
    "Words are ours: 20 pairs for men and women, 24 professions and 16 feelings for 71, 65 and 40, in their sentences, "
    "but that articles are right and no events are told. The score is the logit of entailment; classes in its place, "
    "which tie more often, can be asked of the same function. Ties count half; there, of scores, for women. Floors say "
    "nothing of fairness, which a model that knows nothing may have: entailment of others shows how much of it is "
    "that. StereoSet is left out.",
)
def logic_against_bias() -> Recipe:
    """Luo and Glass 2023 and their code: one text, that a sentence is entailed by another, in three classes."""
    train = TrainConfig(epochs=3, batch_size=64, learning_rate=2e-5, weight_decay=0.0, schedule="linear", warmup=0.0)
    stage = Stage(loss, train, head=of_entailment, views=1, prepare=(known_classes, suppositions))
    takes = Takes("text", "text", ("pairs",), ("label",))
    return Recipe("Logic Against Bias", (stage,), takes, adapt=raw_states)
