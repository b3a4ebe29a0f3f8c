"""The rule of all verdicts, the same for every claim and written before any was measured.

Over the seeds, take the paired difference of the system and its baseline, signed so that the paper's direction is up,
and its 95% interval (Student's t over seeds). Above 0: *reproduced*. Below 0: *contradicted*. Else: *not reproduced at
this scale*. ("As good as": above minus the margin, below it.) There is a verdict only where the set-up can tell, else
it is *this set-up cannot tell*: every figure is a number; nothing has collapsed; the baseline is clearly better than
every floor (its paired interval lies above 0); the ceiling is better than the baseline by more than twice the seeds'
noise (the standard deviation of the paired difference); and what the mechanism moves inside has moved (the paired
interval of system and mechanism off does not hold 0).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from counterpoint.errors import InputError

REPRODUCED, NOT_HERE, CONTRADICTED = "reproduced", "not reproduced at this scale", "contradicted"
CANNOT_TELL = "this set-up cannot tell"
_NOISES = 2.0


def difference_interval(pairs: Sequence[Sequence[float]], level: float = 0.95) -> tuple[float, tuple[float, float]]:
    """Mean paired difference (first minus second) and its t-interval, `mean -+ t_{n-1} s / sqrt(n)`.

    Args:
        pairs: System and baseline, one pair a seed, two or more.
        level: Of the interval.

    Raises:
        InputError: for fewer than two pairs.

    Examples:
        >>> value, (low, high) = difference_interval([(1.0, 0.0), (2.0, 0.0), (3.0, 0.0)])
        >>> value, round(low, 3), round(high, 3)  # 2 -+ 4.3027 / sqrt(3)
        (2.0, -0.484, 4.484)
    """
    from scipy.stats import t

    if len(pairs) < 2:
        raise InputError("an interval over seeds needs two seeds or more", fix="use 5")
    d = np.array([pair[0] - pair[1] for pair in pairs])
    half = float(t.ppf((1 + level) / 2, len(d) - 1) * d.std(ddof=1) / len(d) ** 0.5)
    mean = float(d.mean())
    return mean, (mean - half, mean + half)


def judge_interval(interval: tuple[float, float], better: str, margin: float = 0.0) -> str:
    """The verdict on an interval of system minus baseline, by the rule of this module.

    Examples:
        >>> judge_interval((-0.2, -0.1), "lower"), judge_interval((-0.1, 0.2), "higher")
        ('reproduced', 'not reproduced at this scale')
        >>> judge_interval((-0.1, 0.2), "higher", margin=0.15)
        'reproduced'
    """
    low, high = interval if better == "higher" else (-interval[1], -interval[0])
    return REPRODUCED if low > -margin else CONTRADICTED if high < -margin else NOT_HERE


def why_not(
    values: Mapping[str, Sequence[float]],
    *,
    better: str = "higher",
    floors: Sequence[str] = (),
    collapsed: Mapping[str, Sequence[str]] | None = None,
    spread: bool = False,
    signal: Mapping[str, Sequence[float]] | None = None,
) -> str:
    """Why a set-up cannot tell, in words; "" if it can.

    Args:
        values: Of each arm, one a seed: `baseline`, `system`, and whichever others there are.
        better: The paper's direction.
        floors: Which arms the baseline must be clearly better than.
        collapsed: What training ended in, by arm; "" where all was well.
        spread: Whether the figure is how far vectors are spread: then a baseline may have collapsed.
        signal: What the mechanism moves, of `system` and `off`.

    Examples:
        >>> why_not({"system": [0.5, 0.6], "baseline": [0.4, 0.5], "raw": [0.4, 0.6]}, floors=["raw"])
        'the baseline (0.45) is not clearly better than the floor: raw (0.5)'
    """
    sign = 1.0 if better == "higher" else -1.0
    for arm, measured in values.items():
        if not np.isfinite(measured).all():
            return f"the figure of {arm} is not a number"
    for arm, said in (collapsed or {}).items():
        fell = [words for words in said if words]
        if fell and arm in ("system", "baseline") and not (spread and arm == "baseline"):
            return f"collapsed in {len(fell)} of {len(said)} seeds ({fell[0]})"
    base = np.array(values["baseline"])
    for floor in floors:
        pairs = list(zip(sign * base, sign * np.array(values[floor]), strict=True))
        if difference_interval(pairs)[1][0] <= 0:
            return (
                f"the baseline ({base.mean():.3g}) is not clearly better than the floor: {floor} "
                f"({np.mean(values[floor]):.3g})"
            )
    if "ceiling" in values:
        room = sign * (np.array(values["ceiling"]) - base).mean()
        noise = float((np.array(values["system"]) - base).std(ddof=1))
        if room <= _NOISES * noise:
            return (
                f"the ceiling ({np.mean(values['ceiling']):.3g}) is not above the baseline ({base.mean():.3g}) by more "
                f"than twice the seeds' noise ({noise:.2g})"
            )
    if signal:
        if not np.isfinite([*signal["system"], *signal["off"]]).all():
            return f"the signal ({signal['name']}) is not a number"
        low, high = difference_interval(list(zip(signal["system"], signal["off"], strict=True)))[1]
        if low <= 0 <= high:
            return (
                f"the mechanism moved nothing: {signal['name']} is {np.mean(signal['system']):.3g}, and "
                f"{np.mean(signal['off']):.3g} without it"
            )
    return ""
