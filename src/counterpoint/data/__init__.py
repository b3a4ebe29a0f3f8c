"""Text data: read any common layout, recognise its schema, check it, split it without leaks."""

from __future__ import annotations

from counterpoint.data.association_tests import AssociationTest, read_association_tests
from counterpoint.data.contrasts import Contrast, read_contrasts
from counterpoint.data.corpus import DebianCorpus, debian
from counterpoint.data.discourse_tasks import DiscourseTask, read_discourse_tasks
from counterpoint.data.documents import kept_rows, read_documents, write_rows
from counterpoint.data.functions import Function, read_functions
from counterpoint.data.hashing import input_hash, normalise
from counterpoint.data.layouts import read, read_judgements
from counterpoint.data.passages import in_passages, in_sentences, passages
from counterpoint.data.retrieval import pairs_from_retrieval, retrieval_from_pairs
from counterpoint.data.sentence_tasks import SentenceTasks, read_sentence_tasks
from counterpoint.data.splits import Split, split, split_queries
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
from counterpoint.data.wordnet import WordNet

__all__ = [
    "SCHEMAS",
    "AssociationTest",
    "Contrast",
    "DebianCorpus",
    "DiscourseTask",
    "Documents",
    "Example",
    "Function",
    "Progress",
    "Rejected",
    "Retrieval",
    "Schema",
    "SentenceTasks",
    "Split",
    "TextData",
    "WordNet",
    "account",
    "all_labels",
    "check_trainable",
    "debian",
    "describe",
    "in_passages",
    "in_sentences",
    "input_hash",
    "kept_rows",
    "normalise",
    "pairs_from_retrieval",
    "passages",
    "read",
    "read_association_tests",
    "read_contrasts",
    "read_discourse_tasks",
    "read_documents",
    "read_functions",
    "read_judgements",
    "read_sentence_tasks",
    "retrieval_from_pairs",
    "split",
    "split_queries",
    "write_rejects",
    "write_rows",
]
