"""The tables of papers on sentence embeddings: seven STS tasks, seven transfer tasks, translations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from counterpoint.data import Example, SentenceTasks, TextData
from counterpoint.data.sentence_tasks import STS, TRANSFER
from counterpoint.errors import InputError
from counterpoint.evaluate.bitext import bitext
from counterpoint.evaluate.bootstrap import SAMPLES, figure
from counterpoint.evaluate.encoder import Encodes, encoded_in_full
from counterpoint.evaluate.figures import Figure, Result
from counterpoint.evaluate.frozen import similarity
from counterpoint.evaluate.transfer import FOLDS, nested_folds, pair_features, with_dev, with_test


def evaluate_sentences(
    encoder: Encodes,
    tasks: SentenceTasks,
    *,
    folds: int = FOLDS,
    samples: int = SAMPLES,
    seed: int = 0,
    say: Callable[[str], None] = lambda _: None,
) -> list[Result]:
    """Measure an encoder on a folder of sentence tasks, as SimCSE and most papers after it report it.

    The first result has a figure a task and the averages; the second, if there are subsets, a figure a subset.

    **STS** (Gao et al. 2021, "SimCSE", appendix B; SentEval's `sts.py`): Spearman's correlation of the cosine with the
    scores. Of STS12 to STS16 over the pairs of all subsets together ("all"; not the mean over subsets, which would be
    higher or lower by points); of STS-B and SICK-R on the test part, without any regression on top. A folder of
    another name (STS 2017, languages) has the mean over its subsets. `avg STS` is the mean of the seven.

    **Transfer** (SentEval's `validation.py`): accuracy of a logistic regression on the embeddings as they are, fitted
    by scikit-learn (L-BFGS), SentEval's `usepytorch=False`, with its grids of C and its folds: `nested_folds` for MR,
    CR, SUBJ and MPQA, `with_dev` for SST, `with_test` for TREC and MRPC. `avg transfer` is the mean of the seven.
    SimCSE's own figures are from SentEval's other classifier, the same regression by Adam (batches of 64, weight decay
    1e-5 to 1e-2, stopped early after 5 times 4 epochs without gain, 10 folds), which ends before it has converged:
    they differ from these by tenths of a point, either way. Its fast mode has 5 folds and RMSprop.

    **Bitext**: `mean accuracy` of `bitext`, and all its figures in a result of their own.

    Vectors are computed in float32. What differs: papers' averages are of figures rounded to two decimals; figures here
    are between 0 and 1, with a bootstrap interval over pairs or texts.

    Args:
        encoder: What encodes.
        tasks: What to measure on (`read_sentence_tasks`).
        folds: Of the transfer tasks.
        samples: Bootstrap resamples, 0 for no intervals.
        seed: Of the bootstrap.
        say: Called with the name of each task before it is measured.

    Raises:
        InputError: Embeddings that are not finite, or too few rows for so many folds.

    Examples:
        >>> class Letters:
        ...     def encode(self, texts, *, kind=None):
        ...         return np.array([[text.count(letter) for letter in "abc"] for text in texts], dtype=np.float32)
        >>> rows = [Example("a", (second,), score=score) for second, score in (("a", 5.0), ("ab", 3.0), ("b", 0.0))]
        >>> tasks = SentenceTasks("memory", {"STS-B": {"": TextData("scored", rows, "memory")}})
        >>> evaluate_sentences(Letters(), tasks)[0]["STS-B"].value
        1.0
    """
    options = {"samples": samples, "seed": seed}
    if folds < 2:
        raise InputError(f"{folds} folds", fix="give two or more")
    table: dict[str, Figure] = {}
    details: dict[str, Figure] = {}
    results = []
    for task, subsets in tasks.scored.items():
        say(task)
        table[task], own = _sts(encoder, task, subsets, **options)
        details |= own
    if all(task in table for task in STS):
        table["avg STS"] = _average("avg STS", table, STS)
    for task, parts in tasks.labelled.items():
        say(task)
        figures = _transfer(encoder, task, parts, folds, **options)
        table[task] = figures.pop(task)
        details |= figures
    if all(task in table for task in TRANSFER):
        table["avg transfer"] = _average("avg transfer", table, TRANSFER)
    for pair, data in tasks.parallel.items():
        say(pair)
        result = evaluate_bitext(encoder, data, **options)
        table[pair] = replace(result["mean accuracy"], name=pair)
        results.append(Result(result.task, pair, result.figures, result.notes))
    if len(tasks.parallel) > 1:
        table["avg bitext"] = _average("avg bitext", table, list(tasks.parallel))
    results.insert(0, Result("sentence tasks", tasks.source, table, tasks.notes))
    if details:
        results.insert(1, Result("subsets", tasks.source, details))
    return results


def evaluate_bitext(encoder: Encodes, data: TextData, *, samples: int = SAMPLES, seed: int = 0) -> Result:
    """Pairs of translations; see `bitext`. Neither side is a query: no prompt is put before it but the model's default.

    Raises:
        InputError: The data are not pairs, fewer than two, or some with several translations.

    Examples:
        >>> class Letters:
        ...     def encode(self, texts, *, kind=None):
        ...         return np.array([[text.count(letter) for letter in "abc"] for text in texts], dtype=np.float32)
        >>> data = TextData("pairs", [Example("aab", ("baa",)), Example("ccb", ("bcc",))], "memory")
        >>> evaluate_bitext(Letters(), data)["mean accuracy"].value
        1.0
    """
    if data.schema != "pairs" or any(len(example.positives) != 1 for example in data.examples):
        raise InputError(f"rows of {data.schema}, where pairs of translations are needed", file=data.source)
    sides = [e.anchor for e in data.examples], [e.positives[0] for e in data.examples]
    z = [encoded_in_full(encoder, side) for side in sides]
    return bitext(z[0], z[1], texts=sides, source=data.source, samples=samples, seed=seed)


def _sts(
    encoder: Encodes, task: str, subsets: Mapping[str, TextData], *, samples: int, seed: int
) -> tuple[Figure, dict[str, Figure]]:
    cosines, scores = {}, {}
    for name, data in subsets.items():
        pairs = [(e.anchor, e.positives[0]) for e in data.examples]
        first, second = (encoded_in_full(encoder, side) for side in zip(*pairs, strict=True))
        cosines[name] = similarity(first, second)
        scores[name] = np.array([e.score for e in data.examples], dtype=np.float64)

    def correlation(name: str, said: np.ndarray, gold: np.ndarray) -> Figure:
        return figure(name, said, gold, statistic="spearman", samples=samples, seed=seed)

    own = {f"{task} {name}": correlation(f"{task} {name}", cosines[name], scores[name]) for name in subsets if name}
    if own and task not in STS:
        return _average(task, own, list(own)), own
    together = (np.concatenate(list(part.values())) for part in (cosines, scores))
    return correlation(task, *together), own


def _transfer(
    encoder: Encodes, task: str, parts: Mapping[str, TextData], folds: int, *, samples: int, seed: int
) -> dict[str, Figure]:
    rows = {part: _sorted(data.examples) for part, data in parts.items()}
    labels = {part: [str(e.label) for e in some] for part, some in rows.items()}
    z = {part: _features(encoder, some) for part, some in rows.items()}
    try:
        if "all" in parts:
            right = nested_folds(z["all"], labels["all"], folds=folds)
            return {task: figure(task, right.astype(float), samples=samples, seed=seed)}
        if "dev" in parts:
            said = with_dev(z["train"], labels["train"], z["dev"], labels["dev"], z["test"])
        else:
            said = with_test(z["train"], labels["train"], z["test"], folds=folds)
    except InputError as error:
        raise InputError(f"{task}: {error.what}", file=next(iter(parts.values())).source, fix=error.fix) from error
    truth = np.array(labels["test"])
    figures = {task: figure(task, (said == truth).astype(float), samples=samples, seed=seed)}
    if rows["test"][0].positives:
        yes = [(each == "1")[:, None] for each in (said, truth)]
        figures[f"{task} f1"] = figure(f"{task} f1", *yes, statistic="micro_f1", samples=samples, seed=seed)
    return figures


def _sorted(examples: Sequence[Example]) -> list[Example]:
    """As SentEval sorts before it draws folds."""
    return sorted(examples, key=lambda e: (*(len(text.split()) for text in e.texts), e.label))


def _features(encoder: Encodes, examples: Sequence[Example]) -> Float[np.ndarray, "n d"]:
    first = encoded_in_full(encoder, [e.anchor for e in examples])
    if not examples[0].positives:
        return first
    return pair_features(first, encoded_in_full(encoder, [e.positives[0] for e in examples]))


def _average(name: str, figures: Mapping[str, Figure], of: Sequence[str]) -> Figure:
    values = np.array([figures[task].value for task in of])
    return Figure(name, float(values.mean()), values, items=tuple(of))
