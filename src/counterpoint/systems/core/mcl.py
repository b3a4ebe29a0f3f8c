"""MCL: each stage contrasts an image only with those that all stages before it took for the same."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from counterpoint.data.items import Data
from counterpoint.encoders.image import PixelEncoder
from counterpoint.encoders.joined import Joined
from counterpoint.methods import Recipe, Takes, train_stage
from counterpoint.objectives import SupCon
from counterpoint.systems.core._pictures import simclr
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Figure, Made, Richer, Trained
from counterpoint.testbeds import figures as of
from counterpoint.testbeds.marked import MARKED, MARKED_DIGITS, broad
from counterpoint.training import TrainResult
from counterpoint.views.standard import picture_view

STAGES, CLUSTERS, BATCH = 3, 10, 64
_APART = 1000
"""Between the seeds of two stages."""


def refined(cluster: Tensor, model: PixelEncoder, data: Data, seed: int, *, chance: bool = False) -> Tensor:
    """Clusters cut further: images stay together only where k-means on a model's vectors keeps them together, too."""
    from sklearn.cluster import KMeans

    vectors = model.encode_items(data.anchors[data.anchor])
    # of little data no more than there are batches: a picture alone in its cluster is in none
    number = max(1, min(CLUSTERS, len(data) // BATCH))
    found = torch.from_numpy(KMeans(number, n_init=1, random_state=seed).fit_predict(vectors)).long()
    if chance:
        found = found[torch.randperm(len(found), generator=torch.Generator().manual_seed(seed))]
    place: Tensor = torch.unique(torch.stack([cluster, found], 1), dim=0, return_inverse=True)[1]
    return place


@dataclass(frozen=True)
class InStages(Recipe):
    """A fresh encoder a stage, side by side: each stage knows the clusters of all before it (column `cluster`).

    All are trained as the recipe's only stage says.

    Attributes:
        chance: Clusters of the same sizes that say nothing.
    """

    chance: bool = False

    def started(self, data: Data, seed: int) -> Joined:
        """All encoders before training."""
        return Joined([self._start(data, seed, stage) for stage in range(STAGES)])

    def make(
        self, data: Data, seed: int = 0, *, encoder: nn.Module | None = None, **options: Any
    ) -> tuple[nn.Module, TrainResult]:
        """All encoders as one."""
        if encoder is not None:
            return super().make(data, seed, encoder=encoder, **options)
        self.takes.refuse(data, self.name)
        cluster, models = torch.zeros(len(data), dtype=torch.long), list[PixelEncoder]()
        result, steps = TrainResult(), 0
        for stage in range(STAGES):
            models.append(self._start(data, seed, stage))
            seen = replace(data, columns={**data.columns, "cluster": cluster})
            result, _ = train_stage(self.stages[0], seen, models[-1], seed + _APART * stage)
            steps += result.steps
            cluster = refined(cluster, models[-1], data, seed, chance=self.chance)
        return Joined(models), replace(result, steps=steps)

    def _start(self, data: Data, seed: int, stage: int) -> PixelEncoder:
        model = super().started(data, seed + _APART * stage)
        assert isinstance(model, PixelEncoder)
        return model


def keeping_mark(pixels: Tensor) -> Tensor:
    """The picture changes, the mark in its last channel does not; pictures without one change as they do in SimCLR."""
    if pixels.shape[1] not in (2, 4):
        return picture_view()(pixels)
    return torch.cat([picture_view()(pixels[:, :-1]), pixels[:, -1:]], 1)


def one_stage() -> Recipe:
    """SimCLR, whose views leave the mark alone."""
    train = replace(simclr().stages[0].train, batch_size=BATCH)
    return simclr().varied("SimCLR in one stage", view=keeping_mark, train=train)


def staged(name: str, recipe: Recipe, *, chance: bool = False) -> InStages:
    """Stages of that recipe, each in full."""
    return InStages(name, recipe.stages, recipe.takes, recipe.start, own_start=True, chance=chance)


def mcl() -> Recipe:
    """Zhang et al. 2024: each batch is of one cluster, in the history of all stages before; SimCLR otherwise."""
    return staged("MCL", one_stage().varied("MCL", together="cluster"))


def all_negatives() -> Recipe:
    """As many stages side by side without the choice of negatives."""
    return staged("SimCLR in stages", one_stage())


def by_chance() -> Recipe:
    """Batches of clusters of the same sizes that say nothing."""
    return staged("MCL by chance", one_stage().varied("MCL", together="cluster"), chance=True)


def supervised() -> Recipe:
    """What could be reached: one stage that is told the classes, which a mark does not tell."""
    takes = Takes("image", schemas=("labelled",))
    return one_stage().varied("SupCon", takes=takes, objective=lambda: SupCon(0.1))


def _marks_left(made: Made) -> float:
    """Of the stages after the first alone, how well the mark can still be told."""
    assert isinstance(made.encoder, Joined)
    last = made.encoder.encoders[-1]
    assert isinstance(last, PixelEncoder)
    return of.probe_accuracy("mark").of(replace(made, encoder=last))


LONGER = replace(MARKED, epochs=STAGES * MARKED.epochs, start=broad)

system(
    "MCL",
    title="Learning the Unlearned: Mitigating Feature Suppression in Contrastive Learning",
    year=2024,
    family="core",
    mechanism="tests/systems/test_mcl.py::test_batches_share_the_clusters_of_every_stage_before",
    sample=MARKED_DIGITS,
    claims=(
        Claim(
            "Stages learn what one stage leaves out",
            of.probe_accuracy(),
            "SimCLR in one stage, as many steps and dimensions",
            MARKED,
            Richer(Trained(one_stage), LONGER),
            off=Trained(by_chance),
            ceiling=Richer(Trained(supervised), LONGER),
            floors=(),
        ),
        Claim(
            "It is the choice of negatives that does it",
            of.probe_accuracy(),
            "as many stages of SimCLR side by side, with all negatives",
            MARKED,
            Trained(all_negatives),
            off=Trained(by_chance),
            ceiling=Richer(Trained(supervised), LONGER),
            floors=(),
        ),
    ),
    signal=Signal(Figure("probe accuracy of mark, last stage alone", _marks_left), off=Trained(all_negatives)),
    setup=f"{STAGES} stages, each in full and anew, where the paper's CLIP goes on from a pretrained model. The "
    "easy feature is a mark that views leave alone; what it suppresses may fall below an untrained network, which "
    f"is the finding, so there are no floors. The ceiling is told the classes. {CLUSTERS} clusters a stage and "
    f"batches of one cluster, as in the authors' code, of {BATCH} where theirs have 1,000. What the third "
    "stage draws from has about as many; a cluster with fewer is a batch of its own, where theirs is left out.",
)(mcl)
