"""GradCache: the exact gradient of a large contrastive batch in the memory of a small one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from counterpoint.data.rows import rows_of
from counterpoint.encoders import TransformerEncoder
from counterpoint.encoders.scratch import small_transformer
from counterpoint.engine import cached
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import InfoNCE
from counterpoint.systems._corpus import run_with_fit, sample
from counterpoint.systems.core._memory import PeakMemory
from counterpoint.systems.registry import Claim, Figures, Pair, Say, system
from counterpoint.training import TrainConfig
from counterpoint.training.rows import RowBatches

_SMALL, _LARGE, _CHUNK_TOKENS = 32, 256, 512

Execution = Callable[[Sequence[Callable[[], Tensor]], Callable[[Tensor], Tensor]], object]


def whole(chunks: Sequence[Callable[[], Tensor]], loss: Callable[[Tensor], Tensor]) -> None:
    """Every chunk is kept until the loss is known: the whole batch at once."""
    loss(torch.cat([chunk() for chunk in chunks])).backward()


def _step(
    encoder: TransformerEncoder, batches: RowBatches, rows: Tensor, execute: Execution, seed: int
) -> tuple[Tensor, int]:
    """The gradient of one batch and the peak memory of computing it."""
    payload = batches.payload(rows)
    chunks = payload.chunks(_CHUNK_TOKENS)
    back, objective = torch.argsort(torch.cat(chunks)), gradcache().stages[0].objective()
    encoder.zero_grad(set_to_none=True)
    encoder.train()
    with torch.random.fork_rng(devices=[]), PeakMemory() as memory:
        torch.manual_seed(seed)
        encodings = [lambda c=c: encoder(payload.take(payload.inputs, c)) for c in chunks]
        execute(encodings, lambda z: objective(**payload.arguments(z[back])))
    return torch.cat([p.grad.flatten() for p in encoder.parameters() if p.grad is not None]), memory.peak


def _measure(seed: int) -> tuple[tuple[Pair, ...], Figures]:
    examples = sample(_LARGE, seed)
    texts = [text for e in examples for text in e.texts]
    encoder = small_transformer(texts, width=128, vocab_size=2000, max_seq_length=32, seed=seed)
    batches = RowBatches(rows_of(examples), encoder)
    rows, few = torch.arange(_LARGE), torch.arange(_SMALL)
    ours, ours_peak = _step(encoder, batches, rows, cached, seed)
    exact, exact_peak = _step(encoder, batches, rows, whole, seed)
    ours_few, exact_few = (_step(encoder, batches, few, e, seed)[1] for e in (cached, whole))
    parts = rows.split(_SMALL)
    accumulated = sum(_step(encoder, batches, part, whole, seed + i)[0] for i, part in enumerate(parts)) / len(parts)
    memory = (ours_peak / ours_few, exact_peak / exact_few)
    gradient = tuple(float((g - exact).norm() / exact.norm()) for g in (ours, accumulated))
    megabytes = {f"MB at a batch of {_LARGE}": ours_peak / 1e6, "the same, whole": exact_peak / 1e6}
    return (memory, (gradient[0], gradient[1])), megabytes


def _included(method: Recipe, output: Path, say: Say) -> Figures:
    del method, output
    say(f"a batch of {_LARGE} pairs in chunks of {_CHUNK_TOKENS} tokens, and whole")
    (memory, gradient), megabytes = _measure(0)
    return {
        **megabytes,
        "memory, times that of a batch of 32": memory[0],
        "the same, whole": memory[1],
        "relative difference of gradients": gradient[0],
    }


@system(
    "GradCache",
    title="Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup",
    year=2021,
    family="core",
    mechanism="tests/systems/test_gradcache.py::test_gradient_is_that_of_the_whole_batch_with_dropout_replayed",
    run=run_with_fit(_included),
    claims=(
        Claim(
            "Memory is almost constant as the batch grows",
            f"peak memory of a step at a batch of {_LARGE}, relative to {_SMALL}",
            "the whole batch encoded at once",
            "lower",
        ),
        Claim(
            "The gradient is that of the large batch, which accumulation's is not",
            f"relative distance to the gradient of the whole batch of {_LARGE}",
            f"gradient accumulation over batches of {_SMALL}",
            "lower",
        ),
    ),
    measure=_measure,
    setup=f"A BERT of 2 layers of 128 with random weights and dropout, float32; {_LARGE} pairs of the included corpus, "
    f"{_CHUNK_TOKENS} tokens a chunk. Memory is the peak of bytes in live tensors, weights and inputs not counted.",
)
def gradcache() -> Recipe:
    """Gao et al. 2021, section 3.2: a batch of any size, encoded twice in chunks of `chunk_tokens`."""
    stage = Stage(lambda: InfoNCE(0.05), TrainConfig(batch_size=4096, chunk_tokens=4096))
    return Recipe("GradCache", (stage,), Takes("text", "text"))
