"""Static encoding beside model2vec's own, one table, both sides in one run: texts that were not met before.

Run: `python benchmarks/static.py [--texts 12000] [--repeats 3] [--tsv FILE]`. Each repeat takes other texts of the
included corpus (or of the second and third column of FILE, `stsb/en-train.tsv`, say), none twice; ours begins with an
empty table and is timed again where it has met the corpus's words. Its ids are checked against the tokenizer's.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from _measuring import report
from tokenizers import Tokenizer

from counterpoint.data.corpus import debian
from counterpoint.encoders import StaticEncoder
from counterpoint.fitting import minilm_folder


def main() -> None:
    import time

    from model2vec import StaticModel

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=12_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--tsv", type=Path)
    arguments = parser.parse_args()
    if arguments.tsv is None:
        texts = list(debian().heldout.corpus.values())
    else:
        lines = arguments.tsv.read_text(encoding="utf-8").splitlines()[1:]
        texts = list(dict.fromkeys(text for line in lines for text in line.split("\t")[1:3]))
    size = min(arguments.texts, len(texts) // arguments.repeats)
    tokenizer = Tokenizer.from_file(str(minilm_folder() / "tokenizer.json"))
    tokenizer.no_truncation()
    table = np.random.default_rng(0).standard_normal((tokenizer.get_vocab_size(), 256)).astype(np.float32)
    theirs = StaticModel(table, tokenizer, normalize=True, max_length=None)
    own = StaticEncoder.train_tokenizer(texts[:20_000])
    own_table = torch.randn(own.get_vocab_size(), 256)
    ours = StaticEncoder(tokenizer, torch.from_numpy(table))
    names = ("model2vec", "model2vec, threads", "ours, new", "ours, met", "ours, own words", "ours, own met")
    times: dict[str, list[float]] = {name: [] for name in names}
    met, own_met = StaticEncoder(tokenizer, torch.from_numpy(table)), StaticEncoder(own, own_table)
    met.encode(texts)
    own_met.encode(texts[size * arguments.repeats :])
    for i in range(arguments.repeats):
        some = texts[i * size : (i + 1) * size]
        runs = {
            "model2vec": lambda: theirs.encode(some, use_multiprocessing=False),  # noqa: B023
            "model2vec, threads": lambda: theirs.encode(some, multiprocessing_threshold=0),  # noqa: B023
            "ours, new": lambda: StaticEncoder(tokenizer, torch.from_numpy(table)).encode(some),  # noqa: B023
            "ours, met": lambda: met.encode(some),  # noqa: B023
            "ours, own words": lambda: StaticEncoder(own, own_table).encode(some),  # noqa: B023
            "ours, own met": lambda: own_met.encode(some),  # noqa: B023
        }
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    length = np.mean([len(text) for text in texts])
    print(
        f"{size:,} texts a repeat, {length:.0f} characters each, {torch.get_num_threads()} threads of torch", flush=True
    )
    targets = {name: ("model2vec", 2.0) for name in names if name.startswith("ours")}
    report(times, size, "texts", targets)
    some = texts[:2000]
    features = ours.tokenize(some)
    right = [e.ids for e in tokenizer.encode_batch_fast(some, add_special_tokens=False)]
    same = [row.tolist() for row in np.split(features["input_ids"].numpy(), features["offsets"][1:-1].numpy())] == right
    z, reference = ours.encode(some), np.asarray(theirs.encode(some))
    print(f"  ids as the tokenizer's: {same}; greatest difference of vectors {np.abs(z - reference).max():.1e}")


if __name__ == "__main__":
    main()
