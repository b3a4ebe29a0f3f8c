"""One string where a list of strings belongs is refused by every public call that takes one."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import counterpoint
from counterpoint import evaluate
from counterpoint.comparing import compare
from counterpoint.data import Example, TextData, debian, retrieval_from_pairs
from counterpoint.data.items import Data, Items
from counterpoint.data.rows import rows_of
from counterpoint.encoders import (
    AdapterEncoder,
    AttentionPoolingEncoder,
    ConvolutionEncoder,
    CrossEncoder,
    DeepEncoder,
    DemonstrationEncoder,
    ExpertEncoder,
    FieldEncoder,
    HybridEncoder,
    KernelCrossEncoder,
    KnowledgeGraph,
    MaskedEntityEncoder,
    MultivariateEncoder,
    MultiVectorEncoder,
    NGramEncoder,
    NuggetEncoder,
    PrefixEncoder,
    PropositionEncoder,
    QueriedEncoder,
    Readers,
    SpanEncoder,
    SpladeEncoder,
    StaticEncoder,
    TemplateEncoder,
    TemplateMean,
    TransformerCrossEncoder,
    count_cut,
    distill,
    encode,
    encode_nonzero,
    encode_prompted,
    tokenize_prompted,
    unknown_note,
    unknown_share,
)
from counterpoint.encoders.scratch import small_transformer
from counterpoint.encoders.wrapping import in_context
from counterpoint.errors import InputError
from counterpoint.exporting import export
from counterpoint.generating import (
    Generator,
    Hypothetical,
    Rules,
    Sampling,
    back_translated,
    triplets_written,
    with_queries,
)
from counterpoint.methods import Takes
from counterpoint.negatives import lexical
from counterpoint.negatives.rules import without_answers
from counterpoint.pretraining import (
    MASTER,
    AdversarialAutoencoder,
    CoCondenser,
    Condenser,
    CoTMAE,
    CrossUnmasking,
    Denoising,
    Groups,
    Guessing,
    LeftOutWords,
    MaskedAndContrasted,
    MaskedAutoencoder,
    MaskedLM,
    NuggetAutoencoder,
    QueryDecoding,
    ReplacedAndContrasted,
    ReplacedTokens,
    RetroMAE,
    SourceSeparation,
    SpanPrediction,
    TokenGraph,
    TrueNegatives,
    WordDistributions,
    continued,
    synonym_tokens,
)
from counterpoint.procedures import KeysKnow
from counterpoint.search import BM25, Index, passages_of, recognise, rerank, reranked
from counterpoint.tasks import Collection, Find
from counterpoint.views import defined, in_propositions, parts, style_triplets

LISTS = re.compile(r"\b(Sequence|Iterable|Collection|[lL]ist|tuple)\[(str\b|str \||Metric\b)|\bWhere\b")
# what computes results holds them in such fields; nobody gives them
RESULTS = re.compile(
    r"(Figure|Result|Reranking|Content|Map|Data|Measured|Judged|TrainResult|Split|Table|Roles|Rejected|Rejects)$"
)
RETRIEVAL = retrieval_from_pairs([Example("a", ("b",))])
COLLECTION = Collection.of(RETRIEVAL)
JUDGED = evaluate.judge({"q": ["a"]}, {"q": {"a": 1.0}})
SCORED = TextData("scored", [Example("a", ("b",), score=1.0), Example("c", ("d",), score=2.0)], "memory")
GUESSING = (
    AdversarialAutoencoder,
    Condenser,
    Denoising,
    MaskedAndContrasted,
    MaskedAutoencoder,
    MaskedLM,
    ReplacedAndContrasted,
    ReplacedTokens,
    RetroMAE,
    SpanPrediction,
    TrueNegatives,
    WordDistributions,
)
SMALL = small_transformer(["a small corpus", "of two texts"], layers=1, width=16, vocab_size=60)
ENCODER = StaticEncoder.from_corpus(["a small corpus", "of two texts"], dim=4)
KNOWS = Hypothetical(ENCODER, Generator(Rules(lambda _, __: "a")))
CROSSED, READING = KernelCrossEncoder(ENCODER), TransformerCrossEncoder.of(SMALL)
Z = np.eye(3, dtype=np.float32)
TRIPLES = Data(
    Items("query", torch.tensor([[0, 0]])), torch.tensor([0]), Items("entity", torch.arange(2)), torch.tensor([[1]])
)


def folder() -> Path:
    """Where nothing is, and nothing else will be: a writer holds its output, and tests run beside each other."""
    return Path(tempfile.mkdtemp()) / "output"


def index() -> Index:
    return Index.build(folder(), ["a", "b"], ["one", "two"], Z[:2], columns={"x": ["y", "z"]})


INDEX = index()
CALLS = {
    "bitext texts": lambda s: evaluate.bitext(Z, Z, texts=(s, ["a"] * 3)),
    "nested_folds labels_n": lambda s: evaluate.nested_folds(Z, s),
    "with_test labels_n": lambda s: evaluate.with_test(Z, s, Z),
    "with_dev labels_n": lambda s: evaluate.with_dev(Z, s, Z, ["a"] * 3, Z),
    "with_dev labels_k": lambda s: evaluate.with_dev(Z, ["a", "b", "a"], Z, s, Z),
    "BM25 texts": BM25,
    "lexical texts": lexical,
    "without_answers answers": without_answers,
    "BM25.search queries": lambda s: BM25(["one", "two"]).search(s, 1),
    "BM25.answered queries": lambda s: BM25(["one", "two"]).answered(s),
    "BM25.score_rows queries": lambda s: list(BM25(["one", "two"]).score_rows(s)),
    "recognise texts": recognise,
    "Index.build ids": lambda s: Index.build("/nowhere/at/all", s, ["t"] * len(s), np.ones((len(s), 2))),
    "Index.build texts": lambda s: Index.build("/nowhere/at/all", ["t"] * len(s), s, np.ones((len(s), 2))),
    "Index.add ids": lambda s: INDEX.add(s, ["t"] * len(s), np.ones((len(s), 3))),
    "Index.add texts": lambda s: INDEX.add([str(i) for i in range(len(s))], s, np.ones((len(s), 3))),
    "Index.add columns": lambda s: INDEX.add(
        [str(i) for i in range(len(s))], ["t"] * len(s), np.ones((len(s), 3)), columns={"x": s}
    ),
    "Index.delete ids": INDEX.delete,
    "Index.get ids": INDEX.get,
    "Index.vectors ids": INDEX.vectors,
    "Index.hybrid queries": lambda s: INDEX.hybrid(s, np.ones((len(s), 3))),
    "Index.hybrid where": lambda s: INDEX.hybrid(["q"], Z[:1], where=s),
    "Index.search where": lambda s: INDEX.search(Z[:1], where=s),
    "DeepEncoder.encode texts": DeepEncoder(ENCODER).encode,
    "DeepEncoder.tokenize texts": DeepEncoder(ENCODER).tokenize,
    "DemonstrationEncoder templates": lambda s: DemonstrationEncoder(SMALL, s, ["a"]),
    "DemonstrationEncoder words": lambda s: DemonstrationEncoder(SMALL, ["{} [MASK]"], s),
    "DemonstrationEncoder.encode texts": DemonstrationEncoder(SMALL, ["{} [MASK]"], ["a"]).encode,
    "DemonstrationEncoder.tokenize texts": DemonstrationEncoder(SMALL, ["{} [MASK]"], ["a"]).tokenize,
    "Hypothetical.encode texts": KNOWS.encode,
    "Hypothetical.write queries": KNOWS.write,
    "Hypothetical.encode_written queries": lambda s: KNOWS.encode_written(s, [[] for _ in s]),
    "Example positives": lambda s: Example("a", s),
    "Example negatives": lambda s: Example("a", ("b",), s),
    "Example labels": lambda s: Example("a", labels=s),
    "parts split": lambda s: parts(lambda _: s)(Data.alone(Items("text", ["a b"])), SMALL, 0),
    "defined definitions": lambda s: defined(lambda _: s)(Data.alone(Items("text", ["a b"])), SMALL, 0),
    **{f"{kind.__name__} texts": lambda s, kind=kind: kind(SMALL, s) for kind in GUESSING},
    **{f"{kind.__name__} groups": lambda s, kind=kind: kind(SMALL, s) for kind in (CoCondenser, CoTMAE, QueryDecoding)},
    "Groups groups": Groups,
    "MASTER texts": lambda s: MASTER(SMALL, s, [["a"]] * len(s), ["a"] * len(s)),
    "MASTER questions": lambda s: MASTER(SMALL, ["a"] * len(s), s, ["a"] * len(s)),
    "MASTER continuations": lambda s: MASTER(SMALL, ["a"] * len(s), [["a"]] * len(s), s),
    "CrossUnmasking texts": lambda s: CrossUnmasking(SMALL, s, ["a"] * len(s)),
    "CrossUnmasking others": lambda s: CrossUnmasking(SMALL, ["a"] * len(s), s),
    "continued texts": lambda s: continued(SMALL, s),
    "evaluate_graphs texts": lambda s: evaluate.evaluate_graphs(s, [["a"]] * len(s)),
    "evaluate_graphs concepts": lambda s: evaluate.evaluate_graphs(["a"] * len(s), s),
    "well_formed concepts": lambda s: evaluate.well_formed("(a; is; b)", s),
    "SourceSeparation texts": lambda s: SourceSeparation(SMALL, s, ["a"] * len(s)),
    "SourceSeparation others": lambda s: SourceSeparation(SMALL, ["a"] * len(s), s),
    "synonym_tokens similar": lambda s: synonym_tokens(SMALL, lambda _: s),
    "TokenGraph texts": lambda s: TokenGraph(ENCODER, s, torch.arange(2)),
    "LeftOutWords texts": lambda s: LeftOutWords(ENCODER, s),
    "ConvolutionEncoder.encode texts": ConvolutionEncoder(SMALL).encode,
    "ConvolutionEncoder.tokenize texts": ConvolutionEncoder(SMALL).tokenize,
    "MultiVectorEncoder.encode texts": MultiVectorEncoder(ENCODER).encode,
    "MultiVectorEncoder.tokenize texts": MultiVectorEncoder(ENCODER).tokenize,
    "MultivariateEncoder.encode texts": MultivariateEncoder(ENCODER).encode,
    "MultivariateEncoder.tokenize texts": MultivariateEncoder(ENCODER).tokenize,
    "SpladeEncoder.encode texts": SpladeEncoder(ENCODER).encode,
    "SpladeEncoder.terms texts": SpladeEncoder(ENCODER).terms,
    "SpladeEncoder.tokenize texts": SpladeEncoder(ENCODER).tokenize,
    "HybridEncoder.encode texts": HybridEncoder(ENCODER).encode,
    "HybridEncoder.tokenize texts": HybridEncoder(ENCODER).tokenize,
    "ExpertEncoder domains": lambda x: ExpertEncoder(SMALL, x),
    "ExpertEncoder.learn domains": ExpertEncoder(SMALL).learn,
    "ExpertEncoder.encode texts": ExpertEncoder(SMALL).encode,
    "ExpertEncoder.tokenize texts": ExpertEncoder(SMALL).tokenize,
    "MaskedEntityEncoder.encode texts": MaskedEntityEncoder(ENCODER).encode,
    "MaskedEntityEncoder.tokenize texts": MaskedEntityEncoder(ENCODER).tokenize,
    "MaskedEntityEncoder.masked texts": MaskedEntityEncoder(ENCODER).masked,
    "AttentionPoolingEncoder.encode texts": AttentionPoolingEncoder(ENCODER, 1).encode,
    "AttentionPoolingEncoder.tokenize texts": AttentionPoolingEncoder(ENCODER, 1).tokenize,
    "ContextualEncoder.encode texts": in_context(SMALL).encode,
    "ContextualEncoder.among documents": lambda x: in_context(SMALL).among(SMALL.tokenize(["a"]), x, [1], 0),
    "ContextualEncoder.read texts": in_context(SMALL).read,
    "ContextualEncoder.tokenize texts": in_context(SMALL).tokenize,
    "FieldEncoder.encode texts": FieldEncoder(ENCODER).encode,
    "FieldEncoder.tokenize texts": FieldEncoder(ENCODER).tokenize,
    "KeysKnow columns": KeysKnow,
    "NGramEncoder.encode texts": NGramEncoder(ENCODER, 2).encode,
    "NGramEncoder.tokenize texts": NGramEncoder(ENCODER, 2).tokenize,
    "NuggetEncoder.encode texts": NuggetEncoder(SMALL).encode,
    "NuggetEncoder.tokenize texts": NuggetEncoder(SMALL).tokenize,
    "NuggetAutoencoder texts": lambda s: NuggetAutoencoder(NuggetEncoder(SMALL), s),
    "Guessing texts": lambda s: type("Own", (Guessing,), {"payload": MaskedLM.payload})(SMALL, s),
    "StaticEncoder.encode texts": ENCODER.encode,
    "StaticEncoder.from_corpus texts": StaticEncoder.from_corpus,
    "StaticEncoder.tokenize texts": ENCODER.tokenize,
    "StaticEncoder.train_tokenizer texts": StaticEncoder.train_tokenizer,
    "AdapterEncoder.encode texts": AdapterEncoder(SMALL, 2).encode,
    "AdapterEncoder.tokenize texts": AdapterEncoder(SMALL, 2).tokenize,
    "PrefixEncoder.encode texts": PrefixEncoder(SMALL, 2).encode,
    "PrefixEncoder.tokenize texts": PrefixEncoder(SMALL, 2).tokenize,
    "PropositionEncoder.encode texts": PropositionEncoder(SMALL).encode,
    "PropositionEncoder.tokenize texts": PropositionEncoder(SMALL).tokenize,
    "QueriedEncoder.encode texts": QueriedEncoder(SMALL).encode,
    "QueriedEncoder.tokenize texts": QueriedEncoder(SMALL).tokenize,
    "SpanEncoder.encode texts": SpanEncoder(MultiVectorEncoder(SMALL)).encode,
    "SpanEncoder.tokenize texts": SpanEncoder(MultiVectorEncoder(SMALL)).tokenize,
    "with_queries documents": lambda s: with_queries(s, Generator(Rules(lambda prompt, draw: "a"))),
    "in_propositions split": lambda s: in_propositions(lambda _: s)(rows_of([Example("a b", ("c d",))]), SMALL, 0),
    "TemplateEncoder templates": lambda s: TemplateEncoder(SMALL, s),
    "TemplateEncoder.encode texts": TemplateEncoder(SMALL, ["{} [MASK]"]).encode,
    "TemplateEncoder.tokenize texts": TemplateEncoder(SMALL, ["{} [MASK]"]).tokenize,
    "TemplateMean templates": lambda s: TemplateMean(SMALL, s),
    "TemplateMean.encode texts": TemplateMean(SMALL, ["{} [MASK]"]).encode,
    "TemplateMean.tokenize texts": TemplateMean(SMALL, ["{} [MASK]"]).tokenize,
    "TransformerEncoder.encode texts": SMALL.encode,
    "TransformerEncoder.tokenize texts": SMALL.tokenize,
    "export calibrate": lambda s: export("/nowhere/at/all", "/nowhere/either", calibrate=s),
    "count_cut texts": lambda s: count_cut(SMALL, s),
    "encode_prompted prompts": lambda s: encode_prompted(SMALL, ["t"] * len(s), s),
    "encode_prompted texts": lambda s: encode_prompted(SMALL, s, [""] * len(s)),
    "tokenize_prompted prompts": lambda s: tokenize_prompted(SMALL, ["t"] * len(s), s),
    "tokenize_prompted texts": lambda s: tokenize_prompted(SMALL, s, [""] * len(s)),
    "KnowledgeGraph entities": lambda s: KnowledgeGraph(s, ["r"], dim=2),
    "KnowledgeGraph relations": lambda s: KnowledgeGraph(["e"], s, dim=2),
    "KnowledgeGraph.of relations": lambda s: KnowledgeGraph.of(TRIPLES, s, dim=2),
    "Takes columns": lambda s: Takes("text", columns=s),
    "Takes schemas": lambda s: Takes("text", schemas=s),
    "debian languages": lambda s: debian(languages=s),
    "Generator.weigh texts": lambda s: Generator(Rules(lambda prompt, draw: "")).weigh(["a"], [s]),
    "Sampling stop": lambda s: Sampling(stop=s),
    "triplets_written entailed": lambda s: triplets_written(Generator(Rules(lambda prompt, draw: "")), s),
    "triplets_written contradicted": lambda s: triplets_written(
        Generator(Rules(lambda prompt, draw: "")), contradicted=s
    ),
    "back_translated languages": lambda s: back_translated(Generator(Rules(lambda prompt, draw: "")), s),
    "distill texts": lambda s: distill(SMALL, s, dim=4),
    "unknown_note texts": lambda s: unknown_note(ENCODER, s),
    "unknown_share texts": lambda s: unknown_share(ENCODER, s),
    "encode texts": lambda s: encode(ENCODER, s),
    "encode_nonzero texts": lambda s: encode_nonzero(ENCODER, s),
    "classification labels_m": lambda s: evaluate.classification(Z, ["a", "b", "a"], np.ones((len(s), 3)), s),
    "classification labels_n": lambda s: evaluate.classification(np.ones((len(s), 3)), s, Z, ["a", "b", "a"]),
    "indicators labels_n": lambda s: evaluate.indicators(s, ["a"]),
    "indicators names": lambda s: evaluate.indicators([("a",)], s),
    "multilabel_classification labels_m": lambda s: evaluate.multilabel_classification(
        Z, [("a",), ("b",), ()], np.ones((len(s), 3)), s
    ),
    "multilabel_classification labels_n": lambda s: evaluate.multilabel_classification(
        np.ones((len(s), 3)), s, Z, [("a",), ("b",), ()]
    ),
    "clustering labels_n": lambda s: evaluate.clustering(np.ones((len(s), 3)), s),
    "collision labels_n": evaluate.collision,
    "few_shot labels_n": lambda s: evaluate.few_shot(np.ones((len(s), 3)), s, ways=2, shots=1),
    "knn labels_n": lambda s: evaluate.knn(np.ones((len(s), 3)), s, Z),
    "mean_classifier labels_n": lambda s: evaluate.mean_classifier(np.ones((len(s), 3)), s, Z),
    "mean_classifier_on_two labels_n": lambda s: evaluate.mean_classifier_on_two(np.ones((len(s), 3)), s, Z, ["a"] * 3),
    "mean_classifier_on_two test_labels_m": lambda s: evaluate.mean_classifier_on_two(
        Z, ["a", "b", "c"], np.ones((len(s), 3)), s
    ),
    "mean_classifier_loss labels_n": lambda s: evaluate.mean_classifier_loss(np.ones((len(s), 3)), s),
    "nearest_mean labels_n": lambda s: evaluate.nearest_mean(np.ones((len(s), 3)), s, Z),
    "probe labels_n": lambda s: evaluate.probe(np.ones((len(s), 3)), s, Z),
    "evaluate_judged metrics": lambda s: evaluate.evaluate_judged(JUDGED, metrics=s),
    "evaluate_judged notes": lambda s: evaluate.evaluate_judged(JUDGED, notes=s),
    "evaluate_rankings metrics": lambda s: evaluate.evaluate_rankings({"q": ["a"]}, {"q": {"a": 1.0}}, metrics=s),
    "evaluate_retrieval metrics": lambda s: evaluate.evaluate_retrieval(ENCODER, RETRIEVAL, metrics=s),
    "passages_of documents": lambda s: passages_of(None, s),
    "evaluate_run metrics": lambda s: evaluate.evaluate_run({"q": {"a": 1.0}}, RETRIEVAL, metrics=s),
    "positional_bias documents": lambda s: evaluate.positional_bias(ENCODER, s),
    "evaluate_sts metrics": lambda s: evaluate.evaluate_sts(ENCODER, SCORED, metrics=s),
    "StereotypeTest first": lambda s: evaluate.StereotypeTest(s, ["b"] * len(s), ["c"], [], {}),
    "StereotypeTest second": lambda s: evaluate.StereotypeTest(["b"] * len(s), s, ["c"], [], {}),
    "StereotypeTest of_first": lambda s: evaluate.StereotypeTest(["a"], ["b"], s, [], {}),
    "StereotypeTest of_second": lambda s: evaluate.StereotypeTest(["a"], ["b"], [], s, {}),
    "StereotypeTest unsaid": lambda s: evaluate.StereotypeTest(["a"], ["b"], ["c"], [], {"jobs": s}),
    "sts metrics": lambda s: evaluate.sts(Z, Z, [1.0, 2.0, 3.0], metrics=s),
    "figure items": lambda s: evaluate.figure("f", np.ones(len(s)), items=s),
    "named documents": lambda s: evaluate.named(np.array([[0]]), ["q"], s),
    "named queries": lambda s: evaluate.named(np.zeros((len(s), 1), dtype=np.int64), s, ["d"]),
    "compare systems": lambda s: compare("digits", s, folder()),
    "compare on": lambda s: compare("digits", ["simclr", "dcl"], folder(), on=s),
    "style_triplets styles": lambda s: style_triplets(styles=s),
    "Answers queries": lambda s: evaluate.Answers(s, 1, {}),
    "Collection notes": lambda s: Collection(COLLECTION.queries, COLLECTION.corpus, COLLECTION.answers, s),
    "Find metrics": lambda s: Find(COLLECTION, COLLECTION, metrics=s),
    **{
        f"{kind.__name__}.{call} {side}": lambda s, call=call, side=side: getattr(CROSSED, call)(
            **{"queries": ["a"] * len(s), "documents": ["a"] * len(s), side: s}
        )
        for kind in (CrossEncoder, KernelCrossEncoder, Readers)
        for call in ("pairs", "score")
        for side in ("queries", "documents")
    },
    "TransformerCrossEncoder.pairs queries": lambda s: READING.pairs(s, ["a"] * len(s)),
    "TransformerCrossEncoder.pairs documents": lambda s: READING.pairs(["a"] * len(s), s),
    "TransformerCrossEncoder.score queries": lambda s: READING.score(s, ["a"] * len(s)),
    "TransformerCrossEncoder.score documents": lambda s: READING.score(["a"] * len(s), s),
    "rerank queries": lambda s: rerank(CROSSED.score, s, [[]] * len(s)),
    "reranked queries": lambda s: reranked(CROSSED.score, s, [[]] * len(s)),
    "reranked documents": lambda s: reranked(CROSSED.score, ["a"] * len(s), s),
    "rerank_run run": lambda s: evaluate.rerank_run(CROSSED.score, RETRIEVAL, {"q0": s}),
    "evaluate_reranking run": lambda s: evaluate.evaluate_reranking(CROSSED.score, RETRIEVAL, {"q0": s}),
    "evaluate_reranking metrics": lambda s: evaluate.evaluate_reranking(CROSSED.score, RETRIEVAL, {}, metrics=s),
    "retrieval_from_pairs extra_documents": lambda s: retrieval_from_pairs([Example("a", ("b",))], s),
}
# results, which nobody makes by hand, a protocol, sources, of which a string is one, what a transformer's encoder has
# already, and a digest of a text or of several
OTHERS = {
    *("ExportedEncoder.encode texts", "ExportedEncoder.tokenize texts"),
    *("DebianCorpus more", "DebianCorpus packages", "DebianCorpus sections"),
    *("Documents ids", "Documents notes", "Documents texts"),
    *("AssociationTest categories", "AssociationTest sets", "SentenceTasks notes"),
    *("DiscourseTask labels", "DiscourseTask parts", "Job on"),
    *("Encoder.encode texts", "Encoder.tokenize texts", "input_hash text"),
    *("pretrain sources",),
    *("KnowledgeGraph.tokenize texts", "Projected.tokenize texts", "Towers.tokenize texts"),
}


def concerned():
    """Every public call with a parameter that is a list of strings."""
    for module in pkgutil.iter_modules(counterpoint.__path__, "counterpoint."):
        if not module.ispkg or module.name.endswith((".cli", ".systems", ".report")):
            continue
        package = importlib.import_module(module.name)
        for name in package.__all__:
            thing = getattr(package, name)
            if RESULTS.search(name) or not callable(thing):
                continue
            yield from taking(name, thing)
            if inspect.isclass(thing):
                for method, call in inspect.getmembers(thing, callable):
                    if not method.startswith("_") and method in {m for c in thing.__mro__ for m in vars(c)}:
                        yield from taking(f"{name}.{method}", call)


def taking(name, call):
    try:
        parameters = inspect.signature(call).parameters.values()
    except (TypeError, ValueError):
        return
    if not (getattr(call, "__module__", None) or "").startswith("counterpoint"):
        return
    for p in parameters:
        if LISTS.search(str(p.annotation)) and p.annotation is not inspect.Parameter.empty:
            yield f"{name} {p.name}"


def test_every_public_call_concerned_is_tried():
    assert set(concerned()) - OTHERS <= CALLS.keys()


@pytest.mark.parametrize("name", CALLS)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=50))
@settings(max_examples=20)
def test_a_string_is_no_list_of_strings(name, text):
    for given_as in (text, text.encode()):
        with pytest.raises(InputError, match=r"must be a list of strings, not one string; write \["):
            CALLS[name](given_as)
