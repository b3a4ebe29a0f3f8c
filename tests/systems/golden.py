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
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn

from counterpoint.config import Config
from counterpoint.data import Example
from counterpoint.encoders import StaticEncoder
from counterpoint.encoders.invertible import Invertible
from counterpoint.encoders.scratch import small_transformer
from counterpoint.engine import cached
from counterpoint.negatives import consistent, mine_bm25
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
    cmim,
    core_tuning,
    cpc,
    curl,
    dbpm,
    decoupled_uniformity,
    gradcache,
    hib,
    mcl,
    mutual_information,
    pal,
    pnda,
    projection_head,
    sas,
    sepclr,
    simplicity_bias,
)
from counterpoint.systems.registry import slug
from counterpoint.systems.retrieval import dpr, e5
from counterpoint.systems.sentences import _start
from counterpoint.training import TextBatches, loop
from counterpoint.views import shuffle_partners

KEPT = Path(__file__).with_name("golden.json")
Numbers = dict[str, list[float]]
"""Of each module that was trained: the mean of its weights, their norm, and three random projections."""
How = Callable[[Config], object]
"""Trains as a config says, by the system's own functions."""
Data = Callable[[int], tuple[_digits.Images, ...]]

IMAGES = 128
"""A step on as many as a system's batch has takes four times as long."""
UNTRAINED = {"crl-framework-and-review": "a survey trains nothing", "curl-hinge": "a config that nothing trains"}


