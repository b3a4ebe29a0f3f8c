"""Text data: read any common layout, recognise its schema, check it, split it without leaks."""

from __future__ import annotations

from counterpoint.data.corpus import DebianCorpus, debian
from counterpoint.data.documents import kept_rows, read_documents, write_rows
from counterpoint.data.hashing import input_hash, normalise
from counterpoint.data.layouts import pairs_from_retrieval, read, retrieval_from_pairs
from counterpoint.data.splits import Split, split
from counterpoint.data.summary import account, all_labels, check_trainable, describe
from counterpoint.data.types import (
    SCHEMAS,
    Documents,
    Example,
    Progress,
    Rejected,
    Retrieval,
    Schema,
    TextData,
    write_rejects,
)

__all__ = [
    "SCHEMAS",
    "DebianCorpus",
    "Documents",
    "Example",
    "Progress",
    "Rejected",
    "Retrieval",
    "Schema",
    "Split",
    "TextData",
    "account",
    "all_labels",
    "check_trainable",
    "debian",
    "describe",
    "input_hash",
    "kept_rows",
    "normalise",
    "pairs_from_retrieval",
    "read",
    "read_documents",
    "retrieval_from_pairs",
    "split",
    "write_rejects",
    "write_rows",
]
