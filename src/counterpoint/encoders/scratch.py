"""A small transformer with random weights, its tokenizer trained on the corpus: no download."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from counterpoint.encoders._base import clean
from counterpoint.encoders.static import ALPHABET
from counterpoint.encoders.transformer import ROW, TransformerEncoder


def small_transformer(
    texts: Sequence[str],
    *,
    layers: int = 2,
    width: int = 256,
    heads: int = 4,
    vocab_size: int = 8000,
    dropout: float = 0.1,
    max_seq_length: int = 64,
    seed: int = 0,
    **options: Any,
) -> TransformerEncoder:
    """BERT in miniature (Devlin et al. 2019), untrained: `layers` blocks of `width`, the feed-forward 4 times as wide.

    Args:
        texts: The tokenizer (WordPiece, lower case) is trained on them.
        layers: How many blocks.
        width: Of the hidden states.
        heads: Of attention; must divide `width`.
        vocab_size: At most so many tokens, the special ones among them.
        dropout: On hidden states and attention, in training.
        max_seq_length: Longer texts are cut.
        seed: Of the weights.
        options: See `TransformerEncoder`.

    Examples:
        >>> encoder = small_transformer(["a small corpus", "of two texts"], layers=1, width=16, vocab_size=60)
        >>> encoder.encode(["two texts"]).shape
        (1, 16)
    """
    import transformers
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size, special_tokens=special, limit_alphabet=ALPHABET, show_progress=False
    )
    tokenizer.train_from_iterator((clean(text) for text in texts), trainer)
    ends = [(token, special.index(token)) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=max_seq_length,
        **{f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")},
    )
    config = transformers.BertConfig(
        vocab_size=len(fast),
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=4 * width,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        # short texts share rows of this length, and BERT has token types for no more places than positions
        max_position_embeddings=max(max_seq_length, ROW),
        pad_token_id=fast.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = transformers.BertModel(config, add_pooling_layer=False)
    return TransformerEncoder(model, fast, max_seq_length=max_seq_length, **options)
