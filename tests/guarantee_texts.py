"""What the guarantee test runs on texts, whose tokens a procedure reads."""

from __future__ import annotations

import torch

from counterpoint.data.items import Data, Items
from counterpoint.encoders import (
    AttentionBeside,
    ConvolutionEncoder,
    Features,
    ReconstructionBeside,
    TransformerEncoder,
)
from counterpoint.encoders.scratch import small_transformer
from counterpoint.pretraining.filling import token_rows
from counterpoint.training.rows import RowBatches

TEXTS = [f"a {colour} thing {n}" + " again" * (n % 3) for n in range(7) for colour in ("red", "blue", "pink")]
TEXTS.append(TEXTS[0])
"""One of them twice."""


def reading() -> TransformerEncoder:
    """Without dropout, whose masks depend on the chunks."""
    return small_transformer(TEXTS, layers=1, width=4, heads=2, vocab_size=60, dropout=0.0, spread=0.5)


def attending() -> AttentionBeside:
    """The same with what it attends to."""
    return AttentionBeside(reading(), 8)


def telling() -> ReconstructionBeside:
    """The same with filters over its states, and what their vector leaves unsaid of them."""
    return ReconstructionBeside(ConvolutionEncoder(reading(), channels=3), 8)


def dimmed(inputs: Features) -> Features:
    """Another view, whose attention is another one."""
    scale = 1 + 0.3 * torch.sin(inputs["input_ids"].double())[:, None]
    return {**inputs, "scale": scale.to(torch.get_default_dtype())}


def two_views(encoder: AttentionBeside | ReconstructionBeside) -> RowBatches:
    """Texts as they are, and dimmed, with weights of eight places each."""
    weights = torch.arange(8 * len(TEXTS)).sin().abs().view(-1, 8)
    return RowBatches(Data.alone(Items("text", TEXTS), weights=weights), encoder, view=(None, dimmed))


def edited(encoder: TransformerEncoder) -> RowBatches:
    """Two views of each, with edits of their own."""
    items = Items("text", TEXTS)
    tokens = token_rows(encoder, items, 8)
    filled = [torch.where((tokens >= 0) & (torch.arange(tokens.shape[1]) == place), 5, tokens) for place in (1, 3)]
    data = Data.alone(items, tokens=tokens, filled=torch.stack(filled, 1))
    return RowBatches(data, encoder)
