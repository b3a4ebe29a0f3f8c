"""MV-InfoNCE and MV-DHEL: all views of a sample at once, in one term."""

from __future__ import annotations

from collections.abc import Callable

from counterpoint.methods import Recipe
from counterpoint.objectives import InfoNCE, MultiView, Objective
from counterpoint.systems.core._digits import SETUP, run_on_images, training
from counterpoint.systems.core._versus import claims, probe_accuracy, spread
from counterpoint.systems.core.simclr import simclr
from counterpoint.systems.registry import Claim, system


def _four(name: str, objective: Callable[[], Objective]) -> Recipe:
    return simclr().varied(name, objective=objective, views=4, train=training(4))


def pairwise() -> Recipe:
    """The baseline: every pair of views by itself."""
    return _four("Four views, pairwise", lambda: InfoNCE(0.2, layout="views"))


def mv_infonce() -> Recipe:
    """All pairs, the negatives' too, in one logarithm."""
    return _four("MV-InfoNCE", lambda: MultiView(0.2))


@system(
    "MV-DHEL",
    title="A Principled Framework for Multi-View Contrastive Learning",
    year=2025,
    family="core",
    mechanism="tests/systems/test_mv_dhel.py::test_losses_are_those_of_naive_loops_over_three_views",
    variants={"MV-InfoNCE": mv_infonce},
    run=run_on_images,
    claims=(
        Claim("Decoupled views are better than pairs of views", "probe accuracy", "four views, averaged over pairs"),
        Claim("They fill more dimensions", "effective rank of the projection", "four views, averaged over pairs"),
        Claim(
            "One term for all views is better than pairs of views", "probe accuracy", "four views, averaged over pairs"
        ),
    ),
    measure=claims(
        (probe_accuracy, lambda: mv_dhel(), pairwise),
        (spread, lambda: mv_dhel(), pairwise),
        (probe_accuracy, mv_infonce, pairwise),
    ),
    setup=SETUP
    + " Four views, temperature 0.2 for all. The first figure is MV-DHEL's, the last MV-InfoNCE's; pairs of views "
    "are Poly-View's geometric mean.",
)
def mv_dhel() -> Recipe:
    """Koromilas et al. 2025: negatives within a view, pairs of views in one logarithm; four views."""
    return _four("MV-DHEL", lambda: MultiView(0.2, denominator="each-view"))
