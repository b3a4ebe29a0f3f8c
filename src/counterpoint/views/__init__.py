"""Views: how positives are made, one file a modality."""

from counterpoint.views import logic, tokens, words
from counterpoint.views.adversarial import fast_gradient
from counterpoint.views.bags import bags, telling_words
from counterpoint.views.code import body_of, masked_code, one_kind, typed_code
from counterpoint.views.colour import grey, jitter, recolour
from counterpoint.views.corruptions import low_contrast, pixelated
from counterpoint.views.crops import boxes, crop, multi_crop, quarter_turns
from counterpoint.views.discourse import discourse
from counterpoint.views.equivalents import joined, law_pairs
from counterpoint.views.graphs import graph_edits
from counterpoint.views.images import View, affine, blur, brightness, compose, noise
from counterpoint.views.listed import MEANING_VIEWS, TOKEN_VIEWS, WORD_VIEWS
from counterpoint.views.meaning import eda, insertion, synonyms
from counterpoint.views.propositions import in_propositions
from counterpoint.views.queried import after_their_query
from counterpoint.views.sequences import windows
from counterpoint.views.spans import in_context, spans
from counterpoint.views.structure import structure
from counterpoint.views.styles import STYLES, style_triplets
from counterpoint.views.templates import Demonstrated, another_template, demonstrated_by
from counterpoint.views.text_view import TextView, chained, one_of
from counterpoint.views.texts import (
    defined,
    in_pieces,
    inverse_cloze,
    neighbours,
    paired,
    parts,
    shuffle_partners,
)
from counterpoint.views.typos import typos

__all__ = [
    "MEANING_VIEWS",
    "STYLES",
    "TOKEN_VIEWS",
    "WORD_VIEWS",
    "Demonstrated",
    "TextView",
    "View",
    "affine",
    "after_their_query",
    "another_template",
    "bags",
    "blur",
    "body_of",
    "boxes",
    "brightness",
    "chained",
    "compose",
    "crop",
    "defined",
    "demonstrated_by",
    "discourse",
    "eda",
    "fast_gradient",
    "graph_edits",
    "grey",
    "in_context",
    "in_pieces",
    "in_propositions",
    "insertion",
    "inverse_cloze",
    "jitter",
    "joined",
    "law_pairs",
    "logic",
    "low_contrast",
    "masked_code",
    "multi_crop",
    "neighbours",
    "noise",
    "one_kind",
    "one_of",
    "paired",
    "parts",
    "pixelated",
    "quarter_turns",
    "recolour",
    "shuffle_partners",
    "spans",
    "structure",
    "style_triplets",
    "synonyms",
    "telling_words",
    "tokens",
    "typed_code",
    "typos",
    "windows",
    "words",
]
