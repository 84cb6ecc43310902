"""Stepping against loops by hand, one of them in C, and leaps against the number of steps, as markdown tables.

Stepping: symicl's loop against three loops one would write by hand for the full states as the update is written, with
one exponential a state: mpmath through ``lambdify``, gmpy2, and C with MPFR, which this file compiles where there are a
compiler and MPFR's headers (a system's, or those inside gmpy2's wheel). The loops by hand carry 50 digits and no
guarantee; symicl's balls carry 20 guard digits more. Rates are of the same repeat, so that a busy moment hits all.

Leaping: time against the number of steps, after and with set-up, beside heyoka on the gradient flow at as many digits
where it is installed. The flow is what the steps approximate, and no other answer than the steps is asked of symicl.
"""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import sympy as sp
from bench_pipeline import DPS, compared, families, loop_by_hand, machine, median_seconds, show

from symicl import (
    LOSS,
    Run,
    System,
    arithmetic,
    flow,
    iterate,
    leap,
    parse_condition,
    prepare_leaps,
    reduce_system,
)

BITS = 168
"""Of the loops by hand: 50 digits are 166 bits and a little."""

REPEATS = 5
STEPS, BY_HAND = 50_000, 2_000
POWERS = (4, 8, 16, 24, 32, 40)

HEYOKA = importlib.util.find_spec("heyoka") is not None

C_LOOP = """
#include <mpfr.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define N MPFR_RNDN

/* A += 63 q, B -= q with q = e^A e^2B / (e^A + 63 e^B)^3 */
static void balanced(mpfr_t *s, mpfr_t *t) {
    mpfr_exp(t[0], s[0], N);
    mpfr_exp(t[1], s[1], N);
    mpfr_mul_ui(t[2], t[1], 63, N);
    mpfr_add(t[2], t[2], t[0], N);
    mpfr_sqr(t[3], t[2], N);
    mpfr_mul(t[2], t[2], t[3], N);
    mpfr_sqr(t[1], t[1], N);
    mpfr_mul(t[0], t[0], t[1], N);
    mpfr_div(t[0], t[0], t[2], N);
    mpfr_sub(s[1], s[1], t[0], N);
    mpfr_mul_ui(t[0], t[0], 63, N);
    mpfr_add(s[0], s[0], t[0], N);
}

/* x, u, v = e^A, e^B1, e^B; d = (x + 63 u + 62 v)^3;
   A += x (31 v v + 62 u v + 63 u u) / d
   B1 -= u (31 x v + 63 x u - 31 v v + 1953 u v) / d
   B -= v (x v + x u + u v - 63 u u) / (2 d) */
static void rare(mpfr_t *s, mpfr_t *t) {
    mpfr_exp(t[0], s[0], N);
    mpfr_exp(t[1], s[1], N);
    mpfr_exp(t[2], s[2], N);
    mpfr_mul_ui(t[3], t[1], 63, N);
    mpfr_mul_ui(t[4], t[2], 62, N);
    mpfr_add(t[3], t[3], t[4], N);
    mpfr_add(t[3], t[3], t[0], N);
    mpfr_sqr(t[4], t[3], N);
    mpfr_mul(t[3], t[3], t[4], N);
    mpfr_ui_div(t[3], 1, t[3], N);
    mpfr_mul(t[4], t[0], t[1], N); /* x u */
    mpfr_mul(t[5], t[0], t[2], N); /* x v */
    mpfr_mul(t[6], t[1], t[2], N); /* u v */
    mpfr_sqr(t[7], t[1], N);
    mpfr_mul_ui(t[7], t[7], 63, N); /* 63 u u */
    mpfr_sqr(t[8], t[2], N);
    mpfr_mul_ui(t[8], t[8], 31, N); /* 31 v v */
    mpfr_mul_ui(t[9], t[6], 62, N);
    mpfr_add(t[9], t[9], t[7], N);
    mpfr_add(t[9], t[9], t[8], N);
    mpfr_mul(t[9], t[9], t[0], N);
    mpfr_mul(t[9], t[9], t[3], N);
    mpfr_add(s[0], s[0], t[9], N);
    mpfr_mul_ui(t[9], t[5], 31, N);
    mpfr_mul_ui(t[10], t[4], 63, N);
    mpfr_add(t[9], t[9], t[10], N);
    mpfr_mul_ui(t[10], t[6], 1953, N);
    mpfr_add(t[9], t[9], t[10], N);
    mpfr_sub(t[9], t[9], t[8], N);
    mpfr_mul(t[9], t[9], t[1], N);
    mpfr_mul(t[9], t[9], t[3], N);
    mpfr_sub(s[1], s[1], t[9], N);
    mpfr_add(t[9], t[5], t[4], N);
    mpfr_add(t[9], t[9], t[6], N);
    mpfr_sub(t[9], t[9], t[7], N);
    mpfr_mul(t[9], t[9], t[2], N);
    mpfr_mul(t[9], t[9], t[3], N);
    mpfr_div_2ui(t[9], t[9], 1, N);
    mpfr_sub(s[2], s[2], t[9], N);
}

/* which system, steps, bits; prints seconds and the first state */
int main(int argc, char **argv) {
    void (*step)(mpfr_t *, mpfr_t *) = argv[1][0] == 'b' ? balanced : rare;
    long steps = atol(argv[2]);
    mpfr_t s[3], t[11];
    mpfr_set_default_prec(atol(argv[3]));
    for (int i = 0; i < 3; i++) { mpfr_init(s[i]); mpfr_set_zero(s[i], 1); }
    for (int i = 0; i < 11; i++) mpfr_init(t[i]);
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (long n = 0; n < steps; n++) step(s, t);
    clock_gettime(CLOCK_MONOTONIC, &end);
    mpfr_printf("%.9f %.50Re\\n", end.tv_sec - begin.tv_sec + 1e-9 * (end.tv_nsec - begin.tv_nsec), s[0]);
    return 0;
}
"""


