"""The report's plots: matplotlib drawings as inline SVG that follows the page's colours, light or dark.

Every colour below becomes a CSS variable in the SVG, every label takes the page's font, and no text of the user's is
drawn by matplotlib except names of systems (as plain text: no markup, no mathematics).
"""

from __future__ import annotations

import html
import io
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from counterpoint.report.content import Content, Map, Projection, Scores
from counterpoint.report.thumbnails import is_picture, pixels_of
from counterpoint.report.wording import clip, decimals, number

INK, SOFT, LINE = "#1b1f24", "#5b6471", "#dadee3"
BEFORE, AFTER, NEGATIVE = "#8a9099", "#0072b2", "#d55e00"
LABELS = ("#0072b1", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e01")  # Okabe and Ito, safe for the colour-blind
MARKERS = ("o", "s", "^", "D", "v", "P")
GLYPHS = ("●", "■", "▲", "◆", "▼", "✚")
VARIABLES = {INK: "ink", SOFT: "soft", LINE: "line", BEFORE: "before", AFTER: "after", NEGATIVE: "negative"}
VARIABLES |= {colour: f"label{i}" for i, colour in enumerate(LABELS)}
MOST_POINTS = 1200
_SIMILARITIES = {
    "dot": "inner product",
    "euclidean": "negative Euclidean distance",
    "manhattan": "negative Manhattan distance",
    "modulus": "negative distance of complex numbers",
}


@dataclass(frozen=True)
class Key:
    """An entry of a plot's legend: the CSS variable of its colour, its mark, and what it stands for."""

    colour: str
    mark: str
    text: str


@dataclass(frozen=True)
class Plot:
    """A drawing (SVG), its title, one sentence that says what it shows, and its legend."""

    title: str
    caption: str
    svg: str
    keys: tuple[Key, ...] = ()


def training_plots(content: Content) -> list[Plot]:
    """The curves of training that the history has: loss, dev metric, alignment and uniformity, effective rank."""
    plots = (_loss, _dev, _trajectory, _rank)
    return [plot for draw in plots if (plot := draw(content)) is not None]


def _loss(content: Content) -> Plot | None:
    step, loss = _series(content, "step", "loss")
    if len(step) < 2:
        return None
    _, guess = _series(content, "step", "ln_batch")
    smooth = _smooth(loss)

    def draw(axes: Any) -> None:
        axes.plot(step, loss, color=AFTER, linewidth=0.8, alpha=0.35)
        axes.plot(step, smooth, color=AFTER, linewidth=1.8)
        if len(guess):
            axes.axhline(guess[-1], color=INK, linewidth=1, linestyle=(0, (4, 3)))
            label = f"ln(batch) = {number(guess[-1], 2)}: knows nothing"
            axes.annotate(label, (1, guess[-1]), (0, -3), **_right(axes), va="top", color=INK)
        low, high = min(0.0, loss.min()), max(loss.max(), guess[-1] if len(guess) else loss.max())
        axes.set(xlabel="step", ylabel="loss (nats)" if len(guess) else "loss", ylim=(low, high + 0.06 * (high - low)))

    caption = f"Loss went from {number(smooth[0], 2)} to {number(smooth[-1], 2)}"
    caption += f"; a model that knows nothing has {number(guess[-1], 2)}." if len(guess) else "."
    return Plot("Training loss", caption, _svg("loss", draw))


def _dev(content: Content) -> Plot | None:
    step, dev = _series(content, "step", "dev")
    if len(step) < 2:
        return None
    name, best = content.dev_metric or content.metric, int(dev.argmax())

    def draw(axes: Any) -> None:
        axes.plot(step, dev, color=AFTER, linewidth=1.8, marker="o", markersize=3)
        axes.plot(step[best], dev[best], marker="o", markersize=8, markerfacecolor="none", color=INK)
        axes.set(xlabel="step", ylabel=f"{name} (dev)")
        axes.margins(y=0.15)

    return Plot(
        f"{name} during training",
        f"On the dev split, best {number(dev[best])} at step {step[best]:,.0f} (circled), last {number(dev[-1])}.",
        _svg("dev", draw),
    )


def _trajectory(content: Content) -> Plot | None:
    step, alignment, uniformity = _series(content, "step", "alignment", "uniformity")
    if len(step) < 2:
        return None
    alignment, uniformity = _smooth(alignment), _smooth(uniformity)

    def draw(axes: Any) -> None:
        axes.plot(uniformity, alignment, color=AFTER, linewidth=1.4)
        for at, text, colour, above in ((0, "start", BEFORE, 7), (-1, "end", AFTER, -14)):
            point = (uniformity[at], alignment[at])
            axes.plot(*point, marker="o", markersize=6, color=colour)
            axes.annotate(text, point, (0, above), textcoords="offset points", ha="center", color=INK)
        axes.set(xlabel="uniformity (lower: more spread)", ylabel="alignment (lower: closer)")
        axes.margins(0.17)

    def change(values: Any) -> str:
        return f"{number(values[0], 2)} to {number(values[-1], 2)}"

    caption = f"Positives' distance (alignment) went from {change(alignment)}, spread (uniformity) from "
    return Plot(
        "Alignment and uniformity",
        f"{caption}{change(uniformity)}; both are better when lower.",
        _svg("trajectory", draw),
    )


def _rank(content: Content) -> Plot | None:
    step, rank = _series(content, "step", "effective_rank")
    if len(step) < 2:
        return None
    dim = content.model.dim

    def draw(axes: Any) -> None:
        axes.plot(step, rank, color=AFTER, linewidth=1.8)
        if dim:
            axes.axhline(dim, color=INK, linewidth=1, linestyle=(0, (4, 3)))
            axes.annotate(f"{dim:,} dimensions", (1, dim), (0, -3), **_right(axes), va="top", color=INK)
        axes.set(xlabel="step", ylabel="effective rank (dimensions)", ylim=(0, 1.06 * max(dim or 0, rank.max())))

    of = f" of {dim:,}" if dim else ""
    return Plot(
        "Effective rank", f"The embeddings end up using about {rank[-1]:,.0f}{of} dimensions.", _svg("rank", draw)
    )


def figure_plots(content: Content) -> list[Plot]:
    """One dot-and-interval plot a metric: the systems' figures with their intervals, the trained model in colour."""
    return [
        _figures(content, metric)
        for metric in metrics(content)
        if sum(_measured(system.figures.get(metric)) for system in content.systems) > 1
    ]


def metrics(content: Content) -> list[str]:
    """The metrics of any system, the primary one first, then in the order in which they come.

    Examples:
        >>> from counterpoint.report.content import Data, Figure, Model, System
        >>> systems = (System("trained", {"Recall@1": Figure(0.51), "MRR@10": Figure(0.6)}),)
        >>> metrics(Content("demo", "MRR@10", Model("trained"), Data("a.tsv"), systems))
        ['MRR@10', 'Recall@1']
    """
    names = dict.fromkeys(name for system in content.systems for name in system.figures)
    return sorted(names, key=lambda name: name != content.metric)


def _figures(content: Content, metric: str) -> Plot:
    measured = [(s.name, s.figures[metric]) for s in content.systems if _measured(s.figures.get(metric))]

    def draw(axes: Any) -> None:
        for y, (name, figure) in enumerate(measured):
            colour = AFTER if name == content.model.name else BEFORE
            if figure.low is not None and figure.high is not None:
                axes.plot([figure.low, figure.high], [y, y], color=colour, linewidth=2.4, solid_capstyle="butt")
            axes.plot(figure.value, y, marker="o", markersize=6, color=colour)
            text = number(figure.value, decimals(figure))
            axes.annotate(
                text, (figure.value, y), (0, 6), textcoords="offset points", ha="center", color=INK, fontsize=9
            )
        axes.set_yticks(range(len(measured)), [clip(name, 24) for name, _ in measured], color=INK)
        axes.set(ylim=(len(measured) - 0.5, -0.75), xlabel=f"{metric} and its 95% interval")
        axes.margins(x=0.12)
        axes.grid(axis="y", visible=False)
        axes.tick_params(axis="y", length=0)

    return Plot(metric, "", _svg(f"figure {metric}", draw, height=0.75 + 0.36 * len(measured)))


def score_plots(content: Content) -> list[Plot]:
    """Histograms of the scores of positives and negatives, before and after training, on the same axes."""
    sides = [("before training", content.scores_before), ("after training", content.scores_after)]
    known = [(name, scores) for name, scores in sides if scores is not None]
    top = max((share.max() for _, scores in known for share in _shares(scores) if share.size), default=1.0)
    return [_scores(name, scores, float(top)) for name, scores in known]


def _shares(scores: Scores) -> list[Any]:
    counts = [np.array(values, dtype=float) for values in (scores.positive, scores.negative)]
    return [100 * values / max(values.sum(), 1) for values in counts]


def _scores(name: str, scores: Scores, top: float) -> Plot:
    def draw(axes: Any) -> None:
        for share, colour in zip(_shares(scores), (AFTER, NEGATIVE), strict=True):
            axes.stairs(share, scores.edges, fill=True, color=colour, alpha=0.25)
            axes.stairs(share, scores.edges, color=colour, linewidth=1.5)
        axes.set(
            xlabel=f"score ({_SIMILARITIES.get(scores.similarity, scores.similarity)})",
            ylabel="share of pairs (%)",
            ylim=(0, 1.05 * top),
        )
        axes.set_xlim(scores.edges[0], scores.edges[-1])

    chance = scores.separation
    percent = "" if chance is None else "more than 99.9" if 0.9995 <= chance < 1 else number(100 * chance, 1)
    caption = f"A positive outscores a negative {percent}% of the time." if percent else ""
    keys = (Key("after", "■", "positive pairs"), Key("negative", "■", "negative pairs"))
    return Plot(f"Scores {name}", caption, _svg(f"scores {name}", draw), keys)


def map_plots(content: Content) -> list[Plot]:
    """The map before and after training; a point carries its text, shown when the pointer rests on it."""
    if content.map is None:
        return []
    sides = [("before training", content.map.before), ("after training", content.map.after)]
    return [_map(content.map, name, side) for name, side in sides if side is not None]


def _map(items: Map, name: str, side: Projection) -> Plot:
    points = np.array(side.points, dtype=float).reshape(-1, 2)
    if items.links:  # a shown link has both its ends
        links = items.links[:: -(-len(items.links) * 2 // MOST_POINTS)]
        shown = sorted({end for link in links for end in link})
    else:
        links, shown = (), list(range(0, len(points), max(1, -(-len(points) // MOST_POINTS))))
    names = sorted(set(items.labels), key=lambda label: (-items.labels.count(label), label))
    groups = names[: len(LABELS)] if len(names) <= len(LABELS) else names[: len(LABELS) - 1]
    kinds = [groups.index(items.labels[i]) if items.labels and items.labels[i] in groups else None for i in shown]
    texts: list[str] = []

    def draw(axes: Any) -> None:
        from matplotlib.offsetbox import AnnotationBbox, OffsetImage

        if links:
            ends = points[np.array(links)]
            gaps = np.full((len(links), 1), np.nan)
            lines = [np.hstack([ends[:, 0, k : k + 1], ends[:, 1, k : k + 1], gaps]).ravel() for k in (0, 1)]
            axes.plot(*lines, color=BEFORE, linewidth=0.5, alpha=0.7)
        for kind in (None, *range(len(groups))):
            members = [i for i, k in zip(shown, kinds, strict=True) if k == kind]
            if members:
                plain = BEFORE if groups else AFTER
                colour, mark = (plain, "o") if kind is None else (LABELS[kind], MARKERS[kind])
                axes.plot(
                    *points[members].T, mark, color=colour, markersize=3, alpha=0.75, markeredgewidth=0, gid="dots"
                )
                texts.extend(items.texts[i] if items.texts else "" for i in members)
        for i in (i for i in shown if items.pictures and is_picture(items.pictures[i])):
            picture = OffsetImage(pixels_of(items.pictures[i]), zoom=0.35)
            axes.add_artist(AnnotationBbox(picture, points[i], frameon=False, pad=0))
        axes.set(xticks=[], yticks=[], xlabel="first principal axis", ylabel="second principal axis")
        axes.margins(0.04)

    keys = [Key(f"label{i}", GLYPHS[i], clip(label, 40)) for i, label in enumerate(groups)]
    if groups and None in kinds:
        keys.append(Key("before", "●", f"{len(names) - len(groups)} other labels"))
    share = "" if side.share is None else f" The plane holds {number(100 * side.share, 0)}% of the variance."
    what = f"{len(shown):,} held-out items" + (", a line between what belongs together" if links else "")
    svg = _svg(f"map {name}", draw, height=3.5)
    svg = _titled(svg, texts) if items.texts else svg
    return Plot(f"Map {name}", f"{what}.{share}", svg, tuple(keys))


def _titled(svg: str, texts: Sequence[str]) -> str:
    """Give the dots of `svg` their texts as titles, in the order in which they were drawn."""
    waiting = iter(texts)

    def dots(group: re.Match[str]) -> str:
        return re.sub(
            r"(<use [^>]*)/>", lambda dot: f"{dot[1]}><title>{html.escape(clip(next(waiting)))}</title></use>", group[0]
        )

    return re.sub(r'<g data-id="dots">.*?</defs>(.*?)</g>\s*</g>', dots, svg, flags=re.DOTALL)


def _svg(title: str, draw: Callable[[Any], None], *, width: float = 4.1, height: float = 2.6) -> str:
    """An SVG of what `draw` puts on a pair of axes; sizes in inches, and 9-point labels at that size."""
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import StrMethodFormatter

    style = {
        "svg.fonttype": "none",  # text stays text: it takes the page's font and can be searched
        "svg.hashsalt": title,  # ids are unique on the page, and the same each time
        "text.parse_math": False,
        "font.size": 9,
        "text.color": INK,
        "axes.edgecolor": LINE,
        "axes.labelcolor": SOFT,
        "xtick.color": SOFT,
        "ytick.color": SOFT,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": LINE,
        "grid.linewidth": 0.6,
        "xtick.major.size": 0,
        "ytick.major.size": 0,
        "axes.unicode_minus": True,
        "path.simplify": True,
    }
    with matplotlib.rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # the reader's fonts draw it, not ours
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.subplots()
        axes.locator_params(axis="x", nbins=6)
        axes.locator_params(axis="y", nbins=6)
        draw(axes)
        if axes.get_xlabel() == "step":
            axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        buffer = io.StringIO()
        figure.savefig(
            buffer, format="svg", transparent=True, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type"))
        )
    return _inline(buffer.getvalue())


def _inline(svg: str) -> str:
    """Make matplotlib's SVG part of a page: no prologue, no size of its own, the page's colours and font."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(
        r'<svg [^>]*?viewBox="([^"]*)"[^>]*>', r'<svg viewBox="\1" xmlns:xlink="http://www.w3.org/1999/xlink">', svg
    )
    svg = svg.replace('<g id="dots">', '<g data-id="dots">')
    svg = re.sub(r'<g id="[^"]*"/>', "", svg)
    svg = re.sub(r'<g id="[^"]*">', "<g>", svg)  # the ids of groups repeat between plots and nothing refers to them
    svg = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", svg)
    for colour, name in VARIABLES.items():
        svg = svg.replace(colour, f"var(--{name})")
    return re.sub(r"\n\s*", "\n", svg).strip()


def _series(content: Content, *names: str) -> list[Any]:
    """The history's columns `names`, of the rows that have them all (finite), thinned to at most 1,000 rows."""
    rows = [[row.get(name) for name in names] for row in content.history]
    table = np.array([row for row in rows if None not in row], dtype=float).reshape(-1, len(names))
    table = table[np.isfinite(table).all(axis=1)]
    keep = np.unique(np.linspace(0, len(table) - 1, min(len(table), 1000)).round().astype(int))
    return list(table[keep].T)


def _smooth(values: Any) -> Any:
    """A centred moving mean over a twentieth of the values; at the ends over what is there."""
    half = len(values) // 40
    total = np.cumsum(np.concatenate([[0.0], values]))
    at = np.arange(len(values))
    low, high = np.maximum(at - half, 0), np.minimum(at + half + 1, len(values))
    return (total[high] - total[low]) / (high - low)


def _measured(figure: Any) -> bool:
    return figure is not None and figure.value is not None and bool(np.isfinite(figure.value))


def _right(axes: Any) -> dict[str, Any]:
    return {"xycoords": axes.get_yaxis_transform(), "textcoords": "offset points", "ha": "right"}
