"""One process of a distributed run of the loop: RANK WORLD_SIZE STORE OUTPUT; alone: WORLD_SIZE 1."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import torch
import torch.distributed as dist
from safetensors.torch import save_file

from counterpoint.data import Example
from counterpoint.data.items import Data, Items
from counterpoint.data.rows import rows_of
from counterpoint.encoders import StaticEncoder
from counterpoint.encoders.knowledge import KnowledgeGraph
from counterpoint.encoders.scratch import small_transformer
from counterpoint.methods import Stage, train_stage
from counterpoint.negatives.prepare import self_mined
from counterpoint.negatives.rules import uniform
from counterpoint.objectives import InfoNCE
from counterpoint.pretraining import Condenser
from counterpoint.training import RowBatches, TrainConfig, train
from counterpoint.training._processes import Processes
from counterpoint.views import TextView, tokens, words

# several positives, shared texts, hard negatives: everything that goes by what other processes hold
ROWS = [
    Example(f"the {c} thing {n}", (f"{c} {n} is here", f"{c} in general")[: 1 + n % 2], (f"no {c}",) * (n % 3 == 0))
    for c in ("red", "blue", "pink")
    for n in range(7)
]
# everybody's keys are all entities, of which each process has a share
QUERIES = torch.cartesian_prod(torch.arange(7), torch.arange(4))
TRIPLES = Data(
    Items("query", QUERIES), torch.arange(28), Items("entity", torch.arange(7)), (QUERIES.sum(1) % 7)[:, None]
)
CONFIG = TrainConfig(epochs=6, batch_size=9, learning_rate=0.02, weight_decay=0.0, dtype="float32")


class Guessed(Condenser):
    """Tokens are asked for by two losses; what is masked hangs on the token, so that all processes draw the same."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        texts = [text for row in ROWS for text in row.texts]
        super().__init__(small_transformer(texts, layers=2, width=16, vocab_size=80, dropout=0.0), texts)
        for part in self.head.modules():
            if isinstance(part, torch.nn.Dropout):
                part.p = 0.0
            if isinstance(part, torch.nn.MultiheadAttention):
                part.dropout = 0.0

    def _choose(self, features):
        return (features["input_ids"] % 3 == 0) & ~torch.isin(features["input_ids"], self._special)

    def _shown(self, original, chosen):
        return original.masked_fill(chosen, self.encoder.tokenizer.mask_token_id)


def mined_anew() -> torch.Tensor:
    """What is learned from negatives that are mined while it is learned."""
    model = StaticEncoder.from_corpus([t for e in ROWS for t in e.texts], dim=16)
    stage = Stage(lambda: InfoNCE(0.1), CONFIG, prepare=(self_mined(2, depth=12, draw=uniform),), renewals=3)
    train_stage(stage, rows_of(ROWS), model, 1)
    return model.embedding.weight


def main(rank: int, world: int, store: str, output: str) -> None:
    if world > 1:
        dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=world)
        group = dist.group.WORLD
        Processes.current = classmethod(lambda cls: cls(rank, world, group))
    model = StaticEncoder.from_corpus([t for e in ROWS for t in e.texts], dim=16)
    # what is drawn of a text is the same wherever it is encoded
    view = (None, TextView(words.deletion(0.3), tokens.feature_cutoff(0.2)))
    train(model, RowBatches(rows_of(ROWS), model, view=view), InfoNCE(0.1, layout="symmetric"), CONFIG)
    torch.manual_seed(0)
    graph = KnowledgeGraph.of(TRIPLES, dim=8)
    train(graph, RowBatches(TRIPLES, graph, shared=7), InfoNCE(1.0, geometry=graph.geometry), CONFIG)
    mined = mined_anew()
    guessing = Guessed()
    # keys have biases that a softmax does not see: Adam would make steps of their rounding errors
    train(guessing, guessing, guessing.objective(), replace(CONFIG, optimizer="sgd", learning_rate=0.3))
    if rank == 0:
        tables = {"table": model.embedding.weight, "entities": graph.document.weight, "relations": graph.query.weight}
        tables["mined anew"] = mined
        tables |= {f"guessing.{name}": weight for name, weight in guessing.named_parameters()}
        save_file({name: table.detach().clone() for name, table in tables.items()}, Path(output))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4])
