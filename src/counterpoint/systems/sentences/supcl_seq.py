"""SupCL-Seq: texts of one class attract each other, each seen at several rates of dropout; a classifier comes after."""

from __future__ import annotations

from torch import nn

from counterpoint.geometry import Dot
from counterpoint.heads import projection
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import InfoNCE, Objective, SupCon
from counterpoint.procedures import AgainstClasses, Procedure
from counterpoint.relation import Relation, same
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences.simcse import cls_with_dropout
from counterpoint.testbeds import Richer, Seen, Trained
from counterpoint.testbeds.classifiers import accuracy, its_classifier
from counterpoint.testbeds.figures import probe_accuracy, tolerant
from counterpoint.testbeds.sorted_texts import ALL_QUESTIONS, QUESTIONS, SECTIONS
from counterpoint.training import TrainConfig
from counterpoint.views import TextView
from counterpoint.views.tokens import dropout

TEMPERATURE, RATES, CLASSES = 0.05, (0.0, 0.05, 0.2), 6
"""Of the loss; of the views beside that at the model's own rate; of both testbeds."""
_OF_A_TEXT = Relation(same("sample"))


def loss() -> Objective:
    """As their code scales it."""
    return TEMPERATURE / 0.07 * SupCon(TEMPERATURE)


def views_alone() -> Recipe:
    """Without labels: the other views of a text are its positives."""
    return supcl_seq().varied("SupCL-Seq without labels", objective=lambda: SupCon(TEMPERATURE, relation=_OF_A_TEXT))


def one_rate() -> Recipe:
    """As many views, all at the model's own rate."""
    return supcl_seq().varied("SupCL-Seq, one rate", view=None)


def logits(width: int) -> nn.Module:
    """One linear layer."""
    return projection(width, out=CLASSES)


def against_classes(_width: int) -> Procedure:
    """The loss of a classifier."""
    return AgainstClasses(CLASSES)


def fine_tuned() -> Recipe:
    """Cross-entropy, encoder and classifier trained together."""
    about = {"head": logits, "procedure": against_classes, "view": None, "views": 1}
    classified = Relation(same("label"))
    return supcl_seq().varied(
        "fine-tuning", objective=lambda: InfoNCE(1.0, geometry=Dot(), relation=classified), **about
    )


_CEILING = Seen(Richer(Trained(fine_tuned), ALL_QUESTIONS), accuracy(its_classifier))


@system(
    "SupCL-Seq",
    title="SupCL-Seq: Supervised Contrastive Learning for Downstream Optimized Sequence Representations",
    year=2021,
    family="sentences",
    mechanism="tests/systems/test_supcl_seq.py::test_loss_is_that_of_a_naive_loop_over_four_views",
    claims=(
        Claim(
            "Contrasted by class, then probed, a model is more accurate than fine-tuned",
            probe_accuracy(),
            "fine-tuning, by its own classifier",
            QUESTIONS,
            Seen(Trained(fine_tuned), accuracy(its_classifier)),
            off=Trained(views_alone),
            ceiling=_CEILING,
        ),
        Claim(
            "Its vectors say more of the class than those of fine-tuning",
            probe_accuracy(),
            "fine-tuning, by a probe",
            QUESTIONS,
            Trained(fine_tuned),
            ceiling=_CEILING,
        ),
        Claim(
            "Several rates of dropout are better than one",
            probe_accuracy(),
            "as many views at the model's rate",
            QUESTIONS,
            Trained(one_rate),
            ceiling=_CEILING,
        ),
    ),
    signal=Signal(tolerant, off=Trained(views_alone)),
    sample=SECTIONS,
    setup="Questions and their six classes in place of GLUE's tasks, 500 to learn from. The first layer of SmolLM2, "
    "which no contrastive loss has touched, stands in for BERT, and the mean of its states for BERT's pooler. Dropout "
    f"is added to it at a rate of 0.1; the other views have rates of {', '.join(map(str, RATES))}, the defaults of "
    "their code. The classifier is a logistic probe, in place of a head that is trained for five epochs. A question is "
    "encoded four times a step, and once where the model is fine-tuned. Warm-up is a tenth of the steps, and the rate "
    "falls as a cosine. The ceiling knows ten times the questions.",
)
def supcl_seq() -> Recipe:
    """Sedghamiz et al. 2021 and their code: four dropouts of each text, all of its class its positives."""
    train = TrainConfig(epochs=3, batch_size=32, learning_rate=5e-5, weight_decay=0.01)
    seen = (None, *(TextView(tokens=dropout(rate)) for rate in RATES))
    stage = Stage(loss, train, view=seen, views=1 + len(RATES))
    return Recipe("SupCL-Seq", (stage,), Takes("text", schemas=("labelled",)), adapt=cls_with_dropout)
