"""Sentence systems on equal footing: one start, the same sentences, STS-B and transfer, with intervals over seeds.

Run from the root of the repository: `python scripts/leaderboard_page.py [--jobs N] [--page]`; the folder of the data
has `snli/{dev,test}.tsv`, `stsb/en-test.tsv`, `classify/{mr,subj,trec-train}.tsv` and the texts of `start`. All start
from a small masked LM that is made first, in half an hour of one thread, and which no contrast has touched. They see
the sentences of SNLI: systems without labels each sentence once, the others the same sentences as a premise, one that
it entails and one that it contradicts. Budgets, batches and learning rates are those of `compare`. Stopped, it goes on
where it was; `--page` writes docs/leaderboard.md.
"""

from __future__ import annotations

import argparse
import gzip
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from counterpoint.comparing import compare
from counterpoint.comparing.given import measured_on, read_tests
from counterpoint.data import TextData, read
from counterpoint.data.items import Data, Items
from counterpoint.fitting.bases import make_base
from counterpoint.fitting.pretraining import pretrain
from counterpoint.methods import Recipe, Takes
from counterpoint.report import Content, print_figures
from counterpoint.systems import every, get
from counterpoint.systems.registry import slug
from counterpoint.testbeds.files import find

PAGE = Path(__file__).parents[1] / "docs" / "leaderboard.md"
KEPT = Path("benchmarks/leaderboard")
"""What each run came to: kept, as verdicts are. Texts and the start are made anew where they are not there."""
START = "untrained"
RATE = 1e-3
BUDGET = {"epochs": 1.0, "batch_size": 32, "learning_rate": RATE}
UNFIT = {"discsent", "discoeval", "triple-encoders-c3l", "styledistance", "mo-scntm", "scntm"}
UNFIT |= {"explagraph-cl", "explagraph-cl-max-margin"}
"""What learns from other than sentences: texts in order, documents' topics, styles, graphs."""
ROWS = 1000
MAIN = {
    "en-test: spearman": "STS-B",
    "mr: probe_accuracy": "MR",
    "subj: probe_accuracy": "SUBJ",
    "trec-train: probe_accuracy": "TREC",
}
"""Figures, and what they are called in the table."""
HEAD = """# Sentence systems on equal footing

<!-- Written by scripts/leaderboard_page.py; do not edit. -->

Every system trained on {sentences:,} sentences of SNLI from one start, a small masked LM (2 layers of 256) of six
million tokens of other texts, which no contrast had touched, with the same batches of 32, rate of {rate:g} and number
of encoded views, {seeds} seeds each (`counterpoint compare`). The rate was chosen for all by the development part of
STS-B.
STS-B: Spearman's correlation, times 100; MR, SUBJ and TREC: accuracy in percent of a linear probe, fitted to five
hundred texts and tested on as many others (SentEval's protocol fits 600 such probes a task). +- is half the 95%
interval over seeds (Student's t). *Before* is STS-B of the start as the system reads it, untrained (first token or
mean, prompts, new layers; seed 0), *seconds* are of training by one thread; the last column is the paired difference in
STS-B to the start itself (*untrained*), clearly above (+) or below (-) 0. A system is measured as its budget left it.
It is a table about this start and budget, and not about what a method comes to in the end.
"""
READING = """
## What held up at this scale, and what did not

Written of the runs that are kept in `benchmarks/leaderboard`; the script does not check it.

- Pairs that people have judged help most. Of 17 systems that learn from them five end clearly above the start in STS-B:
  LLaVE, GISTEmbed, MEXMA, Embed-and-Cluster Batching and GradCache, by 4 to 9 points. All five read the mean of the
  states. Of the 28 without labels two do, DeCLUTR and ConSERT, by 6 and 2.
- How a system reads the start counts for more than what it learns in a hundred steps. The first token of this small
  masked LM, which nothing had trained to stand for a sentence, begins at 28 where the mean has 45. Systems that read
  it end between 17 and 32: SimCSE comes from 28.1 to 29.1, SG-OPT to 30.6, WhitenedCSE to 32.4, supervised SimCSE from
  27.3 to 31.4. In their papers the start is a BERT of 110 million weights and the sentences are a million.
- What papers report of each other is mostly not seen here: ESimCSE, CLEAR, CompCSE, miCSE and PromptBERT end no higher
  than SimCSE. PromptBERT's template tells this start nothing (12 before and after). Word vectors that Sent2Vec learns
  from 3,000 sentences lose half of what the start's have.
- Some systems are worse after training than before: MAE-LM, Vega v1, CPADE, True Negatives and Phrase-BERT by four to
  eighteen points, RankingSentenceGen by forty. The rate that suits the others may be too high for them; nobody's was
  tuned.
- Linear probes move less than STS-B, and not with it: TREC's rises by five to eight points with DeCLUTR, ARM and
  GradCache, SUBJ's by seven with DeCLUTR and four with SimCSE-RetroMAE and Small Czech Embeddings.
- Cost: from 4 seconds (Sent2Vec's unigrams) to 73 (RankingSentenceGen) a run of one thread; SimCSE takes 12.
"""
TABLE = "\n| system | {columns} | seconds | memory, MB | before | against untrained |\n|---|{lines}---|---|---|---|\n"


