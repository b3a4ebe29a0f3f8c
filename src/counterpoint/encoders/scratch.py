"""A small transformer with random weights, its tokenizer trained on the corpus: no download."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from counterpoint.encoders._base import clean
from counterpoint.encoders._vocabulary import alphabet, count, without_accents, without_blanks
from counterpoint.encoders.transformer import ROW, TransformerEncoder
from counterpoint.errors import refuse_string

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def small_transformer(
    texts: Sequence[str],
    *,
    layers: int = 2,
    width: int = 256,
    heads: int = 4,
    vocab_size: int = 8000,
    dropout: float = 0.1,
    spread: float = 0.02,
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
        spread: Standard deviation of the weights: 0.02 is BERT's at a width of 768, and `width ** -0.5` lets a narrow
            one tell texts apart by its first token from the start.
        max_seq_length: Longer texts are cut.
        seed: Of the weights.
        options: See `TransformerEncoder`.

    Examples:
        >>> encoder = small_transformer(["a small corpus", "of two texts"], layers=1, width=16, vocab_size=60)
        >>> encoder.encode(["two texts"]).shape
        (1, 16)
    """
    import transformers

    refuse_string(texts, "texts")
    tokenizer = _word_pieces([clean(text) for text in texts], vocab_size)
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
        initializer_range=spread,
        # short texts share rows of this length, and BERT has token types for no more places than positions
        max_position_embeddings=max(max_seq_length, ROW),
        pad_token_id=fast.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = transformers.BertModel(config, add_pooling_layer=False)
    return TransformerEncoder(model, fast, max_seq_length=max_seq_length, **options)


def _word_pieces(texts: Sequence[str], vocab_size: int) -> Tokenizer:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

    def tokenizer(vocab: dict[str, int]) -> Tokenizer:
        made = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
        bert = normalizers.BertNormalizer(lowercase=True, strip_accents=False)
        made.normalizer = normalizers.Sequence([without_accents(), bert])
        made.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.BertPreTokenizer(), without_blanks()])
        return made

    characters = alphabet(count(texts, tokenizer({})), vocab_size // 2)

    def learned(first: Sequence[str], size: int) -> dict[str, int]:
        learner = tokenizer({})
        trainer = trainers.WordPieceTrainer(
            vocab_size=size,
            special_tokens=list(first),
            initial_alphabet=characters,
            limit_alphabet=len(characters),
            show_progress=False,
        )
        learner.train_from_iterator(texts, trainer)
        vocab: dict[str, int] = learner.get_vocab()
        return vocab

    # The trainer numbers characters within words as it meets them, in the order of a hash table, and breaks ties by
    # number. So they are found first, without merges, and then given in an order of ours.
    found = sorted(learned(_SPECIAL, 0).keys() - set(_SPECIAL))
    trained = tokenizer(learned([*_SPECIAL, *found], vocab_size))
    trained.add_special_tokens(_SPECIAL)
    trained.decoder = decoders.WordPiece()
    ends = [(token, _SPECIAL.index(token)) for token in ("[CLS]", "[SEP]")]
    trained.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    return trained
