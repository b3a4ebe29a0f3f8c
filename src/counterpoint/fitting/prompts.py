"""The rows' prompts: one that all rows share becomes the model's, others stay with their rows."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from counterpoint.data import Retrieval
from counterpoint.data.items import Data
from counterpoint.encoders import own_prompt
from counterpoint.fitting.parts import Parts
from counterpoint.methods import Recipe


def share_prompt(parts: Parts, recipe: Recipe, encoder: nn.Module) -> tuple[Parts, Recipe, str]:
    """Make the prompt of all training rows the model's query prompt; say what becomes of the rows' prompts.

    The model then puts it before every query, in training, in the figures and when it is searched with, and the rows go
    without. Where rows have different prompts, or some have none, each keeps its own, in place of the model's.

    Args:
        parts: The data.
        recipe: Its `prompts` are put into the encoder by `Recipe.settle`.
        encoder: Not changed.

    Returns:
        The data and the recipe to train with, and a sentence without a full stop; "" if no row has a prompt.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> from counterpoint.encoders import StaticEncoder
        >>> from counterpoint.fitting.parts import About
        >>> from counterpoint.methods import Takes
        >>> data = rows_of([Example("a", ("b",), prompt="find: ")])
        >>> parts = Parts(data, data, data, "", About("memory", "pairs"))
        >>> recipe = Recipe("mine", (), Takes("text", "text"))
        >>> parts, recipe, said = share_prompt(parts, recipe, StaticEncoder.from_corpus(["a b"], dim=2))
        >>> parts.test.anchors.prompts, recipe.prompts
        ((), {'query': 'find: '})
        >>> said
        "all rows have the prompt 'find: ', which becomes the model's query prompt"
    """
    if not parts.train.anchors.prompts:
        return parts, recipe, ""
    anchors = parts.train.anchors[parts.train.anchor]
    prompts = set(anchors.prompts or [""])
    if prompts == {""}:
        return parts, recipe, ""
    if len(prompts) > 1:
        some = sorted(prompts - {""})
        which = f"the rows have {len(some):,} prompts"
        which = which if len(some) > 1 else f"only some rows have the prompt {some[0]!r}"
        said = (
            f"{which}, {'each ' * (len(some) > 1)}used with its row in training and in the figures; "
            "the model keeps none of them, so give one when you encode or search (--prompt)"
        )
        return parts, recipe, said
    (prompt,) = prompts
    before = recipe.prompts.get("query", own_prompt(encoder, "query"))
    said = f"all rows have the prompt {prompt!r}, which becomes the model's query prompt"
    said += f" in place of {before!r}" if before not in ("", prompt) else ""
    recipe = replace(recipe, prompts={**recipe.prompts, "query": prompt})
    dev, test = (
        _without_queries(part, prompt) if isinstance(part, Retrieval) else _without(part, prompt)
        for part in (parts.dev, parts.test)
    )
    return replace(parts, train=_without(parts.train, prompt), dev=dev, test=test), recipe, said


def _without(part: Data, prompt: str) -> Data:
    """The same, without a prompt that the model puts there by itself."""
    prompts = ["" if own == prompt else own for own in part.anchors.prompts]
    return replace(part, anchors=replace(part.anchors, prompts=prompts if any(prompts) else ()))


def _without_queries(part: Retrieval, prompt: str) -> Retrieval:
    return replace(part, prompts={query: own for query, own in part.prompts.items() if own != prompt})
