"""A primer on contrast of texts: input against input, or input against label, and what each is called here."""

from __future__ import annotations

from counterpoint.methods import Recipe, Takes
from counterpoint.systems.registry import system
from counterpoint.systems.surveys import Taxonomy, naming

TAXONOMY: Taxonomy = {
    "input with input": {
        "a text and what is made of it": (
            "counterpoint.views.TextView",
            "counterpoint.views.paired",
            "counterpoint.views.fast_gradient",
            "counterpoint.generating.paraphrased",
        ),
        "texts that stand together": (
            "counterpoint.views.neighbours",
            "counterpoint.views.parts",
            "counterpoint.views.spans",
        ),
        "texts that people have paired": (
            "counterpoint.training.rows.RowBatches",
            "counterpoint.negatives.class_pairs",
        ),
        "pictures with texts": ("counterpoint.encoders.Towers",),
    },
    "input with label": {
        "labels that are texts": (
            "counterpoint.views.defined",
            "counterpoint.procedures.AgainstTable",
            "counterpoint.procedures.Verbalizer",
        ),
        "labels with learned vectors": (
            "counterpoint.procedures.AgainstClasses",
            "counterpoint.procedures.ClassVectors",
            "counterpoint.objectives.Proxies",
        ),
        "words of the text as labels": (
            "counterpoint.pretraining.MaskedLM",
            "counterpoint.pretraining.ReplacedTokens",
        ),
        "whether both belong together, by a classifier": ("counterpoint.procedures.PairFeatures",),
    },
    "loss": {
        "metric learning": (
            "counterpoint.objectives.Triplet",
            "counterpoint.objectives.LiftedStructure",
            "counterpoint.objectives.SupCon",
        ),
        "energy: noise contrast, one pair at a time": ("counterpoint.objectives.Sigmoid",),
        "energy: noise contrast, one positive among many": ("counterpoint.objectives.InfoNCE",),
    },
    "negatives": {
        "of the batch": ("counterpoint.relation.Relation",),
        "kept from before": ("counterpoint.procedures.Queue", "counterpoint.procedures.MomentumQueue"),
        "hard ones": (
            "counterpoint.negatives.mine_bm25",
            "counterpoint.procedures.MixNegatives",
            "counterpoint.generating.triplets_written",
        ),
        "that are none": ("counterpoint.objectives.Debiased", "counterpoint.procedures.Guided"),
    },
    "application": {
        "language models": ("counterpoint.procedures.DetectReplaced", "counterpoint.pretraining.CrossUnmasking"),
        "few labels or none": ("counterpoint.evaluate.few_shot", "counterpoint.tasks.zero_shot"),
        "less data for pretraining": (),
        "tasks": (
            "counterpoint.evaluate.evaluate_retrieval",
            "counterpoint.evaluate.evaluate_sentences",
            "counterpoint.evaluate.classification",
        ),
        "generation of text": (),
    },
}


@system(
    "Contrastive NLP Primer",
    title="A Primer on Contrastive Pretraining in Language Processing: Methods, Lessons Learned and Perspectives",
    year=2021,
    family="sentences",
    mechanism="tests/systems/test_review.py::test_every_name_of_the_taxonomy_is_public",
    run=naming(TAXONOMY),
    setup="A survey: it claims nothing to measure. Of the primer its abstract was seen: contrast of inputs with inputs "
    "or with labels, metric learning or energies, and the applications are its division; the families below these are "
    "named by the house. The page Taxonomy has what each is called here; the run says which are here.",
)
def primer() -> Recipe:
    """Rethmeier and Augenstein 2021; a survey trains nothing."""
    return Recipe("Contrastive NLP Primer", (), Takes("nothing"))
