"""How long the pipeline takes, stage by stage, as markdown tables.

Times are medians of repeats. Stepping is compared, within the same run, with the loop one would write by hand: the
updates of the full states through ``sympy.lambdify(..., "mpmath", cse=True)`` at the same number of digits. The time of
symicl's loop includes compiling, the watch over digits and any restart at a higher precision; that of the loop by hand
leaves out ``lambdify``.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import mpmath
import sympy as sp

from symicl import (
    Run,
    System,
    SystemFamily,
    arithmetic,
    compile_expressions,
    iterate,
    reduce_system,
    restrict,
)
from symicl.claims.loader import load_systems, paper_folders

DPS = 50
REPEATS = 7
STEPS, BY_HAND = 20_000, 2_000


def families() -> dict[str, SystemFamily]:
    """The named systems of arXiv 2310.05249. Loading them derives nothing; loading the claims too would."""
    return {family.id: family for family in load_systems(paper_folders()["huang2024"])}


def median_seconds(action: Callable[[], object], repeats: int = REPEATS) -> float:
    """The median wall time of calls of the action, in seconds."""
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        action()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def reduce_and_time(identifier: str, values: Mapping[str, str]) -> float:
    """Seconds from a system to its recurrence; call it once a process, because results are remembered."""
    system = families()[identifier](**values)
    begin = time.perf_counter()
    reduce_system(system)
    return time.perf_counter() - begin


def derivation(identifier: str, *values: str) -> float:
    """As :func:`reduce_and_time`, the median over fresh processes."""
    command = [sys.executable, __file__, identifier, *values]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(3)]
    return statistics.median(map(float, runs))


def expectation(system: System) -> tuple[float, float]:
    """Seconds to build the table of prompts and code of one update, and to evaluate that once, in balls."""
    recurrence, ball = reduce_system(system), arithmetic("ball")
    one = {recurrence.symmetric.system.step_size: sp.S.One}
    updates = [update.xreplace(one) for update in recurrence.updates]
    with ball.working(DPS):
        build = median_seconds(lambda: compile_expressions(updates, recurrence.coordinates, ball, DPS), 3)
        advance = compile_expressions(updates, recurrence.coordinates, ball, DPS)
        point = [ball.number(sp.Rational(i + 1, 10)) for i in range(len(recurrence.coordinates))]
        return build, median_seconds(lambda: advance(*point))


def loop_by_hand(system: System, steps: int) -> Callable[[], None]:
    """The loop one would write by hand, in the full states."""
    symmetric = restrict(system)
    states = [state.symbol for state in symmetric.states]
    one = {symmetric.system.step_size: sp.S.One}
    advance = sp.lambdify(states, [s.symbol + s.update.xreplace(one) for s in symmetric.states], "mpmath", cse=True)

    def loop() -> None:
        with mpmath.workdps(DPS):
            point = [mpmath.mpf(0)] * len(states)
            for _ in range(steps):
                point = advance(*point)

    return loop


def rates(system: System) -> dict[str, list[float]]:
    """Steps a second by hand and in three arithmetics, one of each a repeat, so that a busy moment hits all four."""
    recurrence = reduce_system(system)
    loops: dict[str, tuple[int, Callable[[], object]]] = {"by hand": (BY_HAND, loop_by_hand(system, BY_HAND))}
    for name in ("ball", "mp", "float64"):
        loops[name] = (STEPS, partial(iterate, recurrence, Run(sp.S.One, steps=STEPS, dps=DPS), name))
    found: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(REPEATS):
        for name, (steps, loop) in loops.items():
            found[name].append(steps / median_seconds(loop, 1))
    return found


def compared(found: dict[str, list[float]], name: str) -> str:
    """The median rate, and the median of its ratios to the loop by hand in the same repeat."""
    ratio = statistics.median(x / y for x, y in zip(found[name], found["by hand"], strict=True))
    return f"{statistics.median(found[name]):,.0f}" + ("" if name == "by hand" else f" ({ratio:.1f})")


def show(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    print(f"\n### {title}\n")
    for cells in (head, ["---"] * len(head), *rows):
        print(f"| {' | '.join(cells)} |")


def machine() -> str:
    model = platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = info.read_text(encoding="utf-8").splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model)
    packages = ("sympy", "mpmath", "python-flint", "numpy")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    return (
        f"{os.cpu_count()} cores, {model}; Python {platform.python_version()}, {versions}; "
        f"mpmath on {mpmath.libmp.BACKEND}"
    )


def main() -> None:
    known = families()
    balanced, rare = known["huang2024.balanced"], known["huang2024.underrepresented"]
    print(machine())

    rows = [
        [f"K {label}", *(f"{derivation(family.id, *values):.2f}" for family in (balanced, rare))]
        for label, values in (("symbolic", ()), ("= 8", ("K=8",)), ("= 10**6", ("K=1000000",)))
    ]
    show(
        "Derive, restrict and reduce, in a fresh process, symbolic N: seconds",
        ["", "balanced", "under-represented"],
        rows,
    )

    rows = []
    for label, system in (
        ("balanced, K = 10, N = 10**5", balanced(K=10, N=10**5)),
        ("under-represented, K = 10, N = 60", rare(K=10, N=60, p1="1/2")),
    ):
        build, once = expectation(system)
        rows.append([label, f"{build:.3f}", f"{once:.4f}"])
    show(f"Exact mean over prompts, {DPS} digits, balls: seconds", ["", "table and code", "one update"], rows)

    rows = []
    for label, system in (
        ("balanced", balanced(K=64, N="inf")),
        ("under-represented", rare(K=64, N="inf", p1="1/2")),
    ):
        found = rates(system)
        rows.append([label, *(compared(found, name) for name in found)])
    show(
        f"Steps a second, K = 64, N = inf, {DPS} digits (ratio to the loop by hand)",
        ["", "by hand", "ball", "mp", "float64"],
        rows,
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(reduce_and_time(sys.argv[1], dict(value.split("=") for value in sys.argv[2:])))
    else:
        main()
