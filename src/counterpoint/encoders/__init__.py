"""Texts to vectors: a table of token vectors, or any Hugging Face model; encoding, saving and loading. Images too."""

from counterpoint.encoders.attention import AttentionBeside
from counterpoint.encoders.contextual import ContextualEncoder, InContext
from counterpoint.encoders.convolution import ConvolutionEncoder, ReconstructionBeside
from counterpoint.encoders.crossing import CrossEncoder, KernelCrossEncoder, Readers, load_cross_encoder
from counterpoint.encoders.crossing_transformer import TransformerCrossEncoder
from counterpoint.encoders.cutting import Cut, count_cut
from counterpoint.encoders.deep import DeepEncoder
from counterpoint.encoders.demonstrations import DemonstrationEncoder
from counterpoint.encoders.distilling import distill
from counterpoint.encoders.encoding import encode, fast_bfloat16, fingerprint
from counterpoint.encoders.experts import ExpertEncoder
from counterpoint.encoders.exported import Export, ExportedEncoder
from counterpoint.encoders.features import Features, Kind, concat, drop_tokens, lengths, take
from counterpoint.encoders.fields import FieldEncoder
from counterpoint.encoders.folder import load
from counterpoint.encoders.frozen import AdapterEncoder, PrefixEncoder
from counterpoint.encoders.hybrid import HybridEncoder
from counterpoint.encoders.image import ImageEncoder, Perceptron, VisionTransformer
from counterpoint.encoders.knowledge import OPERATORS, KnowledgeGraph, Operator
from counterpoint.encoders.late import EachVector, MultiVectorEncoder
from counterpoint.encoders.lexicon import SpladeEncoder
from counterpoint.encoders.masking import MaskedEntityEncoder
from counterpoint.encoders.multihead import AttentionPoolingEncoder
from counterpoint.encoders.multivariate import MultivariateEncoder
from counterpoint.encoders.ngrams import NGramEncoder
from counterpoint.encoders.nonzero import encode_nonzero
from counterpoint.encoders.nuggets import NuggetEncoder
from counterpoint.encoders.pooling import POOLINGS, Pooling, pool
from counterpoint.encoders.prompting import encode_prompted, own_prompt, tokenize_prompted
from counterpoint.encoders.propositions import EachProposition, PropositionEncoder
from counterpoint.encoders.protocol import Encoder
from counterpoint.encoders.queried import QueriedEncoder
from counterpoint.encoders.spans import EachSpan, SpanEncoder
from counterpoint.encoders.sparse import SparseAutoencoder
from counterpoint.encoders.spreading import Spread, on_ray
from counterpoint.encoders.static import StaticEncoder
from counterpoint.encoders.templates import TemplateEncoder, TemplateMean
from counterpoint.encoders.towers import Projected, Tower, Towers
from counterpoint.encoders.transformer import Dense, TransformerEncoder
from counterpoint.encoders.unknown import unknown_note, unknown_share

__all__ = [
    "OPERATORS",
    "POOLINGS",
    "AdapterEncoder",
    "AttentionBeside",
    "AttentionPoolingEncoder",
    "ContextualEncoder",
    "ConvolutionEncoder",
    "CrossEncoder",
    "Cut",
    "DeepEncoder",
    "DemonstrationEncoder",
    "Dense",
    "EachProposition",
    "EachSpan",
    "EachVector",
    "Encoder",
    "ExpertEncoder",
    "Export",
    "ExportedEncoder",
    "Features",
    "FieldEncoder",
    "HybridEncoder",
    "ImageEncoder",
    "InContext",
    "KernelCrossEncoder",
    "Kind",
    "KnowledgeGraph",
    "MaskedEntityEncoder",
    "MultiVectorEncoder",
    "MultivariateEncoder",
    "NGramEncoder",
    "NuggetEncoder",
    "Operator",
    "Perceptron",
    "Pooling",
    "PrefixEncoder",
    "Projected",
    "PropositionEncoder",
    "QueriedEncoder",
    "Readers",
    "ReconstructionBeside",
    "SpanEncoder",
    "SparseAutoencoder",
    "SpladeEncoder",
    "Spread",
    "StaticEncoder",
    "TemplateEncoder",
    "TemplateMean",
    "Tower",
    "Towers",
    "TransformerCrossEncoder",
    "TransformerEncoder",
    "VisionTransformer",
    "concat",
    "count_cut",
    "distill",
    "drop_tokens",
    "encode",
    "encode_nonzero",
    "encode_prompted",
    "fast_bfloat16",
    "fingerprint",
    "lengths",
    "load",
    "load_cross_encoder",
    "on_ray",
    "own_prompt",
    "pool",
    "take",
    "tokenize_prompted",
    "unknown_note",
    "unknown_share",
]