# Loops by hand.


def gmpy2_loop(name: str, steps: int) -> tuple[Any, ...]:
    """The states after the steps, by gmpy2's numbers, as the C loop computes them."""
    import gmpy2

    exp = gmpy2.exp
    with gmpy2.context(gmpy2.get_context(), precision=BITS):
        a = b1 = b = gmpy2.mpfr(0)
        if name == "balanced":
            for _ in range(steps):
                x, v = exp(a), exp(b)
                q = x * (v * v) / (x + 63 * v) ** 3
                a, b = a + 63 * q, b - q
            return a, b
        for _ in range(steps):
            x, u, v = exp(a), exp(b1), exp(b)
            d = 1 / (x + 63 * u + 62 * v) ** 3
            xu, xv, uv, uu, vv = x * u, x * v, u * v, 63 * (u * u), 31 * (v * v)
            a = a + (vv + 62 * uv + uu) * x * d
            b1 = b1 - (31 * xv + 63 * xu - vv + 1953 * uv) * u * d
            b = b - (xv + xu + uv - uu) * v * d / 2
        return a, b1, b


def mpfr_flags() -> Iterator[list[str]]:
    """What a compiler needs to find MPFR: a system's, or that inside gmpy2's wheel."""
    yield ["-lmpfr", "-lgmp"]
    spec = importlib.util.find_spec("gmpy2")
    if spec is not None and spec.origin is not None:
        headers = Path(spec.origin).parent
        folder = headers.parent / "gmpy2.libs"
        libraries = [str(path) for stem in ("mpfr", "gmp") for path in sorted(folder.glob(f"lib{stem}-*"))]
        yield [f"-I{headers}", *libraries, f"-Wl,-rpath,{folder}"]


