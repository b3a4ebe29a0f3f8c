"""DiscoEval: a benchmark of vectors in discourse, and what the structure of documents can teach a sentence's vector."""

from __future__ import annotations

from torch import nn

from counterpoint.encoders.adapting import unscaled, without_dropout
from counterpoint.geometry import Dot
from counterpoint.heads import Several, projection
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import Logits, Objective, Part, SupCon
from counterpoint.relation import Relation, portion
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences import distilcse
from counterpoint.testbeds import Trained
from counterpoint.testbeds.discourse import ARTICLES, FEW_IN_ORDER, discourse, place_told
from counterpoint.testbeds.weak import shuffled
from counterpoint.training import TrainConfig
from counterpoint.views.structure import structure

WORDS, BUCKETS, LEVELS, HIDDEN = 1000, 20, 7, (300, 300)
"""Of the neighbours; of places; of sections; of each classifier."""

OUTPUTS = {"previous": WORDS, "next": WORDS, "place": BUCKETS, "paragraph_place": BUCKETS, "level": LEVELS}
"""What is told of a sentence, and of how many classes."""
_BAGS = ("previous", "next")


def as_it_is(encoder: nn.Module) -> nn.Module:
    """Vectors of any length, and no dropout."""
    return without_dropout(unscaled(encoder))


def classifiers(width: int) -> nn.Module:
    """Of each output one, with two hidden layers."""
    return Several(*(projection(width, hidden=HIDDEN, out=size) for size in OUTPUTS.values()))


def _criterion(name: str) -> Objective:
    before = list(OUTPUTS)[: list(OUTPUTS).index(name)]
    first = sum(OUTPUTS[other] for other in before)
    last = first + OUTPUTS[name] if len(before) + 1 < len(OUTPUTS) else None
    bag = SupCon(1.0, layout="one-way", geometry=Dot(), relation=Relation(portion(name))) if name in _BAGS else None
    return Part(Logits(OUTPUTS[name], bag, column=name), first, last)


def neighbours() -> Objective:
    """The mean log-likelihood of the words of the sentence before, and of those of the one after."""
    return _criterion("previous") + _criterion("next")


def with_places() -> Objective:
    """And the cross-entropy of the sentence's place, and of its paragraph's."""
    return neighbours() + _criterion("place") + _criterion("paragraph_place")


def with_places_and_levels() -> Objective:
    """And of the nesting of its section."""
    return with_places() + _criterion("level")


def criteria() -> Recipe:
    """Chen et al. 2019 and their code: neighbours' words, positions (SPP) and nesting level (NL), all with weight 1."""
    train = TrainConfig(epochs=1, batch_size=20, learning_rate=1e-3, weight_decay=0.0, clip=0.0)
    step = structure(WORDS, BUCKETS, LEVELS)
    stage = Stage(with_places_and_levels, train, head=classifiers, views=1, prepare=(step,))
    return Recipe("DiscoEval, SPP + NL", (stage,), Takes("text"), adapt=as_it_is)


def baseline() -> Recipe:
    """Neighbours' words alone."""
    return criteria().varied("DiscoEval, neighbours", objective=neighbours)


def places() -> Recipe:
    """Neighbours' words and places."""
    return criteria().varied("DiscoEval, SPP", objective=with_places)


def places_of_others() -> Recipe:
    """Places and levels are those of other sentences."""
    known = (*criteria().stages[0].prepare, *map(shuffled, ("place", "paragraph_place", "level")))
    return criteria().varied("DiscoEval, places of others", prepare=known)


system(
    "DiscoEval",
    title="Evaluation Benchmarks and Learning Criteria for Discourse-Aware Sentence Representations",
    year=2019,
    family="sentences",
    mechanism="tests/systems/test_discoeval.py::test_loss_is_that_of_a_naive_loop_over_words_and_places",
    claims=(
        Claim(
            "Places and nesting levels beside the neighbours' words make vectors better at discourse",
            discourse,
            "neighbours' words alone",
            ARTICLES,
            Trained(baseline),
            off=Trained(places_of_others),
            ceiling=distilcse.CEILING,
        ),
        Claim(
            "Places alone do so, too",
            discourse,
            "neighbours' words alone",
            ARTICLES,
            Trained(baseline),
            system=Trained(places),
            ceiling=distilcse.CEILING,
        ),
    ),
    signal=Signal(place_told, off=Trained(places_of_others)),
    sample=FEW_IN_ORDER,
    setup="The benchmark itself is `counterpoint evaluate MODEL data` on the authors' folder, without RST, which is "
    "handed out as pickles. What is measured here is what they train: of its tasks sentence position and binary "
    "ordering, made of WikiText-2 in their way, with probes that are fitted on the training articles and no "
    "development part. 60 articles stand in for Wikipedia, a table of token vectors, whose mean is taken as in "
    "their encoder by averages of words, for a bidirectional GRU (the first layer of SmolLM2 collapses under the "
    f"neighbours' words alone), and words are the {WORDS:,} most frequent ones in place of 50,000; decoders are bags "
    "of words, which are one of theirs. Places are in 20 buckets, of a sentence in its paragraph and of a paragraph "
    "in its article; their data, which say what a place is counted in, were not seen. Titles (SDT) are left out: "
    "all criteria together were worse than neighbours alone (53.9 and 54.6 in their table, 55.3 with places and "
    "levels). The ceiling is all-MiniLM-L6-v2.",
)(criteria)
