"""MCL: each stage contrasts an image only with those that all stages before it took for the same."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from counterpoint.config import Config
from counterpoint.data.images import Images, digits
from counterpoint.encoders.image import PixelEncoder
from counterpoint.encoders.joined import Joined
from counterpoint.objectives import InfoNCE
from counterpoint.relation import Relation, same
from counterpoint.systems.core._digits import accuracy, view
from counterpoint.systems.core._recipes import SETUP, fit, run_recipe
from counterpoint.systems.core.simclr import simclr
from counterpoint.systems.registry import Claim, Figures, Pair, system
from counterpoint.views import View

STAGES, STEPS, CLUSTERS, MARKS = 3, 300, 10, 16


def refined(cluster: Tensor, model: PixelEncoder, images: Images, seed: int) -> Tensor:
    """Clusters cut further: images stay together only where k-means on a model's vectors keeps them together, too."""
    from sklearn.cluster import KMeans

    found = KMeans(min(CLUSTERS, len(images)), n_init=1, random_state=seed).fit_predict(model.encode(images.pixels))
    both = torch.stack([cluster, torch.from_numpy(found).long()], 1)
    place: Tensor = torch.unique(both, dim=0, return_inverse=True)[1]
    return place


def in_stages(config: Config, images: Images, seed: int) -> Joined:
    """A fresh encoder a stage, side by side; the stages share the steps."""
    cluster, models = torch.zeros(len(images), dtype=torch.long), list[PixelEncoder]()
    for stage in range(STAGES):
        seen = replace(images, columns={**images.columns, "cluster": cluster})
        models.append(fit(config, seen, seed + 1000 * stage, steps=STEPS // STAGES)[0])
        cluster = refined(cluster, models[-1], images, seed)
    return Joined(models)


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


def on_marks(config: Config) -> Config:
    """A config for marked digits."""
    return replace(config, view=keeping_marks(view()))


def _measure(seed: int) -> tuple[tuple[Pair, ...], Figures]:
    parts = marked(seed)
    staged = in_stages(on_marks(mcl()), parts[0], seed)
    plain = in_stages(on_marks(simclr()), parts[0], seed)
    one, _ = fit(on_marks(simclr()), parts[0], seed, steps=STEPS)
    first = staged.encoders[0]
    assert isinstance(first, PixelEncoder)
    found = accuracy(staged, parts)
    figures = {"probe accuracy of the first stage alone": accuracy(first, parts)}
    return ((found, accuracy(one, parts)), (found, accuracy(plain, parts))), figures


@system(
    "MCL",
    title="Learning the Unlearned: Mitigating Feature Suppression in Contrastive Learning",
    year=2024,
    family="core",
    mechanism="tests/systems/test_mcl.py::test_negatives_share_the_clusters_of_every_stage_before",
    run=run_recipe(in_stages),
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
def mcl() -> Config:
    """Zhang et al. 2024: InfoNCE with negatives of the anchor's clusters only; SimCLR otherwise."""
    negative = same("cluster") & ~same("sample")
    return replace(
        simclr(), name="MCL", objective=lambda: InfoNCE(0.5, layout="views", relation=Relation(negative=negative))
    )
