"""A template without its text, for what PromptBERT subtracts: what the template says by itself."""

from __future__ import annotations

import torch

from counterpoint.encoders.features import Features, lengths, places
from counterpoint.encoders.features import take as take_rows
from counterpoint.encoders.transformer import TransformerEncoder
from counterpoint.errors import InputError
from counterpoint.views.words import halves


def template_alone(encoder: TransformerEncoder, pattern: str, features: Features) -> Features:
    """For each text in a template, the template without it, its tokens at the places where they stand around the text.

    The vectors of these are the bias of the template, which denoising takes off: `h(x in T) - h(T)`, with gradient
    through both (Jiang et al. 2022, "PromptBERT", section 4.2, and the authors' code: in training only, where
    unsupervised).

    Args:
        encoder: Its tokenizer and places are used.
        pattern: The template, with one {}.
        features: Of texts that `words.template(pattern)` has put into it.

    Raises:
        InputError: Not one {}; a text that is cut, whose template is not whole.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> encoder = small_transformer(["a b c means that d"], layers=1, width=8, heads=2)
        >>> alone = template_alone(encoder, "a {} means that", encoder.tokenize(["a b c d means that"]))
        >>> encoder.tokenizer.convert_ids_to_tokens(alone["input_ids"].tolist()), alone["position_ids"].tolist()
        (['[CLS]', 'a', 'means', 'that', '[SEP]'], [0, 1, 5, 6, 7])
    """
    before, after = halves(pattern)
    if "cut" in features and features["cut"].any():
        raise InputError("a text in its template is longer than the model takes", fix="crop the texts first")
    whole = encoder.tokenize([before + after, before])
    alone, counts = take_rows(whole, [0] * len(lengths(features))), lengths(whole)
    # of the second, all but what closes a text
    closing = int(whole["input_ids"][-1]) in encoder.special_tokens
    moved = lengths(features) - counts[0]
    after_text = places(alone) >= counts[1] - int(closing)
    shift = torch.repeat_interleave(moved, lengths(alone))
    return {**alone, "position_ids": places(alone) + after_text * shift}
