"""CODER++: terms are contrasted with those that the model finds near them, synonyms and others alike, found anew."""

from __future__ import annotations

from dataclasses import replace

from counterpoint.encoders.adapting import first_token
from counterpoint.methods import Prepare, Recipe, Stage, Takes
from counterpoint.negatives.terms import term_groups
from counterpoint.objectives import Mined, Objective, Pool, Pooled, near_the_other_side
from counterpoint.procedures import LabelledKeys
from counterpoint.relation import Relation, same
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Richer, Trained
from counterpoint.testbeds.terms import SEEN_TERMS, TERMS, TITLED_TERMS, cluster_f1, nearest_concept
from counterpoint.training import TrainConfig


def multi_similarity() -> Objective:
    """Of all pairs of the batch, those within 0.1 of the hardest of the other side; Wang et al. 2019, eq. 11 to 15."""
    pull, push = Pool(0.5, 2.0, floor=True), Pool(0.5, 50.0, floor=True)
    relation = Relation(positive=same("label"))
    return Mined(Pooled(pull, push, relation=relation), near_the_other_side(0.1))


def grouped(step: Prepare, renewals: int = 0) -> Recipe:
    """Groups of any terms first, as CODER's batches, then groups that this step makes."""
    train = TrainConfig(
        epochs=1, batch_size=4, learning_rate=4e-5, weight_decay=0.01, schedule="linear", warmup=0.004, accumulate=8
    )
    first = Stage(multi_similarity, train, procedure=lambda _width: LabelledKeys(), prepare=(term_groups(drawn=True),))
    second = replace(first, train=replace(train, epochs=3), prepare=(step,), renewals=renewals)
    return Recipe("CODER++", (first, second), Takes("text", schemas=("labelled",)), adapt=first_token)


def never() -> Recipe:
    """Near terms are found before the stage, and never again."""
    return grouped(term_groups())


def any_terms() -> Recipe:
    """Any terms in the place of near ones, drawn as often."""
    return grouped(term_groups(drawn=True), 9)


_CEILING = Richer(Trained(any_terms), SEEN_TERMS)


@system(
    "CODER++",
    title="Automatic Biomedical Term Clustering by Learning Fine-grained Term Representations",
    year=2022,
    family="retrieval",
    mechanism="tests/systems/test_coder.py::test_loss_is_that_of_a_naive_loop_over_all_pairs_of_terms",
    claims=(
        Claim(
            "Groups of near terms, found anew as the model learns, cluster terms better than groups of any terms",
            cluster_f1,
            "any terms in the place of near ones, same steps",
            TERMS,
            Trained(any_terms),
            off=Trained(never),
            ceiling=_CEILING,
        ),
        Claim(
            "Near terms that are found anew cluster better than those that were found once",
            cluster_f1,
            "near terms found before the stage, same steps",
            TERMS,
            Trained(never),
            ceiling=_CEILING,
        ),
    ),
    signal=Signal(nearest_concept, off=Trained(any_terms)),
    sample=TITLED_TERMS,
    setup="WordNet's animals, plants, parts of bodies and states stand in for UMLS, of whose millions of concepts they "
    "are 4,000; a term that names several is of the first. A table of token vectors stands in for CODER: a first stage "
    "on groups of synonyms and any terms, a third as long as the second, for its own training on synonyms and "
    "relations. Its vectors are what is trained and searched by the cosine; the authors train BERT's pooler on [CLS] "
    "and search by inner products of means of all states, padding among them. A group is a term, up to 30 synonyms and "
    "the 30 nearest others; theirs has the term itself among the nearest, names a near synonym twice and is filled "
    "with copies of the term. Groups are 16 a step, theirs 4 on each of eight GPUs, with a loss for each GPU, over "
    "eight steps for one of the optimiser, which begins anew with every search. Synonyms are drawn once. Near terms "
    "are found ten times, as theirs are (each 250,000 of 2.5 million steps). The mean is over terms of which a pair is "
    "left, theirs over all. Terms are clustered by links alone: clusters above 50 are not divided, short terms not "
    "left out, and the threshold, theirs 0.8, is the one that suits the other half of the test concepts. The ceiling "
    "has the new terms among those of training.",
)
def coder() -> Recipe:
    """Zeng et al. 2022 and their code: 30 near terms and 30 synonyms a group, found ten times."""
    return grouped(term_groups(), 9)
