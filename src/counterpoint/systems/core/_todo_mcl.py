"""MCL: each stage contrasts an image only with those that all stages before it took for the same."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from counterpoint.data.images import Images, digits
from counterpoint.data.items import Data
from counterpoint.encoders.image import PixelEncoder
from counterpoint.encoders.joined import Joined
from counterpoint.methods import Recipe, train_stage
from counterpoint.objectives import InfoNCE
from counterpoint.relation import Relation, same
from counterpoint.systems.core._digits import accuracy, run_on_images, trained, view
from counterpoint.systems.core._recipes import SETUP, small, small_simclr
from counterpoint.systems.core.simclr import simclr
from counterpoint.systems.registry import Claim, Figures, Pair, system
from counterpoint.training import TrainResult
from counterpoint.views import View

STAGES, STEPS, CLUSTERS, MARKS = 3, 300, 10, 16
_APART = 1000
"""Between the seeds of two stages."""


def refined(cluster: Tensor, model: PixelEncoder, data: Data, seed: int) -> Tensor:
    """Clusters cut further: images stay together only where k-means on a model's vectors keeps them together, too."""
    from sklearn.cluster import KMeans

    found = KMeans(min(CLUSTERS, len(data)), n_init=1, random_state=seed).fit_predict(
        model.encode_items(data.anchors[data.anchor])
    )
    both = torch.stack([cluster, torch.from_numpy(found).long()], 1)
    place: Tensor = torch.unique(both, dim=0, return_inverse=True)[1]
    return place


@dataclass(frozen=True)
class InStages(Recipe):
    """A fresh encoder a stage, side by side: each stage knows the clusters of all before it (column `cluster`).

    All are trained as the recipe's only stage says.
    """

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
        cluster, models, result = torch.zeros(len(data), dtype=torch.long), list[PixelEncoder](), TrainResult()
        for stage in range(STAGES):
            models.append(self._start(data, seed, stage))
            seen = replace(data, columns={**data.columns, "cluster": cluster})
            result, _ = train_stage(self.stages[0], seen, models[-1], seed + _APART * stage)
            cluster = refined(cluster, models[-1], data, seed)
        return Joined(models), result

    def _start(self, data: Data, seed: int, stage: int) -> PixelEncoder:
        model = super().started(data, seed + _APART * stage)
        assert isinstance(model, PixelEncoder)
        return model


def marked(seed: int) -> tuple[Images, Images]:
    """Digits, each under one of sixteen marks by chance: four corners of a second channel, bright or dark."""
    images = digits()
    mark = torch.randint(MARKS, (len(images),), generator=torch.Generator().manual_seed(seed))
    bits = (mark[:, None] >> torch.arange(4)) & 1
    corners = bits.view(-1, 1, 2, 2).float().repeat_interleave(4, 2).repeat_interleave(4, 3)
    both = replace(images, pixels=torch.cat([images.pixels, corners], 1), columns={"mark": mark})
    return both.split(seed=seed)


def keeping_marks(change: View) -> View:
    """The digit changes, its mark does not."""
    return lambda pixels: torch.cat([change(pixels[:, :1]), pixels[:, 1:]], 1)


def on_marks(recipe: Recipe) -> Recipe:
    """A recipe for marked digits."""
    return recipe.varied(recipe.name, view=keeping_marks(view()))


def _measure(seed: int) -> tuple[tuple[Pair, ...], Figures]:
    parts = marked(seed)
    staged, _ = trained(on_marks(mcl()), parts[0], seed)
    plain, _ = trained(in_stages(on_marks(small_simclr())), parts[0], seed)
    one, _ = trained(on_marks(small(simclr(), STEPS)), parts[0], seed)
    assert isinstance(staged, Joined)
    first = staged.encoders[0]
    assert isinstance(first, PixelEncoder)
    found = accuracy(staged, parts)
    figures = {"probe accuracy of the first stage alone": accuracy(first, parts)}
    return ((found, accuracy(one, parts)), (found, accuracy(plain, parts))), figures


def in_stages(recipe: Recipe) -> InStages:
    """Stages of that recipe, which share the steps."""
    return InStages(
        recipe.name, recipe.changed(steps=STEPS // STAGES).stages, recipe.takes, recipe.start, own_start=True
    )


@system(
    "MCL",
    title="Learning the Unlearned: Mitigating Feature Suppression in Contrastive Learning",
    year=2024,
    family="core",
    mechanism="tests/systems/test_mcl.py::test_negatives_share_the_clusters_of_every_stage_before",
    run=run_on_images,
    claims=(
        Claim(
            "Stages learn what one stage leaves out",
            "probe accuracy on digits under marks that no view changes",
            "SimCLR in one stage of as many steps",
        ),
        Claim(
            "It is the choice of negatives that does it",
            "probe accuracy on digits under marks that no view changes",
            "as many stages of SimCLR side by side, with all negatives",
        ),
    ),
    measure=_measure,
    setup=SETUP + f" {STAGES} stages share {STEPS} steps, each starts anew. The easy feature is "
    f"one of {MARKS} marks in a second channel, which views leave alone. {CLUSTERS} clusters a stage. Batches are "
    "drawn from all images and a row's negatives are those of its clusters, where the paper's code draws each batch "
    "from one cluster.",
)
def mcl() -> Recipe:
    """Zhang et al. 2024: InfoNCE with negatives of the anchor's clusters only; SimCLR otherwise."""
    relation = Relation(negative=same("cluster") & ~same("sample"))
    loss = lambda: InfoNCE(0.5, layout="views", relation=relation)  # noqa: E731
    return in_stages(small_simclr().varied("MCL", objective=loss))
