"""MV-InfoNCE and MV-DHEL: all views of a sample at once, in one term."""

from __future__ import annotations

from functools import partial

from counterpoint.methods import Recipe
from counterpoint.objectives import MultiView
from counterpoint.procedures import PairsOfViews
from counterpoint.systems.core._pictures import SELF_SUPERVISED, TEMPERATURES, simclr
from counterpoint.systems.core.poly_view import four, of_views
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Trained, Tuned
from counterpoint.testbeds.figures import probe_accuracy, rank

VIEWS, MANY = 4, 6
_DIMENSIONS = 128.0  # of the projection on pictures


def mv_dhel(temperature: float = 0.5, views: int = VIEWS) -> Recipe:
    """Koromilas et al. 2025: negatives within a view, all pairs of views in one logarithm; 0.5 is that of CIFAR."""
    return of_views("MV-DHEL", partial(MultiView, temperature, denominator="each-view"), views)


def mv_infonce(temperature: float = 0.5) -> Recipe:
    """All pairs, the negatives' too, in one logarithm."""
    return of_views("MV-InfoNCE", partial(MultiView, temperature), VIEWS)


def pairwise(temperature: float = 0.5, views: int = VIEWS) -> Recipe:
    """The common way, and a baseline of theirs: NT-Xent of every two views, whose negatives are in these two alone."""
    stage = simclr(temperature).stages[-1]
    recipe = of_views("Pairs of views", stage.objective, views)
    return recipe.varied("Pairs of views", procedure=_pairs)


def many() -> Recipe:
    """MV-DHEL with more views."""
    return mv_dhel(views=MANY).varied("MV-DHEL, six views")


def many_pairwise() -> Recipe:
    """Pairs of as many."""
    return pairwise(views=MANY).varied("Pairs of six views")


def _pairs(_width: int) -> PairsOfViews:
    return PairsOfViews()


_CHOSEN = Tuned(mv_dhel, TEMPERATURES)
system(
    "MV-DHEL",
    title="A Principled Framework for Multi-View Contrastive Learning",
    year=2025,
    family="core",
    mechanism="tests/systems/test_mv_dhel.py::test_losses_of_the_systems_are_those_of_naive_loops",
    variants={"MV-InfoNCE": mv_infonce},
    claims=(
        Claim(
            "Decoupled views are better than pairs of views",
            probe_accuracy(),
            f"NT-Xent of every two of {VIEWS} views",
            SELF_SUPERVISED,
            Tuned(pairwise, TEMPERATURES),
            system=_CHOSEN,
            off=Trained(mv_infonce),
        ),
        Claim(
            "They are better than the mean over views against the negatives of all",
            probe_accuracy(),
            f"Poly-View's geometric mean of {VIEWS} views",
            SELF_SUPERVISED,
            Tuned(four, TEMPERATURES),
            system=_CHOSEN,
        ),
        Claim(
            "They fill more dimensions where there are many",
            rank,
            f"NT-Xent of every two of {MANY} views",
            SELF_SUPERVISED,
            Trained(many_pairwise),
            system=Trained(many),
            ceiling=_DIMENSIONS,
            floors=(),
        ),
        Claim(
            "One term for all views is better than pairs of views",
            probe_accuracy(),
            f"NT-Xent of every two of {VIEWS} views",
            SELF_SUPERVISED,
            Tuned(pairwise, TEMPERATURES),
            system=Tuned(mv_infonce, TEMPERATURES),
        ),
    ),
    signal=Signal(rank, off=Trained(pairwise)),
    setup=f"{VIEWS} views of 128 pictures a step, where the paper has 256 ({MANY} of 85 for the dimensions, which it "
    "finds filled from five views on). Accuracies are at the temperature that each loss does best with, of three; the "
    "dimensions at 0.5, which the paper has for CIFAR. The last claim is MV-InfoNCE's, the others MV-DHEL's. The head "
    "is theirs, which is that of SimCLR's code.",
)(mv_dhel)
