"""A review's parts of contrastive learning, and what each of them is called here."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from counterpoint.errors import InputError
from counterpoint.methods import Recipe, Takes
from counterpoint.systems.registry import Figures, Say, system

TAXONOMY: Mapping[str, Mapping[str, tuple[str, ...]]] = {
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
"""Component, family, and the public names here of that family; a family without names is not here yet."""


def resolve(name: str) -> Any:
    """What a dotted public name stands for.

    Raises:
        InputError: if there is no such thing, or it is not public.

    Examples:
        >>> resolve("counterpoint.objectives.InfoNCE").__name__
        'InfoNCE'
    """
    home, _, last = name.rpartition(".")
    module = importlib.import_module(home)
    if last.startswith("_") or last not in getattr(module, "__all__", dir(module)):
        raise InputError(f"{home} has no public name {last!r}", fix="name what its documentation names")
    return getattr(module, last)


def _run(method: Recipe, output: Path, say: Say) -> Figures:
    """Names what is here of every component."""
    del method, output
    figures = {}
    for component, families in TAXONOMY.items():
        for family, names in families.items():
            say(f"{component}, {family}: {', '.join(resolve(n) and n for n in names) or 'none yet'}")
        figures[f"{component}: families of {len(families)} that are here"] = float(sum(map(bool, families.values())))
    return figures


@system(
    "CRL Framework and Review",
    title="Contrastive Representation Learning: A Framework and Review",
    year=2020,
    family="core",
    mechanism="tests/systems/test_review.py::test_every_name_of_the_taxonomy_is_public",
    run=_run,
    setup="A survey: it claims nothing to measure. Its taxonomy, with what each family is called here, is the page "
    "Taxonomy; the run says which families are here.",
)
def review() -> Recipe:
    """Le-Khac et al. 2020, section 3: query, key, encoder, head and loss; a survey trains nothing."""
    return Recipe("CRL Framework and Review", (), Takes("nothing"))
