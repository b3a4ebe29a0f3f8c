"""SetCSE: sets of example sentences are pushed apart, and a collection is put in order by operations on the sets."""

from __future__ import annotations

from counterpoint.encoders.adapting import with_dropout
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import InterSet
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences.star import star
from counterpoint.testbeds import Richer, Trained, Untrained
from counterpoint.testbeds.example_sets import QUESTION_SETS, like_a_set, unlike_a_set
from counterpoint.testbeds.sorted_texts import ALL_QUESTIONS, SECTIONS
from counterpoint.testbeds.tuning import class_margin
from counterpoint.testbeds.weak import shuffled
from counterpoint.training import TrainConfig

TEMPERATURE = 0.05


def shuffled_sets() -> Recipe:
    """Sentences in sets of others."""
    return setcse().varied("SetCSE, sets of others", prepare=(shuffled("label"),))


_CEILING = Richer(Trained(star), ALL_QUESTIONS)


@system(
    "SetCSE",
    title="SetCSE: Set Operations using Contrastive Learning of Sentence Embeddings",
    year=2024,
    family="sentences",
    mechanism="tests/systems/test_setcse.py::test_loss_is_that_of_a_naive_loop_over_pairs_of_two_sets",
    claims=(
        Claim(
            "Pushing the sets apart makes what is like one of them easier to find",
            like_a_set,
            "the same query with the start, not fine-tuned",
            QUESTION_SETS,
            Untrained(),
            off=Trained(shuffled_sets),
            ceiling=_CEILING,
            floors=("raw",),
        ),
        Claim(
            "And what is unlike one of them",
            unlike_a_set,
            "the same query with the start, not fine-tuned",
            QUESTION_SETS,
            Untrained(),
            off=Trained(shuffled_sets),
            ceiling=_CEILING,
            floors=("raw",),
        ),
    ),
    signal=Signal(class_margin, off=Trained(shuffled_sets)),
    sample=SECTIONS,
    setup="No code and not the whole paper was at hand: that the loss of a set is one logarithm over its pairs with "
    f"all others, and the temperature of {TEMPERATURE}, SimCSE's, are as others tell it. Twenty questions of each of "
    "TREC's six classes stand in for sets of AG News, Financial PhraseBank, Banking77 and MTOD, and the first layer of "
    "SmolLM2 with dropout of 0.1, mean-pooled, for BERT, RoBERTa, Contriever, SGPT and others. The mean over sets in "
    "place of the sum, which changes the size of the loss alone. Batches of 32 sentences of any sets. How the paper "
    "cuts a ranking for its accuracy and F1 is not known here: it is cut at as many as there are, where precision, "
    "recall and F1 are one. Operations are `counterpoint.search.SetQuery`; a series of several is linear in its sets, "
    "and only single ones are measured. The ceiling is STAR's loss, supervised by class, on all training questions.",
)
def setcse() -> Recipe:
    """Liu 2024: log-sum-exp of cosines of sentences of two sets, a few steps on the examples."""
    train = TrainConfig(epochs=10, batch_size=64, learning_rate=5e-5)
    stage = Stage(lambda: InterSet(TEMPERATURE), train, views=1)
    return Recipe("SetCSE", (stage,), Takes("text", schemas=("labelled",)), adapt=with_dropout)
