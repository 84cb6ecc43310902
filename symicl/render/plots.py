"""Figures, by matplotlib: numbers come in as they were computed and are drawn in float64."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flint import arb

from symicl.errors import InputError
from symicl.shift import TracePath

FORMATS = ("pdf", "png", "svg")


def check_plot(path: str) -> None:
    """Raise ``InputError`` before the work starts where the figure could not be written."""
    if Path(path).suffix.removeprefix(".") not in FORMATS:
        raise InputError("not a figure's name", where=f"--plot {path}", remedy=f"end it in .{', .'.join(FORMATS)}")
    if not Path(path).resolve().parent.is_dir():
        raise InputError(
            "there is no such folder", where=f"--plot {path}", remedy="name a file in a folder that is there"
        )
    _pyplot(path)


def save_path(
    path: str, title: str, names: Sequence[str], observables: Sequence[str], trace: TracePath, constant: arb | None
) -> None:
    """Loss, states and, where the system predicts, the shift of b with its bound, against the step.

    Observables that are positive from step 1 on follow on two logarithmic axes, where powers of the step are lines.
    """
    pyplot, number = _pyplot(path), trace.arithmetic.to_float
    powers = _positive(observables, trace)
    linear = 3 if trace.shifts else 2
    panels = linear + len(powers)
    figure, axes = pyplot.subplots(panels, 1, figsize=(6.4, 2.4 * panels), layout="constrained")
    steps = [row.step for row in trace.rows]
    losses = [math.nan if row.loss is None else number(row.loss) for row in trace.rows]
    axes[0].plot(steps, losses, color="black")
    axes[0].set(ylabel="loss", yscale=_scale(losses))
    axes[0].set_title(title, parse_math=False)
    for position, name in enumerate(names):
        axes[1].plot(steps, [number(row.states[position]) for row in trace.rows], label=name)
    axes[1].set(ylabel="states")
    if len(names) <= 10:
        axes[1].legend(ncols=5, fontsize="small")
    if trace.shifts:
        _draw_shift(axes[2], trace, constant)
    for panel, (name, points) in zip(axes[linear:], powers.items(), strict=True):
        panel.loglog(*zip(*points, strict=True), color="black")
        panel.set(ylabel=name)
    for group in (axes[:linear], axes[linear:]):
        for panel in group[:-1]:
            panel.sharex(group[-1])
            panel.tick_params(labelbottom=False)
    axes[linear - 1].set(xlabel="step")
    axes[-1].set(xlabel="step")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a font without the letters of a file's name
            figure.savefig(path, metadata={"Date": None} if path.endswith("svg") else None)
    except OSError as error:
        raise InputError(
            f"cannot write: {error.strerror}", where=f"--plot {path}", remedy="name another file"
        ) from None
    finally:
        pyplot.close(figure)


def _positive(observables: Sequence[str], trace: TracePath) -> dict[str, list[tuple[int, float]]]:
    """Steps from 1 on with the values of the observables that are positive at all of them where they are defined."""
    number, found = trace.arithmetic.to_float, {}
    for position, name in enumerate(observables):
        values = [(row.step, seen[position]) for row, seen in zip(trace.rows, trace.observed, strict=True) if row.step]
        points = [(step, number(value)) for step, value in values if value is not None]
        if points and all(0 < value < math.inf for _, value in points):
            found[name] = points
    return found


def _draw_shift(axes: Any, trace: TracePath, constant: arb | None) -> None:
    number = trace.arithmetic.to_float
    steps = [shift.step for shift in trace.shifts]
    norms = [number(shift.norm) for shift in trace.shifts]
    axes.plot(steps, norms, color="black", label="shift of b")
    if constant is not None:
        bound = [float(constant) * number(shift.length) for shift in trace.shifts]
        axes.plot(steps, bound, linestyle="--", label="proved bound")
    axes.set(ylabel="|b~ - b|", yscale=_scale(norms))
    axes.legend(fontsize="small")


def _scale(values: Sequence[float]) -> str:
    """Logarithmic where there is something to show on it."""
    return "log" if any(0 < value < math.inf for value in values) else "linear"


def _pyplot(path: str) -> Any:
    try:
        import matplotlib
    except ImportError:
        raise InputError(
            "matplotlib is not installed", where=f"--plot {path}", remedy="install it: pip install 'symicl[plots]'"
        ) from None
    matplotlib.use("Agg")
    import matplotlib.pyplot

    return matplotlib.pyplot
