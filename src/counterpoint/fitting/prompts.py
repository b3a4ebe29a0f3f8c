"""The rows' prompts: one that all rows share becomes the model's, others stay with their rows."""

from __future__ import annotations

from dataclasses import replace

from counterpoint.config import Config
from counterpoint.data import Retrieval, TextData
from counterpoint.encoders import own_prompt
from counterpoint.encoders._base import TextEncoder
from counterpoint.fitting.parts import Parts


def share_prompt(parts: Parts, config: Config, encoder: TextEncoder) -> tuple[Parts, Config, str]:
    """Make the prompt of all training rows the model's query prompt; say what becomes of the rows' prompts.

    The model then puts it before every query, in training, in the figures and when it is searched with, and the rows go
    without. Where rows have different prompts, or some have none, each keeps its own, in place of the model's.

    Args:
        parts: The data.
        config: Its `prompts` are put into the encoder by `Config.prepare`.
        encoder: Not changed.

    Returns:
        The data and the config to train with, and a sentence without a full stop; "" if no row has a prompt.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.encoders import StaticEncoder
        >>> from counterpoint.objectives import InfoNCE
        >>> data = TextData("pairs", [Example("a", ("b",), prompt="find: ")], "memory")
        >>> encoder = StaticEncoder.from_corpus(["a b"], dim=2)
        >>> parts, config, said = share_prompt(Parts(data, data, data, ""), Config("mine", InfoNCE), encoder)
        >>> parts.test.examples[0].prompt, config.prompts
        ('', {'query': 'find: '})
        >>> said
        "all rows have the prompt 'find: ', which becomes the model's query prompt"
    """
    prompts = {e.prompt for e in parts.train.examples}
    if prompts == {""}:
        return parts, config, ""
    if len(prompts) > 1:
        some = sorted(prompts - {""})
        which = f"the rows have {len(some):,} prompts"
        which = which if len(some) > 1 else f"only some rows have the prompt {some[0]!r}"
        said = (
            f"{which}, {'each ' * (len(some) > 1)}used with its row in training and in the figures; "
            "the model keeps none of them, so give one when you encode or search (--prompt)"
        )
        return parts, config, said
    (prompt,) = prompts
    before = config.prompts.get("query", own_prompt(encoder, "query"))
    said = f"all rows have the prompt {prompt!r}, which becomes the model's query prompt"
    said += f" in place of {before!r}" if before not in ("", prompt) else ""
    config = replace(config, prompts={**config.prompts, "query": prompt})
    dev, test = (
        _without_queries(part, prompt) if isinstance(part, Retrieval) else _without(part, prompt)
        for part in (parts.dev, parts.test)
    )
    return replace(parts, train=_without(parts.train, prompt), dev=dev, test=test), config, said


def _without(part: TextData, prompt: str) -> TextData:
    """The same, without a prompt that the model puts there by itself."""
    return replace(part, examples=[replace(e, prompt="") if e.prompt == prompt else e for e in part.examples])


def _without_queries(part: Retrieval, prompt: str) -> Retrieval:
    return replace(part, prompts={query: own for query, own in part.prompts.items() if own != prompt})
