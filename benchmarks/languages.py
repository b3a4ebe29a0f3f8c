"""Lexical search in fourteen languages: our BM25 beside tantivy's and bm25s's, MRR@10, on two tasks.

Run: `python benchmarks/languages.py [--data FOLDER]`; it has `tatoeba/tatoeba.tsv.gz` (lang, sentence, english) and
`multi30k/{val,captions5_val}.tsv.gz`. Neither has judgements within a language, so they are made without looking at its
words:

part: a third of a text's words in a row (of its characters, where it has fewer than four words) should find the text.
related: a text should find the one that means most nearly the same: whose English translation all-MiniLM-L6-v2 puts
    nearest, at a cosine of 0.6 or more (needs the extra `minilm`); of English captions, those of the same picture.

Ours recognises the language; the peers are told it, for their stemmers, where they have one. tantivy has its `simple`
tokenizer and lower case, and n-grams of 1 and 2 characters for Chinese and Japanese; bm25s its own tokenizer.
"""

from __future__ import annotations

import argparse
import gzip
import random
import statistics
from collections.abc import Callable, Mapping
from pathlib import Path

import bm25s
import numpy as np
import Stemmer
import tantivy
from _measuring import DATA, is_there

from counterpoint.search import BM25

LANGUAGES = {
    "deu": "german", "fra": "french", "spa": "spanish", "por": "portuguese", "rus": "russian", "ara": "arabic",
    "hin": "hindi", "tur": "turkish", "kat": "", "swh": "", "cmn": "", "jpn": "",
    "captions en": "english", "captions de": "german", "captions fr": "french", "captions cs": "czech",
}  # fmt: skip
TANTIVY = {"german", "french", "spanish", "portuguese", "russian", "arabic", "turkish", "english"}
SPACELESS = {"cmn", "jpn"}
DEPTH = 20
Search = Callable[[list[str]], list[list[int]]]
Task = list[tuple[str, set[int], int]]
"""Query, the right documents, and the document that is the query itself and left out (-1 for none)."""


def ours(texts: list[str], name: str) -> tuple[Search, str]:
    del name
    index = BM25(texts)
    return lambda queries: [[i for i in row if i >= 0] for row in index.search(queries, DEPTH)[0].tolist()], (
        index.describe()
    )


def with_tantivy(texts: list[str], name: str) -> Search:
    tokenizer = tantivy.Tokenizer.ngram(1, 2) if name in SPACELESS else tantivy.Tokenizer.simple()
    builder = tantivy.TextAnalyzerBuilder(tokenizer).filter(tantivy.Filter.lowercase())
    if LANGUAGES[name] in TANTIVY:
        builder = builder.filter(tantivy.Filter.stemmer(LANGUAGES[name]))
    analyzer = builder.build()
    schema = tantivy.SchemaBuilder()
    schema.add_integer_field("id", stored=True)
    schema.add_text_field("text", tokenizer_name="ours")
    schema = schema.build()
    index = tantivy.Index(schema)
    index.register_tokenizer("ours", analyzer)
    writer = index.writer(num_threads=1)  # one segment, one idf
    for i, text in enumerate(texts):
        writer.add_document(tantivy.Document(id=i, text=text))
    writer.commit()
    index.reload()
    searcher = index.searcher()

    def search(queries: list[str]) -> list[list[int]]:
        found = []
        for query in queries:
            terms = [
                (tantivy.Occur.Should, tantivy.Query.term_query(schema, "text", term, "freq"))
                for term in analyzer.analyze(query)
            ]
            hits = searcher.search(tantivy.Query.boolean_query(terms), DEPTH).hits
            found.append([searcher.doc(address)["id"][0] for _, address in hits])
        return found

    return search


