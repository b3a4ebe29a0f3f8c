"""GradCache: the exact gradient of a large contrastive batch in the memory of a small one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from counterpoint.encoders import TransformerEncoder
from counterpoint.encoders.scratch import small_transformer
from counterpoint.engine import cached
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import InfoNCE
from counterpoint.systems.core._memory import PeakMemory
from counterpoint.systems.registry import Claim, Figures, Say, system
from counterpoint.testbeds import Trained
from counterpoint.testbeds.figures import found
from counterpoint.testbeds.packages import PACKAGES
from counterpoint.training import TrainConfig
from counterpoint.training.rows import RowBatches

_SMALL, _LARGE, _CHUNK = 32, 256, 512
_BATCH = 512
Execution = Callable[[Sequence[Callable[[], Tensor]], Callable[[Tensor], Tensor]], object]


def gradcache() -> Recipe:
    """Gao et al. 2021, section 3.2: a batch of any size, encoded twice in chunks of `chunk_tokens`."""
    train = TrainConfig(batch_size=_BATCH, chunk_tokens=4096)
    return Recipe("GradCache", (Stage(lambda: InfoNCE(0.05), train),), Takes("text", "text"))


def accumulated() -> Recipe:
    """Batches that fit, as many of them before each step as make up the large one."""
    train = replace(gradcache().stages[0].train, batch_size=_SMALL, accumulate=_BATCH // _SMALL)
    return gradcache().varied("accumulation", train=train)


def at_once() -> Recipe:
    """The large batch, encoded at once."""
    train = replace(gradcache().stages[0].train, chunk_tokens=1 << 20)
    return gradcache().varied("at once", train=train)


def whole(chunks: Sequence[Callable[[], Tensor]], loss: Callable[[Tensor], Tensor]) -> None:
    """Every chunk is kept until the loss is known: the whole batch at once."""
    loss(torch.cat([chunk() for chunk in chunks])).backward()


def step(
    encoder: TransformerEncoder, batches: RowBatches, rows: Tensor, execute: Execution, seed: int
) -> tuple[Tensor, int]:
    """The gradient of one batch and the peak memory of computing it."""
    payload = batches.payload(rows)
    chunks = payload.chunks(_CHUNK)
    back, objective = torch.argsort(torch.cat(chunks)), gradcache().stages[0].objective()
    encoder.zero_grad(set_to_none=True)
    encoder.train()
    with torch.random.fork_rng(devices=[]), PeakMemory() as memory:
        torch.manual_seed(seed)
        encodings = [lambda c=c: encoder(payload.take(payload.inputs, c)) for c in chunks]
        execute(encodings, lambda z: objective(**payload.arguments(z[back])))
    return torch.cat([p.grad.flatten() for p in encoder.parameters() if p.grad is not None]), memory.peak


def _setting(seed: int) -> tuple[TransformerEncoder, RowBatches]:
    data = PACKAGES.parts(seed)[0]
    data = data[torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))[:_LARGE]]
    assert data.others is not None
    assert data.positives is not None
    texts = [*data.anchors[data.anchor].texts, *data.others[data.positives[:, 0]].texts]
    encoder = small_transformer(texts, width=128, vocab_size=2000, max_seq_length=32, seed=seed)
    return encoder, RowBatches(data, encoder)


def memory(seed: int) -> Mapping[str, float]:
    """How many times the peak memory of a small batch a large one takes, cached and whole."""
    setting, large, small = _setting(seed), torch.arange(_LARGE), torch.arange(_SMALL)
    peaks = {e: [step(*setting, rows, e, seed)[1] for rows in (large, small)] for e in (cached, whole)}
    return {role: peaks[e][0] / peaks[e][1] for role, e in (("system", cached), ("baseline", whole))}


def exactness(seed: int) -> Mapping[str, float]:
    """How far the gradient is from that of the whole large batch, relative to its length; accumulated likewise."""
    setting, rows = _setting(seed), torch.arange(_LARGE)
    exact, ours = (step(*setting, rows, e, seed)[0] for e in (whole, cached))
    parts = [step(*setting, part, whole, seed + i)[0] for i, part in enumerate(rows.split(_SMALL))]
    found = {"system": ours, "baseline": torch.stack(parts).mean(0)}
    return {role: float((g - exact).norm() / exact.norm()) for role, g in found.items()}


def _run(method: Recipe, output: Path, say: Say) -> Figures:
    """Both of them, without training."""
    del method, output
    say(f"batches of {_LARGE} and {_SMALL} pairs in chunks of {_CHUNK} tokens, and whole")
    grown, off = memory(0), exactness(0)
    return {
        f"memory of a batch of {_LARGE}, times that of {_SMALL}": grown["system"],
        "the same, whole": grown["baseline"],
        "relative difference of gradients": off["system"],
        "the same, accumulated": off["baseline"],
    }


system(
    "GradCache",
    title="Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup",
    year=2021,
    family="core",
    mechanism="tests/systems/test_gradcache.py::test_gradient_is_that_of_the_whole_batch_with_dropout_replayed",
    sample=PACKAGES,
    run=_run,
    claims=(
        Claim(
            "Memory is almost constant as the batch grows",
            f"peak memory of a step at a batch of {_LARGE}, relative to {_SMALL}",
            "the whole batch encoded at once",
            ceiling=1.0,
            better="lower",
            check=memory,
        ),
        Claim(
            "The gradient is that of the large batch, which accumulation's is not",
            f"relative distance to the gradient of the whole batch of {_LARGE}",
            f"gradient accumulation over batches of {_SMALL}",
            ceiling=0.0,
            better="lower",
            check=exactness,
        ),
        Claim(
            "A large batch through the cache retrieves better than small ones that fit",
            found("mrr@10"),
            f"gradient accumulation over batches of {_SMALL}, as many steps",
            PACKAGES,
            Trained(accumulated),
            ceiling=Trained(at_once),
        ),
    ),
    setup=f"Memory and gradient: a BERT of 2 layers of 128 with random weights and dropout, float32; {_LARGE} pairs "
    f"of the included corpus, {_CHUNK} tokens a chunk; the peak of bytes in live tensors, weights and inputs not "
    f"counted. Retrieval: batches of {_BATCH}, one table for titles and descriptions where the paper trains two "
    "BERTs on Natural Questions. The loss is of cosines at 0.05; the authors' is of inner products, and the "
    "mechanism knows nothing of it.",
)(gradcache)