def compiled_loop(folder: Path) -> Path | None:
    """The C loop as a program, or None where it does not compile."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    source, program = folder / "loop.c", folder / "loop"
    source.write_text(C_LOOP, encoding="utf-8")
    for flags in mpfr_flags() if compiler else ():
        command = [str(compiler), "-O2", "-march=native", str(source), "-o", str(program), *flags]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return program
    return None


def c_loop(program: Path, name: str, steps: int, bits: int = BITS) -> tuple[float, str]:
    """Seconds for the steps, without those for starting the program, and the first state."""
    command = [str(program), name, str(steps), str(bits)]
    seconds, state = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return float(seconds), state


def stepping_rates(name: str, system: System, program: Path | None) -> dict[str, list[float]]:
    """Steps a second of each loop, one of each a repeat."""
    recurrence = reduce_system(system)
    loops: dict[str, Callable[[], float]] = {}

    def timed(steps: int, action: Callable[[], object]) -> Callable[[], float]:
        return lambda: steps / median_seconds(action, 1)

    if program is not None:
        loops["C and MPFR"] = lambda: STEPS / c_loop(program, name, STEPS)[0]
    loops["lambdify, mpmath"] = timed(BY_HAND, loop_by_hand(system, BY_HAND))
    if importlib.util.find_spec("gmpy2") is not None:
        loops["gmpy2"] = timed(STEPS, partial(gmpy2_loop, name, STEPS))
    for kind in ("ball", "mp", "float64"):
        run = Run(sp.S.One, steps=STEPS, dps=DPS)
        loops[f"symicl, {kind}"] = timed(STEPS, partial(iterate, recurrence, run, kind))
    found: dict[str, list[float]] = {kind: [] for kind in loops}
    for _ in range(REPEATS):
        for kind, rate in loops.items():
            found[kind].append(rate())
    return found


def agreement(program: Path, name: str, system: System) -> int:
    """The digits that the C loop's first state shares with the certified one."""
    state = arithmetic("ball").as_json(iterate(reduce_system(system), Run(sp.S.One, steps=STEPS, dps=60)).states[0], 60)
    mine, theirs = (sp.Rational(text) for text in (state["mid"], c_loop(program, name, STEPS)[1]))
    gap = abs(mine - theirs) / abs(mine)
    return DPS if gap == 0 else int(-sp.log(gap, 10).evalf())


def stepping() -> None:
    known = families()
    systems = {
        "balanced": known["huang2024.balanced"](K=64, N="inf"),
        "rare": known["huang2024.underrepresented"](K=64, N="inf", p1="1/2"),
    }
    with tempfile.TemporaryDirectory() as folder:
        program = compiled_loop(Path(folder))
        base = "lambdify, mpmath" if program is None else "C and MPFR"
        found = {name: stepping_rates(name, system, program) for name, system in systems.items()}
        rows = [
            [kind, *(compared(rates | {"by hand": rates[base]}, kind) for rates in found.values())]
            for kind in found["balanced"]
        ]
        show(
            f"Steps a second, K = 64, N = inf, {DPS} digits (ratio to {base})",
            ["", "balanced", "under-represented"],
            rows,
        )
        if program is None:
            print("\nNo C loop: there is no compiler, or it finds no MPFR.")
        else:
            shared = ", ".join(f"{name} {agreement(program, name, system)}" for name, system in systems.items())
            print(f"\nDigits that C and the certified balls share after {STEPS} steps: {shared}.")


# Leaps.


def set_up(features: str) -> tuple[float, float]:
    """Seconds to prepare leaps to 50 digits, and for the first leap of 10**40 steps; call it once a process."""
    recurrence = reduce_system(families()["huang2024.balanced"](K=features, N="inf"))
    begin = time.perf_counter()
    leaper = prepare_leaps(recurrence, sp.S.One, DPS)
    middle = time.perf_counter()
    leaper.leap(Run(sp.S.One, steps=10**40, dps=DPS))
    return middle - begin, time.perf_counter() - middle


