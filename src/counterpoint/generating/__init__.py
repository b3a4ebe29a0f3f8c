"""Language models as generators: ask, keep what they say, go on after a stop, know what it cost."""

from counterpoint.generating.asking import Answer, LanguageModel, Message, Prompt, Refusal, Request, Role, Sampling
from counterpoint.generating.causal import CausalLM
from counterpoint.generating.endpoint import Endpoint
from counterpoint.generating.generator import Account, Generator, Price, Result
from counterpoint.generating.hypothetical import Hypothetical
from counterpoint.generating.pairs import pairs_graded, pairs_kept, pairs_written
from counterpoint.generating.parsing import (
    UnparsedError,
    choice,
    json_fields,
    json_list,
    lines,
    number,
    one_line,
    unlike,
    whole,
)
from counterpoint.generating.queries import with_queries
from counterpoint.generating.rules import Rules
from counterpoint.generating.triplets import triplets_curated, triplets_written
from counterpoint.generating.views import back_translated, fill, in_other_words, paraphrased, rewritten

__all__ = [
    "Account",
    "Answer",
    "CausalLM",
    "Endpoint",
    "Generator",
    "Hypothetical",
    "LanguageModel",
    "Message",
    "Price",
    "Prompt",
    "Refusal",
    "Request",
    "Result",
    "Role",
    "Rules",
    "Sampling",
    "UnparsedError",
    "back_translated",
    "choice",
    "fill",
    "in_other_words",
    "json_fields",
    "json_list",
    "lines",
    "number",
    "one_line",
    "pairs_graded",
    "pairs_kept",
    "pairs_written",
    "paraphrased",
    "rewritten",
    "triplets_curated",
    "triplets_written",
    "unlike",
    "whole",
    "with_queries",
]