def on(data: Data, train: Callable[[Config, _digits.Images, int], object], n: int = 0) -> How:
    """The training part of some data, or so many images of it, with seed 0."""

    def how(config: Config) -> None:
        images = data(0)[0]
        # of all classes, where they are one after the other
        train(config, images[torch.arange(len(images))[:: max(1, len(images) // n)][:n] if n else slice(None)], 0)

    return how


def digits(data: Data = _digits.halves) -> How:
    return on(data, _digits.trained, IMAGES)


def labelled(data: Data = _digits.halves) -> How:
    return on(data, _labelled.trained)


def table(_seed: int = 0) -> StaticEncoder:
    """A small one: that of the systems takes a while."""
    texts = [text for e in _corpus.sample(400, 0) for text in e.texts]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return StaticEncoder.from_corpus(texts, vocab_size=1000, dim=32)


def texts(config: Config, examples: list[Example] | None = None) -> object:
    """Pairs of the included corpus, as many steps as `short` says."""
    pairs = examples or _corpus.sample(400, 0)
    return _corpus.trained(replace(config, consistency=0), table(), pairs, steps=1, seed=0, **_corpus.TABLE)


def by_dpr(config: Config) -> None:
    """As it is measured, and as `fit` trains it."""
    pairs = _corpus.sample(400, 0)
    with patch.object(dpr, "table", table), patch.object(dpr, "dpr", lambda: config):
        dpr._trained(mine_bm25(pairs, config.hard_negatives), 0)
    texts(config, pairs)


def by_e5(config: Config) -> None:
    """A judge of noisy pairs, and a model of those that pass."""
    noisy, _ = shuffle_partners(_corpus.sample(400, 0), e5._NOISE, 0)
    with patch.object(e5, "table", table):
        judge = e5._train(config, noisy, 0)
        e5._train(config, consistent(noisy, judge, config.consistency, pool=50, seed=0), 0)


def by_simcse(config: Config) -> None:
    """The masked language model, and what comes of it."""
    with patch.object(_start, "_TEXTS", 200):
        encoder = _start._pretrained.__wrapped__()
    pairs = _corpus.sample(100, 1)
    alone = [Example(e.positives[0]) for e in pairs]
    examples = mine_bm25(pairs, 1) if "supervised" in config.name else alone
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        _corpus.trained(config, encoder, examples, steps=1, seed=0, learning_rate=3e-4)


def by_curl(config: Config) -> None:
    with patch.object(curl, "curl", lambda: config):
        curl._trained(_digits.halves(0)[0], 0, curl._BLOCK)


def by_halves(config: Config) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        objective = config.objective()
    mutual_information.Learned(_digits.halves(0), Invertible, objective, 0)


def by_core_tuning(config: Config) -> None:
    parts = _digits.halves(0)
    start = core_tuning.pretrained(parts[0], 0)
    _labelled.trained(config, parts[0], 0, start=lambda *_: start)


def by_pnda(config: Config) -> None:
    """Its network for turns is trained outside of the loop: a few steps of it, and the less sure half."""
    train = _digits.halves(0)[0]
    entropy = pnda.rotation_entropy(train, 0, steps=5)
    _digits.trained(config, pnda._with(train, entropy > entropy.median()), 0)


def by_projection_head(config: Config) -> None:
    digits()(config)
    projection_head.two_layers(0)


def by_spectral(config: Config) -> None:
    x, present = _features.features(simplicity_bias._N, simplicity_bias._STRENGTHS, 0)
    view, width = _features.noisy(simplicity_bias._NOISE), simplicity_bias._WIDE
    _features.fitted(x, present[:, 0], config.objective(), view=view, width=width, steps=1, seed=0)


def coarse(seed: int) -> tuple[_digits.Images, ...]:
    train, test = _digits.halves(seed)
    return replace(train, labels=(train.labels >= simplicity_bias._COARSE).long()), test


def few_planted(seed: int) -> tuple[_digits.Images, ...]:
    train, test = dbpm.planted(seed)
    few = train[torch.arange(IMAGES)]
    return replace(few, columns={**few.columns, "other": few.columns["other"] % IMAGES}), test


def by_adainf(config: Config) -> None:
    """A mixture of Gaussians amplifies rounding errors: here pictures are blended instead of drawn from it."""
    with patch.object(adainf, "generated", blended):
        on(_digits.halves, adainf.inflate_and_fit)(config)


def blended(images: _digits.Images, n: int, seed: int) -> _digits.Images:
    generator = torch.Generator().manual_seed(seed)
    a, b = torch.randint(len(images), (2, n), generator=generator)
    return replace(images[a], pixels=(images.pixels[a] + images.pixels[b]) / 2, labels=torch.full((n,), -1))


def with_prior(config: Config) -> None:
    digits(decoupled_uniformity.with_attribute)(config)
    digits(decoupled_uniformity.with_attribute)(decoupled_uniformity.with_prior())


def gradient(config: Config) -> dict[str, Tensor]:
    """GradCache is no training: the gradient of a batch in chunks."""
    examples = _corpus.sample(32, 0)
    encoder = small_transformer([t for e in examples for t in e.texts], width=128, vocab_size=200, max_seq_length=32)
    with patch.object(gradcache, "gradcache", lambda: config):
        found, _ = gradcache._step(encoder, TextBatches(examples, encoder), torch.arange(32), cached, 0)
    return {"gradient": found}


HOW: dict[str, How] = {
    **dict.fromkeys(
        [
            "alignment-uniformity",
            "debiased-cl",
            "hard-negative-samples",
            "mochi",
            "simclr",
            "simsiam",
            "supcon",
            "swav",
            "w-mse",
            "dcl",
            "ft",
            "temperature-analysis",
            "macl",
            "amcl",
            "amcl-1-head",
            "groco",
            "poly-view",
            "poly-view-arithmetic",
            "snt-xent-aam",
            "snt-xent-am",
            "ncl",
            "nt-xent-am",
            "moco-dual-view",
            "mv-dhel",
            "mv-infonce",
        ],
        digits(),
    ),
    **dict.fromkeys(["cacr", "encouraging-loss", "isogclr"], digits(_versus.long_tail)),
    **dict.fromkeys(["hydra", "hydra-without-gates"], labelled()),
    **dict.fromkeys(
        ["ecaml", "hyperspherical-embedding", "proto-triplet-icnn", "proto-triplet", "icnn"], labelled(_labelled.novel)
    ),
    **dict.fromkeys(
        ["causirl", "causirl-coral", "invariant-nw-head", "nw-head-mixed-support"], labelled(_turned.domains)
    ),
    **dict.fromkeys(["supremix", "supremix-without-mixing"], labelled(_turned.angles)),
    **dict.fromkeys(["sepclr", "sepclr-without-k-jem"], labelled(sepclr.patterned)),
    "ccl-k": digits(decoupled_uniformity.with_attribute),
    "ccl-k-fair": digits(ccl_k.with_frame),
    "decoupled-uniformity": with_prior,
    "dbpm": lambda config: digits(few_planted)(replace(config, batches=dbpm.PlantedBatches)),
    "pal": digits(pal.random_pairs),
    "pnda": by_pnda,
    "core-tuning": by_core_tuning,
    "projection-head-theory": by_projection_head,
    "xue-et-al-simplicity-bias": digits(coarse),
    "xue-et-al-spectral": by_spectral,
    "cpc": lambda config: cpc.trained(_digits.halves(0)[0], 0, config),
    "curl": by_curl,
    "on-mi-maximization": by_halves,
    "hib": on(_digits.halves, hib.fit),
    "adainf": by_adainf,
    "sas": on(_digits.halves, sas.on_subset),
    "beclr": on(beclr.novel, beclr.fit),
    "mcl": lambda config: mcl.in_stages(mcl.on_marks(config), mcl.marked(0)[0], 0),
    "cmim": on(_digits.halves, cmim.fit_plain),
    "arm": texts,
    "llave": texts,
    "dpr": by_dpr,
    "e5": by_e5,
    "e5-fine-tuning": texts,
    "simcse": by_simcse,
    "simcse-supervised": by_simcse,
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


def trained(name: str, config: Config | None = None) -> list[Numbers]:
    """The numbers of each training that a system is; of another config, as it would be trained by that system."""
    config = config or get(name).config()
    with short(STEPS.get(name, 6)) as seen:
        made = HOW[name](config)
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