def start(folder: Path) -> str:
    """The masked LM that all start from, made where it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    captions, model = folder / "captions.txt", folder / "start"
    if not model.exists():
        with gzip.open(find("multi30k/train.tsv.gz"), "rt", encoding="utf-8") as file:
            captions.write_text("".join(line.split("\t")[0] + "\n" for line in file), "utf-8")
        texts = ("text/brown.txt.gz", "text/wikitext2_valid.txt.gz", "text/wikitext2_test.txt.gz")
        more = ("text/presidents.tsv.gz", "wn18rr/entity2text.tsv.gz")
        pretrain(
            *map(find, (*texts, *more)), captions, "included:debian",
            output=model, layers=2, vocabulary=8000, batch_size=16, steps=4500,
        )  # fmt: skip
    return str(model)


def sources(folder: Path, n: int) -> tuple[Path, Path]:
    """Files of sentences and of triplets that have the same sentences."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for part in ("dev", "test"):
        given = read(find(f"snli/{part}.tsv"))
        assert isinstance(given, TextData)
        for e in given.examples:
            rows += [(e.anchor, a, b) for a, b in zip(e.positives, e.negatives, strict=False)]
    sentences: dict[str, None] = {}
    taken = []
    for row in rows:
        if len(sentences.keys() | set(row)) > n:
            break
        sentences |= dict.fromkeys(row)
        taken.append(row)
    alone, triplets = folder / "sentences.txt", folder / "triplets.tsv"
    alone.write_text("\n".join(sentences) + "\n")
    triplets.write_text("anchor\tpositive\tnegative\n" + "".join("\t".join(row) + "\n" for row in taken))
    return alone, triplets


def tests(folder: Path) -> list[Path]:
    """STS-B's test part, and `ROWS` texts each of MR, SUBJ and TREC, evenly chosen, TREC's by its coarse labels."""
    files = [folder / "en-test.tsv"]
    files[0].write_bytes(find("stsb/en-test.tsv").read_bytes())
    for name in ("mr", "subj", "trec-train"):
        rows = [line.split("\t") for line in find(f"classify/{name}.tsv").read_text().splitlines()[1:]]
        chosen = [rows[i * len(rows) // ROWS] for i in range(ROWS)]
        files.append(folder / f"{name}.tsv")
        lines = [f"{label.partition(':')[0]}\t{text}" for label, text in chosen]
        files[-1].write_text("\n".join(["label\ttext", *lines]) + "\n")
    return files


def systems(schema: str, families: Sequence[str] = ("sentences", "core")) -> list[str]:
    """Names, of variants too, that learn from such rows of texts and nothing else, from any start."""
    found = []
    for name in (slug(name) for s in every() if s.family in families for name in (s.name, *s.variants)):
        method = get(name).method()
        takes = method.takes
        if takes.anchors == "text" and schema in takes.schemas and method.stages:
            found += [name] * (not method.own_start and not takes.columns and name not in UNFIT)
    return found


def before(name: str, base: str, test: Path) -> float:
    """Spearman's correlation of the start as a system reads it, with its pooling, prompts and new layers, untrained."""
    recipe = Recipe(START, (), Takes()) if name == START else get(name).method()
    encoder = recipe.settle(make_base(base, Data.alone(Items("text", ["a text"])), 0), 0)
    return measured_on(encoder, read_tests([str(test)]))["spearman"]


def rows(content: Content, figures: Sequence[str]) -> Iterator[tuple[str, list[str], str]]:
    """Of each system its name, its figures with seconds and memory, and the difference to the start in the first."""
    gains = {d.a: d for d in content.differences if (d.b, d.metric) == (START, figures[0])}
    for system in content.systems:
        measured = [system.figures[name] for name in figures]
        cells = [f"{100 * f.value:.1f} +- {50 * (f.high - f.low):.1f}" for f in measured]
        seconds, memory = content.settings[system.name].split(" of training, ")
        cells += [seconds.removesuffix(" s"), memory.removesuffix(" MB")]
        gain = gains.get(system.name)
        sign = "" if gain is None else " (+)" * (gain.low > 0) + " (-)" * (gain.high < 0)
        yield system.name, cells, "" if gain is None else f"{100 * gain.value:+.1f}{sign}"


def table(content: Content, chosen: Sequence[str], base: str, test: Path) -> str:
    """The rows of a comparison of these systems, best first."""
    names = {START: START} | {get(name).method().name: name for name in chosen}
    lines = []
    for name, cells, gain in rows(content, list(MAIN)):
        begun = f"{100 * before(names[name], base, test):.1f}"
        lines.append(f"| {' | '.join([name, *cells, begun, gain])} |")
    return TABLE.format(columns=" | ".join(MAIN.values()), lines="---|" * len(MAIN)) + "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=KEPT)
    parser.add_argument("--sentences", type=int, default=3000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", nargs="*", help="some systems")
    parser.add_argument("--page", action="store_true", help="write docs/leaderboard.md")
    asked = parser.parse_args()
    base = start(asked.output)
    alone, triplets = sources(asked.output, asked.sentences)
    on = [str(file) for file in tests(asked.output)]
    page = HEAD.format(sentences=len(alone.read_text().splitlines()), rate=RATE, seeds=asked.seeds)
    for title, source, schema in (
        ("Without labels", alone, "items"),
        ("With pairs or triplets of the same sentences", triplets, "tuples"),
    ):
        chosen = [name for name in systems(schema) if not asked.only or name in asked.only]
        if not chosen:
            continue
        print(f"{title}: {len(chosen)} systems")
        result = compare(
            str(source), [START, *chosen], asked.output / source.stem, base=base, seeds=asked.seeds,
            on=on, jobs=asked.jobs, **BUDGET,
        )  # fmt: skip
        print_figures(result.content, Console())
        page += f"\n## {title}\n{table(result.content, chosen, base, Path(on[0]))}"
    if asked.page:
        PAGE.write_text(page + READING, "utf-8")


if __name__ == "__main__":
    main()
