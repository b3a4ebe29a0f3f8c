"""A review's parts of contrastive learning, and what each of them is called here."""

from __future__ import annotations

from counterpoint.methods import Recipe, Takes
from counterpoint.systems.registry import system
from counterpoint.systems.surveys import Taxonomy, naming

TAXONOMY: Taxonomy = {
    "query and key": {
        "points with what is known of them": ("counterpoint.points.Points",),
    },
    "similarity": {
        "transformations of the data": (
            "counterpoint.views.affine",
            "counterpoint.views.brightness",
            "counterpoint.views.blur",
            "counterpoint.views.noise",
            "counterpoint.views.words.deletion",
        ),
        "several signals of one thing": (
            "counterpoint.training.rows.RowBatches",
            "counterpoint.encoders.Towers",
        ),
        "part and whole": ("counterpoint.views.multi_crop",),
        "sequence": ("counterpoint.procedures.Futures",),
        "natural clusters": ("counterpoint.relation.same", "counterpoint.relation.kernel"),
    },
    "dissimilarity": {
        "the rest of the batch": ("counterpoint.relation.Relation",),
        "kept from before": ("counterpoint.points.unmatched",),
        "mined": ("counterpoint.negatives.mine_bm25",),
        "false negatives kept out": ("counterpoint.relation.duplicate", "counterpoint.negatives.consistent"),
    },
    "encoder": {
        "end to end": (
            "counterpoint.encoders.StaticEncoder",
            "counterpoint.encoders.TransformerEncoder",
            "counterpoint.encoders.image.ImageEncoder",
            "counterpoint.encoders.sequence.SequenceEncoder",
        ),
        "online and offline": (),
        "pretrained": ("counterpoint.encoders.load",),
    },
    "transform head": {
        "projection": ("counterpoint.heads.projection", "counterpoint.heads.Reweight"),
        "contextualisation": ("counterpoint.heads.Predictions", "counterpoint.encoders.Pooling"),
        "quantisation": (),
    },
    "contrastive loss": {
        "scores": (
            "counterpoint.geometry.Cosine",
            "counterpoint.geometry.Dot",
            "counterpoint.geometry.Euclidean",
            "counterpoint.critics.bilinear",
            "counterpoint.critics.Concatenated",
        ),
        "energy, with a margin": ("counterpoint.objectives.Triplet",),
        "probability, by noise contrast": (
            "counterpoint.objectives.InfoNCE",
            "counterpoint.objectives.SupCon",
            "counterpoint.objectives.Sigmoid",
            "counterpoint.objectives.Decoupled",
            "counterpoint.objectives.Debiased",
        ),
        "mutual information": ("counterpoint.objectives.NWJ", "counterpoint.objectives.JSD"),
    },
}


@system(
    "CRL Framework and Review",
    title="Contrastive Representation Learning: A Framework and Review",
    year=2020,
    family="core",
    mechanism="tests/systems/test_review.py::test_every_name_of_the_taxonomy_is_public",
    run=naming(TAXONOMY),
    setup="A survey: it claims nothing to measure. Its taxonomy, with what each family is called here, is the page "
    "Taxonomy; the run says which families are here.",
)
def review() -> Recipe:
    """Le-Khac et al. 2020, section 3: query, key, encoder, head and loss; a survey trains nothing."""
    return Recipe("CRL Framework and Review", (), Takes("nothing"))