def with_bm25s(texts: list[str], name: str) -> Search:
    language = LANGUAGES[name]
    options = {
        "stemmer": Stemmer.Stemmer(language) if language else None,
        "stopwords": "en" if language == "english" else None,
        "show_progress": False,
        "return_ids": False,
    }
    index = bm25s.BM25()
    index.index(bm25s.tokenize(texts, **options), show_progress=False)

    def search(queries: list[str]) -> list[list[int]]:
        # it refuses words that no text has, empty ones (which its own tokenizer makes), and queries without a word
        known = [[word for word in q if word and word in index.vocab_dict] for q in bm25s.tokenize(queries, **options)]
        asked = [i for i, query in enumerate(known) if query]
        found: list[list[int]] = [[] for _ in queries]
        ids, scores = index.retrieve([known[i] for i in asked], k=DEPTH, show_progress=False)
        for i, row in zip(asked, zip(ids, scores, strict=True), strict=True):
            found[i] = [int(j) for j, score in zip(*row, strict=True) if score > 0]
        return found

    return search


def parts(texts: list[str]) -> Task:
    generator = random.Random(0)
    task = []
    for i, text in enumerate(texts):
        words, blank = text.split(), " "
        if len(words) < 4:
            words, blank = list(text), ""
        n = max(1 if blank else 2, len(words) // 3)
        start = generator.randrange(max(1, len(words) - n + 1))
        task.append((blank.join(words[start : start + n]), {i}, -1))
    return task


def related(texts: list[str], english: list[str]) -> Task:
    from counterpoint.encoders import load
    from counterpoint.fitting.bases import resolve_base

    z_nd = load(resolve_base("minilm")).encode(english)
    scores_nn = z_nd @ z_nd.T
    same_nn = np.array(texts)[:, None] == np.array(texts)
    scores_nn[same_nn] = -1
    best_n = scores_nn.argmax(1)
    return [(texts[i], {int(j)}, i) for i, j in enumerate(best_n) if scores_nn[i, j] >= 0.6]


def mrr(search: Search, task: Task) -> float:
    total = 0.0
    for ids, (_, right, self) in zip(search([query for query, _, _ in task]), task, strict=True):
        ranks = [rank for rank, i in enumerate([i for i in ids if i != self][:10], 1) if i in right]
        total += 1 / ranks[0] if ranks else 0.0
    return total / len(task)


def read(file: Path) -> list[list[str]]:
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        return [line.rstrip("\n").split("\t") for line in lines][1:]


def tasks(data: Path, only: list[str]) -> Mapping[str, tuple[list[str], Task, Task]]:
    found = {}
    rows = read(data / "tatoeba" / "tatoeba.tsv.gz")
    for name in (n for n in LANGUAGES if n in only and " " not in n):
        texts, english = zip(*((row[1], row[2]) for row in rows if row[0] == name), strict=True)
        found[name] = (list(texts), parts(list(texts)), related(list(texts), list(english)))
    captions = read(data / "multi30k" / "val.tsv.gz")
    for column, name in enumerate(("captions en", "captions de", "captions fr", "captions cs")):
        if name not in only:
            continue
        texts = [row[column] for row in captions]
        if column:
            found[name] = (texts, parts(texts), related(texts, [row[0] for row in captions]))
        else:
            five = [text for row in read(data / "multi30k" / "captions5_val.tsv.gz") for text in row]
            pictures: Task = [(five[i], set(range(i + 1, i + 5)), i) for i in range(0, len(five), 5)]
            found[name] = (five, parts(five), pictures)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--only", nargs="*", default=list(LANGUAGES), choices=LANGUAGES)
    arguments = parser.parse_args()
    if not is_there(arguments.data):
        return
    print("| texts | words as ours takes them | task (queries) | ours | tantivy | bm25s |\n|---|---|---|---|---|---|")
    sums: dict[str, list[list[float]]] = {"part": [], "related": []}
    for name, (texts, *two) in tasks(arguments.data, arguments.only).items():
        mine, how = ours(texts, name)
        searches = (mine, with_tantivy(texts, name), with_bm25s(texts, name))
        for kind, task in zip(sums, two, strict=True):
            figures = [mrr(search, task) for search in searches]
            sums[kind].append(figures)
            cells = " | ".join(f"{figure:.3f}" for figure in figures)
            print(f"| {name} ({len(texts):,}) | {how} | {kind} ({len(task):,}) | {cells} |", flush=True)
    for kind, rows in sums.items():
        means = " | ".join(f"{statistics.fmean(column):.3f}" for column in zip(*rows, strict=True))
        print(f"| mean | | {kind} | {means} |")


if __name__ == "__main__":
    main()