def fresh_set_up(features: str) -> tuple[float, float]:
    """As :func:`set_up`, medians over fresh processes."""
    command = [sys.executable, __file__, features]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() for _ in range(3)]
    return statistics.median(float(run[0]) for run in runs), statistics.median(float(run[1]) for run in runs)


def shared_digits(one: Sequence[Any], other: Sequence[Any]) -> int:
    """The least number of digits that numbers share, at most those of their midpoints at 100 digits."""
    ball = arithmetic("ball")
    with ball.working(100):
        gaps = [abs(x.mid() - y.mid()) / abs(x.mid()) for x, y in zip(one, other, strict=True) if x.mid() != 0]
        return min(99 if gap.mid() == 0 else int(-float(gap.mid().log()) / 2.302585) for gap in gaps)


def leaps_are_steps() -> None:
    known, rows = families(), []
    balanced, rare = known["huang2024.balanced"](K=64, N="inf"), known["huang2024.underrepresented"]
    below = parse_condition("loss <= 1/100", {"loss": LOSS})
    runs = [Run(sp.S.One, steps=10**k, dps=DPS) for k in (3, 4, 5)] + [Run(sp.S.One, until=below, dps=DPS)]
    for run in runs:
        cells = [f"10**{len(str(run.steps)) - 1} steps" if run.steps else "to a loss of 1/100"]
        for system, digits in ((balanced, DPS), (rare(K=64, N="inf", p1="1/2"), 30)):
            recurrence = reduce_system(system)
            own = Run(run.eta, steps=run.steps, until=run.until, dps=digits)
            far = leap(recurrence, own).trajectory if system is balanced else flow(recurrence, own).trajectory
            near = iterate(recurrence, Run(run.eta, steps=run.steps, until=run.until, dps=80))
            same = "" if far.step == near.step else f", and {near.step - far.step} steps apart"
            cells.append(f"{far.step} steps, {shared_digits((*far.states, far.loss), (*near.states, near.loss))}{same}")
        rows.append(cells)
    show(
        f"Digits that leap and loop share, K = 64 ({DPS} asked for in one coordinate, 30 in two)",
        ["", "balanced, leap", "under-represented, flow"],
        rows,
    )


def one_coordinate() -> None:
    rows = []
    for label, features in (("K = 64", "64"), ("K = 10**20", "10**20")):
        recurrence = reduce_system(families()["huang2024.balanced"](K=features, N="inf"))
        prepared, first = fresh_set_up(features)
        leaper, cells = prepare_leaps(recurrence, sp.S.One, DPS), []
        for power in (*POWERS, 80):
            run = Run(sp.S.One, steps=10**power, dps=DPS)
            leaper.leap(run)
            cells.append(f"{1e3 * median_seconds(partial(leaper.leap, run), 9):.2f}")
        rows.append([f"leap, {label}", f"{1e3 * prepared:.0f}", f"{1e3 * (prepared + first):.0f}", *cells])
    for kind, bits in (("double", 53), (f"{BITS} bits", BITS)) if HEYOKA else ():
        rows.append([f"heyoka, {kind}, K = 64", *heyoka_row(families()["huang2024.balanced"](K=64, N="inf"), bits)])
    head = ["T =", "set-up", "set-up and 10**40", *(f"10**{power}" for power in (*POWERS, 80))]
    show(f"One coordinate, T steps, {DPS} digits: milliseconds", head, rows)


