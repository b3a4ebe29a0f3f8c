"""What every system trains in a few steps, as small numbers: code may move, the weights may not.

`python tests/systems/golden.py NAME ...` measures systems (all, without names) and keeps their numbers in
`golden.json`: for those that are meant to train something else from now on.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn

from counterpoint.data import Example
from counterpoint.data.images import Images
from counterpoint.data.items import Data as Rows
from counterpoint.data.items import Items
from counterpoint.data.rows import rows_of
from counterpoint.encoders import StaticEncoder
from counterpoint.encoders.scratch import small_transformer
from counterpoint.engine import cached
from counterpoint.methods import Recipe
from counterpoint.negatives import mine_bm25
from counterpoint.negatives.prepare import consistent_pairs
from counterpoint.systems import _corpus, every, get
from counterpoint.systems.core import (
    _digits,
    _features,
    _labelled,
    _turned,
    _versus,
    adainf,
    beclr,
    ccl_k,
    dbpm,
    decoupled_uniformity,
    gradcache,
    mcl,
    pal,
    pnda,
    projection_head,
    sepclr,
    simplicity_bias,
)
from counterpoint.systems.registry import slug
from counterpoint.systems.retrieval import dpr, e5
from counterpoint.systems.sentences import _start
from counterpoint.training import loop
from counterpoint.training.rows import RowBatches
from counterpoint.views import shuffle_partners

KEPT = Path(__file__).with_name("golden.json")
Numbers = dict[str, list[float]]
"""Of each module that was trained: the mean of its weights, their norm, and three random projections."""
How = Callable[[Any], object]
"""Trains as a method says, by the system's own functions."""
Data = Callable[[int], tuple[Images, ...]]

IMAGES = 128
"""A step on as many as a system's batch has takes four times as long."""
UNTRAINED = {"crl-framework-and-review": "a survey trains nothing"}


