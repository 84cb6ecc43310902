"""How long a step on small arrays takes: written out, as comprehensions, and by hand in python-flint.

The system is normalised descent on four points in the plane (``zhang2026.separable``), in balls of 50 digits. The loop
by hand puts balls into the formula as it stands; its radii explode, so it is timed before they do.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from unittest import mock

import sympy as sp
from flint import arb, fmpq

from symicl import arithmetic
from symicl.claims.loader import load_systems, paper_folders
from symicl.descent import Descent
from symicl.entries import MOST_WRITTEN
from symicl.systems.base import System

DPS, STEPS, REPEATS = 50, 2_000, 7
BALL = arithmetic("ball")


def separable() -> System:
    """Four points in the plane that a direction separates."""
    return {family.id: family for family in load_systems(paper_folders()["zhang2026"])}["zhang2026.separable"]()


def seconds_a_step(system: System, most_written: int) -> tuple[float, int]:
    """The time of one step of the loop's own code, where so many operations are written out, and the digits left."""
    with mock.patch("symicl.entries.MOST_WRITTEN", most_written), BALL.working(DPS):
        code = Descent(system).code(sp.S.One, None, BALL, DPS)
        point = code.start()
        begin = time.process_time()
        for _ in range(STEPS):
            point = code.advance(*point)
        return (time.process_time() - begin) / STEPS, min(map(BALL.relative_digits, point))


def seconds_by_hand(steps: int) -> float:
    """The same, without a bound on what the balls forget; ``steps`` ends before the radii pass the numbers."""
    with BALL.working(DPS):
        rows = [(arb(1), arb(2)), (arb(2), arb(fmpq(1, 2))), (arb(1), arb(3)), (arb(1), arb(fmpq(-1, 3)))]
        u, v = arb(0), arb(0)
        begin = time.process_time()
        for _ in range(steps):
            weights = [(-(x * u + y * v)).exp() for x, y in rows]
            total = sum(weights[1:], weights[0])
            u = u + sum((weight * x for weight, (x, _) in zip(weights, rows, strict=True)), arb(0)) / total
            v = v + sum((weight * y for weight, (_, y) in zip(weights, rows, strict=True)), arb(0)) / total
        seconds = (time.process_time() - begin) / steps
        assert u.is_finite()
        return seconds


def lifetime_by_hand() -> int:
    """How many steps the loop by hand takes before its balls hold no number."""
    steps = 1
    while True:
        try:
            seconds_by_hand(steps + 1)
        except AssertionError:
            return steps
        steps += 1


def median(measure: Callable[[], float]) -> float:
    return statistics.median(measure() for _ in range(REPEATS))


def main() -> None:
    system, alive = separable(), lifetime_by_hand()
    hand = median(lambda: seconds_by_hand(alive))
    loops, straight = [], []
    for _ in range(REPEATS):
        loops.append(seconds_a_step(system, 0))
        straight.append(seconds_a_step(system, MOST_WRITTEN))
    ratio = statistics.median(a / b for (a, _), (b, _) in zip(loops, straight, strict=True))
    print(f"|  | microseconds a step | digits after {STEPS:,} steps |")
    print("| --- | --- | --- |")
    for name, runs, note in (("comprehensions", loops, ""), ("written out", straight, f" ({ratio:.1f} times as fast)")):
        print(f"| {name} | {1e6 * statistics.median(seconds for seconds, _ in runs):.1f}{note} | {runs[0][1]} |")
    print(f"| by hand | {1e6 * hand:.1f} | none: no number after step {alive} |")


if __name__ == "__main__":
    main()
