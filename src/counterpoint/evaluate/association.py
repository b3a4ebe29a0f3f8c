"""Associations that a model has (WEAT, SEAT): effect sizes and permutation tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations, islice
from math import comb

import numpy as np
from jaxtyping import Float

from counterpoint.data.association_tests import AssociationTest
from counterpoint.errors import InputError
from counterpoint.evaluate.bootstrap import SAMPLES, figure
from counterpoint.evaluate.encoder import Encodes, encoded_in_full
from counterpoint.evaluate.figures import Figure, Result

PERMUTATIONS = 10_000
_BLOCK = 500


def association(
    x_nd: Float[np.ndarray, "n d"],
    y_md: Float[np.ndarray, "m d"],
    a_kd: Float[np.ndarray, "k d"],
    b_ld: Float[np.ndarray, "l d"],
    *,
    permutations: int = PERMUTATIONS,
    source: str = "",
    samples: int = SAMPLES,
    seed: int = 0,
) -> Result:
    r"""Are targets x nearer the attributes a, and targets y nearer b, than chance would have it?

    With $s(w) = \text{mean}_{a} \cos(w, a) - \text{mean}_{b} \cos(w, b)$, the figure `effect` is
    $(\text{mean}_x s(x) - \text{mean}_y s(y)) / \text{std}_{w \in x \cup y} s(w)$ (n - 1 degrees; 0 is no association,
    2 nearly the most there can be), and `p` the share of partitions of the targets into sets of these sizes whose
    $\sum_x s(x)$ is at least as large (one-sided; small is an association that chance does not explain). All
    partitions are taken if there are no more than `permutations`; else so many less one are drawn, and the one that
    was seen counts as one more. Sources: Caliskan et al. 2017, "Semantics derived automatically from language corpora
    contain human-like biases"; May et al. 2019, "On Measuring Social Biases in Sentence Encoders" (`sentbias/weat.py`).

    Args:
        x_nd: First targets, flowers say; two or more of each.
        y_md: Second targets, insects.
        a_kd: First attributes, pleasant words.
        b_ld: Second attributes, unpleasant words.
        permutations: See above; sent-bias has 100,000.
        source: What was measured, for the record.
        samples: Bootstrap resamples of the targets for the interval of the effect, 0 for none.
        seed: Of what is drawn.

    Raises:
        InputError: Fewer than two of a set, or embeddings that are not finite.

    Examples:
        >>> x, y = np.array([[1.0, 0.1], [1.0, 0.2]]), np.array([[0.1, 1.0], [0.2, 1.0]])
        >>> result = association(x, y, x, y, samples=0)
        >>> round(result["effect"].value, 2), round(result["p"].value, 3)
        (1.73, 0.167)
    """
    sets = [np.asarray(z, dtype=np.float64) for z in (x_nd, y_md, a_kd, b_ld)]
    if any(z.ndim != 2 or len(z) < 2 for z in sets) or not all(np.isfinite(z).all() for z in sets):
        raise InputError("an association test needs four sets of two finite vectors or more", fix="check them")
    x, y, a, b = (z / np.linalg.norm(z, axis=1, keepdims=True).clip(1e-12) for z in sets)
    s = np.concatenate([x, y]) @ (a.mean(0) - b.mean(0))
    first = np.arange(len(s)) < len(x)
    # sums of the same numbers in another order are the same
    at_least = s[first].sum() - 1e-9 * np.abs(s).sum()
    extreme = [sums >= at_least for sums in _sums(s, len(x), permutations, seed)]
    return Result(
        "association",
        source,
        {
            "effect": figure("effect", s, first.astype(float), statistic="effect_size", samples=samples, seed=seed),
            "p": figure("p", np.concatenate(extreme).astype(float), samples=0),
        },
    )


def evaluate_associations(
    encoder: Encodes,
    tests: Sequence[AssociationTest],
    *,
    permutations: int = PERMUTATIONS,
    source: str = "",
    samples: int = SAMPLES,
    seed: int = 0,
) -> Result:
    """The effect and the p of each test, `weat1 effect` and `weat1 p`; see `association`.

    That an association is found says that the model has it; that none is found does not say that the model has none.
    Many tests at once make some p small by chance.

    Raises:
        InputError: No tests, or what `association` refuses.

    Examples:
        >>> class Letters:
        ...     def encode(self, texts, *, kind=None):
        ...         return np.array([[text.count(letter) for letter in "abc"] for text in texts], dtype=np.float32)
        >>> test = AssociationTest("t", (["a", "aab"], ["c", "ccb"], ["a", "aa"], ["c", "cc"]))
        >>> list(evaluate_associations(Letters(), [test], samples=0))
        ['t effect', 't p']
    """
    if not tests:
        raise InputError("no association test", fix="give one or more")
    figures: dict[str, Figure] = {}
    notes = []
    # tests share their words
    texts = list(dict.fromkeys(text for test in tests for some in test.sets for text in some))
    z = encoded_in_full(encoder, texts)
    row = {text: i for i, text in enumerate(texts)}
    for test in tests:
        x, y, a, b = (z[[row[text] for text in some]] for some in test.sets)
        result = association(x, y, a, b, permutations=permutations, samples=samples, seed=seed)
        for name, found in result.items():
            figures[f"{test.name} {name}"] = replace(found, name=f"{test.name} {name}")
        if all(test.categories):
            first, second, one, other = test.categories
            notes.append(f"{test.name}: {first} with {one}, {second} with {other}")
    return Result("associations", source, figures, tuple(notes))


def _sums(s: Float[np.ndarray, " n"], size: int, permutations: int, seed: int) -> Iterator[Float[np.ndarray, " b"]]:
    """The sum of s over the first part of each partition."""
    if comb(len(s), size) <= permutations:
        every = combinations(range(len(s)), size)
        while part := list(islice(every, _BLOCK)):
            yield s[np.array(part)].sum(1)
        return
    rng = np.random.default_rng(seed)
    yield s[:size].sum(keepdims=True)
    for start in range(1, permutations, _BLOCK):
        b = min(_BLOCK, permutations - start)
        yield rng.permuted(np.tile(s, (b, 1)), axis=1)[:, :size].sum(1)