def on(data: Data, n: int = 0) -> How:
    """The training part of some data, or so many images of it, with seed 0."""

    def how(method: Recipe) -> None:
        images = data(0)[0]
        # of all classes, where they are one after the other
        _digits.trained(
            method, images[torch.arange(len(images))[:: max(1, len(images) // n)][:n] if n else slice(None)], 0
        )

    return how


def digits(data: Data = _digits.halves) -> How:
    return on(data, IMAGES)


def table(_seed: int = 0) -> StaticEncoder:
    """A small one: that of the systems takes a while."""
    texts = [text for e in _corpus.sample(400, 0) for text in e.texts]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return StaticEncoder.from_corpus(texts, vocab_size=1000, dim=32)


def texts(recipe: Recipe) -> None:
    """Pairs of the included corpus."""
    _corpus.trained(recipe, table(), rows_of(_corpus.sample(400, 0)), steps=1, seed=0, **_corpus.TABLE)


def by_dpr(recipe: Recipe) -> None:
    """As it is measured, and as `fit` trains it."""
    mined = recipe.stages[0].prepare[0](rows_of(_corpus.sample(400, 0)), nn.Identity(), 0)
    with patch.object(dpr, "table", table), patch.object(dpr, "dpr", lambda: recipe):
        dpr._trained(mined, 0)
    texts(recipe)


def by_e5(recipe: Recipe) -> None:
    """A judge of noisy pairs, and a model of those that pass."""
    noisy, _ = shuffle_partners(_corpus.sample(400, 0), e5._NOISE, 0)
    stage = recipe.stages[0]
    judge = replace(stage, train=replace(stage.train, validations=1, **_corpus.TABLE), prepare=())
    filtered = recipe.varied("E5", prepare=(consistent_pairs(judge, pool=50),))
    _corpus.trained(filtered, table(), rows_of(noisy), steps=1, seed=0, **_corpus.TABLE)


def by_simcse(recipe: Recipe) -> None:
    """The masked language model, and what comes of it."""
    with patch.object(_start, "_TEXTS", 200):
        encoder = _start._pretrained.__wrapped__()
    pairs = _corpus.sample(100, 1)
    alone = [Example(e.positives[0]) for e in pairs]
    data = mine_bm25(rows_of(pairs)) if "supervised" in recipe.name else rows_of(alone)
    _corpus.trained(recipe, encoder, data, steps=1, seed=0, learning_rate=3e-4)


def by_halves(recipe: Recipe) -> None:
    recipe.make(_digits.as_rows(_digits.halves(0)[0]), 0)


def by_pnda(recipe: Recipe) -> None:
    """Its network for turns is trained outside of the loop: a few steps of it, and the less sure half."""
    train = _digits.halves(0)[0]
    entropy = pnda.rotation_entropy(train, 0, steps=5)
    _digits.trained(recipe, pnda._with(train, entropy > entropy.median()), 0)


def by_projection_head(recipe: Recipe) -> None:
    digits()(recipe)
    projection_head.two_layers(0)


def by_spectral(recipe: Recipe) -> None:
    x, present = _features.features(simplicity_bias._N, simplicity_bias._STRENGTHS, 0)
    recipe.make(Rows.alone(Items("vector", x), label=present[:, 0]), 0)


def coarse(seed: int) -> tuple[Images, ...]:
    train, test = _digits.halves(seed)
    return replace(train, labels=(train.labels >= simplicity_bias._COARSE).long()), test


def few_planted(seed: int) -> tuple[Images, ...]:
    train, test = dbpm.planted(seed)
    few = train[torch.arange(IMAGES)]
    return replace(few, columns={"other": few.columns["other"].fmod(IMAGES)}), test


def by_adainf(recipe: Recipe) -> None:
    """A mixture of Gaussians amplifies rounding errors: here pictures are blended instead of drawn from it."""
    with patch.object(adainf, "generated", blended):
        on(_digits.halves)(recipe)


def blended(images: Images, n: int, seed: int) -> Images:
    generator = torch.Generator().manual_seed(seed)
    a, b = torch.randint(len(images), (2, n), generator=generator)
    return replace(images[a], pixels=(images.pixels[a] + images.pixels[b]) / 2, labels=torch.full((n,), -1))


def with_prior(recipe: Recipe) -> None:
    digits(decoupled_uniformity.with_attribute)(recipe)
    digits(decoupled_uniformity.with_attribute)(decoupled_uniformity.with_prior())


def gradient(recipe: Recipe) -> dict[str, Tensor]:
    """GradCache is no training: the gradient of a batch in chunks."""
    examples = _corpus.sample(32, 0)
    encoder = small_transformer([t for e in examples for t in e.texts], width=128, vocab_size=200, max_seq_length=32)
    with patch.object(gradcache, "gradcache", lambda: recipe):
        found, _ = gradcache._step(encoder, RowBatches(rows_of(examples), encoder), torch.arange(32), cached, 0)
    return {"gradient": found}


HOW: dict[str, How] = {
    **{
        name: digits(data)
        for names, data in (
            ("cacr encouraging-loss isogclr", _versus.long_tail),
            (
                "alignment-uniformity debiased-cl hard-negative-samples mochi simclr simsiam supcon swav w-mse dcl ft "
                "temperature-analysis macl amcl amcl-1-head groco poly-view poly-view-arithmetic snt-xent-aam "
                "snt-xent-am ncl nt-xent-am moco-dual-view mv-dhel mv-infonce",
                _digits.halves,
            ),
            ("xue-et-al-simplicity-bias", coarse),
            ("ccl-k", decoupled_uniformity.with_attribute),
            ("ccl-k-fair", ccl_k.with_frame),
            ("pal", pal.random_pairs),
        )
        for name in names.split()
    },
    **{
        name: on(data)
        for names, data in (
            ("hydra hydra-without-gates core-tuning hib sas cmim cpc curl curl-hinge", _digits.halves),
            ("ecaml hyperspherical-embedding proto-triplet-icnn proto-triplet icnn", _labelled.novel),
            ("causirl causirl-coral invariant-nw-head nw-head-mixed-support", _turned.domains),
            ("supremix supremix-without-mixing", _turned.angles),
            ("sepclr sepclr-without-k-jem", sepclr.patterned),
            ("beclr", beclr.novel),
        )
        for name in names.split()
    },
    "decoupled-uniformity": with_prior,
    "adainf": by_adainf,
    "dbpm": lambda recipe: digits(few_planted)(recipe.varied("DBPM", prepare=(dbpm.paired,))),
    "pnda": by_pnda,
    "projection-head-theory": by_projection_head,
    "xue-et-al-spectral": by_spectral,
    "on-mi-maximization": by_halves,
    "mcl": lambda method: on(mcl.marked)(mcl.on_marks(method)),
    **dict.fromkeys(["arm", "llave", "e5-fine-tuning"], texts),
    "dpr": by_dpr,
    "e5": by_e5,
    **dict.fromkeys(["simcse", "simcse-supervised"], by_simcse),
    "gradcache": gradient,
}
STEPS = {"mochi": 18, "beclr": 60, "dbpm": 8}
"""Where the mechanism begins later than after six steps."""


@contextmanager
def short(steps: int) -> Iterator[list[Numbers]]:
    """Within, every training ends after so many steps; its numbers are given, in the order of the trainings."""
    seen: list[Numbers] = []

    def train(encoder, batches, objective, config, **options):
        result = loop.train(encoder, batches, objective, replace(config, steps=steps, dtype="float32"), **options)
        parts = {"encoder": encoder, "objective": objective, **options}
        states = {name: part.state_dict() for name, part in parts.items() if isinstance(part, nn.Module)}
        seen.append(numbers(states))
        return result

    held = [m for name, m in sys.modules.items() if name.startswith("counterpoint") and m is not loop]
    patches = [patch.object(m, "train", train) for m in held if vars(m).get("train") is loop.train]
    for one in patches:
        one.start()
    try:
        yield seen
    finally:
        for one in patches:
            one.stop()


def numbers(states: dict[str, dict[str, Tensor]]) -> Numbers:
    """Mean, norm and three projections of all weights of each module side by side."""
    found = {}
    for name, state in states.items():
        flat = [t.detach().double().flatten().nan_to_num(0, 0, 0) for t in state.values() if t.is_floating_point()]
        w = torch.cat(flat or [torch.zeros(0)]).numpy()
        if len(w):
            ways = np.random.default_rng(0).standard_normal((3, len(w)))
            found[name] = [float(x) for x in (w.mean(), np.linalg.norm(w), *(ways @ w))]
    return found


def trained(name: str, method: Recipe | None = None) -> list[Numbers]:
    """The numbers of each training that a system is; of another method, as it would be trained by that system."""
    with short(STEPS.get(name, 6)) as seen:
        made = HOW[name](method or get(name).method())
    return [numbers({"gradient": made})] if name == "gradcache" else seen


def off(found: list[Numbers], kept: list[Numbers]) -> float:
    """The greatest difference of two numbers, relative to the norm of the weights they are of."""
    if [list(one) for one in found] != [list(one) for one in kept]:
        return float("inf")
    pairs = [(a[part], b[part]) for a, b in zip(found, kept, strict=True) for part in a]
    return max(float(np.abs(np.subtract(a, b)).max() / (b[1] + 1e-12)) for a, b in pairs)


def names() -> list[str]:
    """Of all systems and variants."""
    return [slug(name) for s in every() for name in (s.name, *s.variants)]


def main() -> None:
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    for name in sys.argv[1:] or [n for n in names() if n not in UNTRAINED]:
        kept[name] = [{part: [float(f"{x:.9g}") for x in row] for part, row in one.items()} for one in trained(name)]
        print(name, flush=True)
    lines = ",\n".join(f'"{name}": {json.dumps(kept[name])}' for name in sorted(kept))
    KEPT.write_text(f"{{\n{lines}\n}}\n")


if __name__ == "__main__":
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    main()
