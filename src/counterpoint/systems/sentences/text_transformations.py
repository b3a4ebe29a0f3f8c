"""A review of how positives are made of texts: where each transformation acts, and what it is called here."""

from __future__ import annotations

from counterpoint.methods import Recipe, Takes
from counterpoint.systems.registry import system
from counterpoint.systems.surveys import Taxonomy, naming

TAXONOMY: Taxonomy = {
    "words": {
        "characters and marks": ("counterpoint.views.typos", "counterpoint.views.words.full_stop"),
        "left out or hidden": (
            "counterpoint.views.words.deletion",
            "counterpoint.views.words.blank",
            "counterpoint.views.tokens.token_cutoff",
            "counterpoint.views.tokens.token_deletion",
        ),
        "said again": ("counterpoint.views.words.repetition", "counterpoint.views.tokens.repeated_tokens"),
        "in another order": (
            "counterpoint.views.words.swap",
            "counterpoint.views.words.shuffled",
            "counterpoint.views.tokens.shuffled_tokens",
        ),
        "others in their place": (
            "counterpoint.views.synonyms",
            "counterpoint.views.insertion",
            "counterpoint.views.eda",
            "counterpoint.views.words.substitution",
            "counterpoint.pretraining.filled_in",
        ),
    },
    "spans": {
        "left out": ("counterpoint.views.words.span_deletion", "counterpoint.views.tokens.span_cutoff"),
        "in another order": ("counterpoint.views.words.reordering",),
        "a part of the text": (
            "counterpoint.views.words.crop",
            "counterpoint.views.tokens.random_crop",
            "counterpoint.views.parts",
        ),
    },
    "sentences": {
        "translated there and back": ("counterpoint.generating.back_translated",),
        "said otherwise": (
            "counterpoint.generating.paraphrased",
            "counterpoint.generating.rewritten",
            "counterpoint.views.style_triplets",
        ),
        "rewritten by a law of logic": ("counterpoint.views.logic.rewriting", "counterpoint.views.law_pairs"),
        "in a template": ("counterpoint.views.words.template", "counterpoint.views.another_template"),
    },
    "documents": {
        "spans that are near": ("counterpoint.views.spans",),
        "neighbours": ("counterpoint.views.neighbours", "counterpoint.views.windows"),
        "what defines it": ("counterpoint.views.defined",),
    },
    "vectors": {
        "dropout": ("counterpoint.views.tokens.dropout",),
        "dimensions of the tokens": (
            "counterpoint.views.tokens.feature_cutoff",
            "counterpoint.views.tokens.element_cutoff",
        ),
        "against the loss": ("counterpoint.views.fast_gradient",),
        "mixed": ("counterpoint.procedures.MixPositives",),
        "of another encoder": ("counterpoint.procedures.Teacher", "counterpoint.procedures.AgainstStart"),
    },
    "what is asked of one": {
        "the meaning stays": ("counterpoint.evaluate.alignment",),
        "other texts stay apart": ("counterpoint.evaluate.uniformity",),
        "several in turn or together": (
            "counterpoint.views.text_view.chained",
            "counterpoint.views.text_view.one_of",
        ),
        "what must not count as another": (
            "counterpoint.objectives.Debiased",
            "counterpoint.negatives.consistent",
        ),
    },
    "evaluation": {
        "likeness of sentences": ("counterpoint.evaluate.sts",),
        "probes of frozen vectors": ("counterpoint.evaluate.evaluate_sentences", "counterpoint.evaluate.probe"),
        "clusters": ("counterpoint.evaluate.clustering",),
        "the model trained on for each task": (),
    },
}


@system(
    "Text-transformations CL review",
    title="Text Transformations in Contrastive Self-Supervised Learning: A Review",
    year=2022,
    family="sentences",
    mechanism="tests/systems/test_review.py::test_every_name_of_the_taxonomy_is_public",
    run=naming(TAXONOMY),
    setup="A survey: it claims nothing to measure. Of the review its abstract was seen, so that where a transformation "
    "acts (words, spans, sentences, documents, vectors) and the names of the families are the house's division of what "
    "is here. The page Taxonomy has it; the run says which families are here.",
)
def transformations() -> Recipe:
    """Bhattacharjee, Karami and Liu 2022; a survey trains nothing."""
    return Recipe("Text-transformations CL review", (), Takes("nothing"))
