"""A small folder in the layouts of SentEval."""

from __future__ import annotations

from counterpoint.data.sentence_tasks import YEARS

PAIRS, ROWS = 6, 16


def write_senteval(folder):
    """All fourteen tasks, some rows each."""
    down = folder / "downstream"

    def write(name, lines):
        file = down / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    for year, subsets in YEARS.items():
        for subset in subsets:
            place = f"STS/{year}-en-test/STS."
            write(
                f"{place}input.{subset}.txt",
                (f"the {i}  red cat\ta {i} {('cat', 'dog')[i % 2]}" for i in range(PAIRS)),
            )
            write(f"{place}gs.{subset}.txt", (i * 5 / (PAIRS - 1) for i in range(PAIRS)))
    for part in ("train", "dev", "test"):
        rows = (f'main\tMSRvid\t2012\t{i:04}\t{i + 0.5}\tbench "{i} red\tbench {i} blue\tmore' for i in range(PAIRS))
        write(f"STS/STSBenchmark/sts-{part}.csv", rows)
    head = "pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment"
    for part in ("train", "trial", "test_annotated"):
        rows = (f"{i}\tsick {i}\tsick {i} too\t{i + 1.0}\tNEUTRAL" for i in range(PAIRS))
        write(f"SICK/SICK_{part}.txt", (head, *rows))
    halves = {
        "MR": ("rt-polarity.pos", "rt-polarity.neg"),
        "CR": ("custrev.pos", "custrev.neg"),
        "SUBJ": ("subj.objective", "subj.subjective"),
        "MPQA": ("mpqa.pos", "mpqa.neg"),
    }
    for task, names in halves.items():
        for name in names:
            write(f"{task}/{name}", (f"{name.split('.')[1]} {'very ' * (i % 3)}{i}" for i in range(ROWS)))
    for part in ("train", "dev", "test"):
        write(f"SST/binary/sentiment-{part}", (f"it is {i} {('bad', 'fine')[i % 2]}\t{i % 2}" for i in range(ROWS)))
    for name in ("train_5500", "TREC_10"):
        kinds = ("ABBR:exp what", "LOC:city where", "NUM:date when")
        write(f"TREC/{name}.label", (f"{kinds[i % 3]} is {i} ?" for i in range(2 * ROWS)))
    for part in ("train", "test"):
        rows = (f"{i % 2}\t{i}\t{i}\tfirst {i}\t{('second', 'first')[i % 2]} {i}" for i in range(ROWS))
        write(f"MRPC/msr_paraphrase_{part}.txt", ("\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String", *rows))
    return folder