def several_coordinates() -> None:
    rare, rows = families()["huang2024.underrepresented"](K=10**6, N="inf", p1="1/2"), []
    recurrence, cells = reduce_system(rare), []
    for power in POWERS:
        cells.append(f"{median_seconds(partial(flow, recurrence, Run(sp.S.One, steps=10**power, dps=30)), 1):.1f}")
    rows.append(["flow, 30 digits confirmed", *cells])
    if HEYOKA:
        rows.append([f"heyoka, {BITS} bits", *heyoka_row(rare, BITS, 1.0, POWERS)[2:]])
    show("Two coordinates, K = 10**6, T steps: seconds", ["T =", *(f"10**{power}" for power in POWERS)], rows)

    far = reduce_system(families()["huang2024.underrepresented"](K=10**20, N="inf", p1="1/2"))
    below = parse_condition("loss <= 1/100", {"loss": LOSS})
    rows = []
    for name, goal in (("10**40 steps", {"steps": 10**40}), ("a loss of 1/100", {"until": below})):
        for digits in (30, DPS):
            begin = time.perf_counter()
            done = flow(far, Run(sp.S.One, dps=digits, **goal)).trajectory
            seconds = time.perf_counter() - begin
            rows.append([name, str(digits), f"{seconds:.1f}", str(done.step), str(done.digits)])
    show(
        "Two coordinates, K = 10**20",
        ["to", "digits asked for", "seconds", "steps", "digits on which two orders agree"],
        rows,
    )


# heyoka, where it is installed.


def heyoka_expression(module: Any, expression: sp.Expr, names: dict[sp.Symbol, Any], number: Callable[..., Any]) -> Any:
    """A SymPy expression as one of heyoka's."""

    def translated(e: sp.Expr) -> Any:
        return heyoka_expression(module, e, names, number)

    if expression.is_Rational:
        return module.expression(number(expression))
    if expression.is_Symbol:
        return names[expression]
    if isinstance(expression, sp.exp):
        return module.exp(translated(expression.args[0]))
    if expression.is_Pow:
        return translated(expression.base) ** module.expression(number(expression.exp))
    parts = [translated(argument) for argument in expression.args]
    result = parts[0]
    for part in parts[1:]:
        result = result + part if expression.is_Add else result * part
    return result


def heyoka_row(system: System, bits: int, unit: float = 1e3, powers: Sequence[int] = (*POWERS, 80)) -> list[str]:
    """Set-up, set-up with 10**40, and each horizon of the gradient flow; words where there is nothing to show."""
    heyoka: Any = importlib.import_module("heyoka")
    recurrence = reduce_system(system)
    one = {recurrence.symmetric.system.step_size: sp.S.One}

    def number(value: sp.Rational) -> Any:
        if bits == 53:
            return float(value)
        return heyoka.real(str(int(value.p)), bits) / heyoka.real(str(int(value.q)), bits)

    begin = time.perf_counter()
    names = {y: heyoka.make_vars(f"y{i}") for i, y in enumerate(recurrence.coordinates)}
    rates = [heyoka_expression(heyoka, u.xreplace(one), names, number) for u in recurrence.updates]
    kind = {} if bits == 53 else {"fp_type": heyoka.real}

    def integrator() -> Any:
        start = [number(sp.Rational(y)) for y in recurrence.start]
        return heyoka.taylor_adaptive(list(zip(names.values(), rates, strict=True)), start, **kind)

    integrator()
    set_up_time = time.perf_counter() - begin
    cells, at_forty = [], ""
    for power in powers:
        ours = integrator()
        begin = time.perf_counter()
        ended = ours.propagate_until(number(sp.Integer(10) ** power))
        seconds = time.perf_counter() - begin
        reached = ended[0] == heyoka.taylor_outcome.time_limit and all(abs(float(y)) < 1e3 for y in ours.state)
        cells.append(f"{unit * seconds:.2f}" if reached else "fails")
        at_forty = f"{unit * (seconds + set_up_time):.0f}" if power == 40 and reached else at_forty
    return [f"{unit * set_up_time:.0f}", at_forty or "fails", *cells]


def main() -> None:
    print(machine())
    stepping()
    leaps_are_steps()
    if not HEYOKA:
        print("\nheyoka is not installed: the tables below are without it.")
    one_coordinate()
    several_coordinates()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(*set_up(sys.argv[1]))
    else:
        main()
