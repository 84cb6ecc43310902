"""Runs at several sizes: how long each takes, and which phases it has."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise

import sympy as sp
from flint import arb

from symicl.algebra import identically_zero
from symicl.along import DIGITS, far_run
from symicl.arithmetic import ARITHMETICS, whole_number
from symicl.claims.base import Evidence, Outcome, Verdict
from symicl.claims.checkers.far import TIMEOUT, first_step_leans
from symicl.claims.checkers.from_on import size as short
from symicl.claims.checkers.trajectory import certain_step
from symicl.claims.sizes import PhasesAt, Runs, Sides, StepsBetween
from symicl.errors import InputError, SymiclError
from symicl.evaluate import value_of
from symicl.phases import Course, Phase, course_of

COUNT_METHOD = "one run at each size: steps or certified leaps in balls where these reach, else two paths of leaps"
PHASE_METHOD = "dominant terms along two paths of leaps at each size, which bound no error"
BOUND_DIGITS = 40
LARGEST_BITS = 100_000
SMALL = 1e-3
ROOM = Fraction(1, 10**6)
"""How far, relatively, a number read off a path has to be inside its bounds."""

Details = tuple[tuple[str, str], ...]


def decide_steps_between(statement: StepsBetween) -> Outcome:
    """Certified where every run is, refuted by one that certainly breaks a bound, supported by leaps."""
    verdicts, details = [], []
    for size in statement.runs.sizes:
        verdict, text = _count(statement, size)
        verdicts.append(verdict)
        details.append((f"{statement.runs.parameter} = {short(size)}", f"{verdict.value}: {text}"))
    for wanted, summary in (
        (Verdict.REFUTED, "a bound is broken, certainly"),
        (Verdict.UNDECIDED, "the numbers at some size speak against it, or say nothing"),
        (Verdict.SUPPORTED, f"both bounds hold at the {len(verdicts)} sizes; nothing is said of others"),
    ):
        if wanted in verdicts:
            return Outcome(wanted, Evidence(COUNT_METHOD, summary, tuple(details)))
    summary = f"the bounds hold at the {len(verdicts)} sizes; nothing is said of others"
    return Outcome(Verdict.CERTIFIED, Evidence(COUNT_METHOD, summary, tuple(details)))


def _count(statement: StepsBetween, size: int) -> tuple[Verdict, str]:
    """The verdict at one size, and how many steps there are, next to the bounds."""
    runs = statement.runs
    system, condition = runs.at(size), runs.until(size)
    least, most = (
        None if form is None else _whole(runs.value(form, size), up)
        for form, up in ((statement.low, True), (statement.high, False))
    )
    try:
        reached = certain_step(system, condition, runs.eta)
    except SymiclError as error:
        return Verdict.UNDECIDED, str(error)
    if reached is not None:
        holds = (least is None or least <= reached.step) and (most is None or reached.step <= most)
        return Verdict.CERTIFIED if holds else Verdict.REFUTED, _ratios(reached.step, least, most)
    found: str | None = None
    for relation, bound in ((">=", least), ("<=", most)):
        if bound is None:
            continue
        leaning = first_step_leans(system, condition, runs.eta, relation, bound)
        step = dict(leaning.details).get("step")
        found = None if step is None else _ratios(int(step), least, most)
        if not leaning.holds:
            return Verdict.UNDECIDED, found or leaning.summary
    return Verdict.SUPPORTED, found or ""


def _whole(value: sp.Expr, up: bool) -> int:
    """The least integer above a number, or the greatest below it."""
    if value.is_Rational:
        return int(sp.ceiling(value) if up else sp.floor(value))
    ball, dps = ARITHMETICS["ball"], BOUND_DIGITS
    while True:
        with ball.working(dps):
            found = arb(value_of(value, ball, dps))
            if not abs(found) < arb(2) ** LARGEST_BITS:
                raise InputError(f"the bound {value} is too large", where="statement", remedy="give a smaller one")
            low, high = _ends(found, up)
            whole = whole_number(low)
        if whole is not None and low == high:
            return whole
        dps *= 2
        if dps > 100 * BOUND_DIGITS:
            raise InputError(f"no number for the bound {value}", where="statement")


def _ends(number: arb, up: bool) -> tuple[arb, arb]:
    low, high = number.lower(), number.upper()
    return (low.ceil(), high.ceil()) if up else (low.floor(), high.floor())


def _ratios(step: int, least: int | None, most: int | None) -> str:
    """A number of steps in words, with what it is of its bounds."""
    parts = [f"{short(step) if step < 10**30 else f'{sp.Float(step, 25)}'} steps"]
    for name, bound in (("low", least), ("high", most)):
        if bound is not None and bound > 0:
            excess = float(Fraction(step - bound, bound))
            parts.append(f"{1 + excess:.6g} of {name}" if abs(excess) > SMALL else f"1 {excess:+.3g} of {name}")
    if least is not None and most is not None and least < most:
        parts.append(f"{float(Fraction(step - least, most - least)):.4g} of the way up")
    return ", ".join(parts)


def decide_phases_at(statement: PhasesAt) -> Outcome:
    """Supported where the courses of all sizes are as claimed, else undecided with what was found."""
    runs = statement.runs
    courses = [course(runs, size) for size in runs.sizes]
    details: Details = tuple(
        (
            f"{runs.parameter} = {short(size)}",
            f"{len(found.phases)} phases, ending at {', '.join(_power(each.end, size) for each in found.phases)}; "
            f"fastest {', '.join(f'{lead.state} to {_power(lead.end, size)}' for lead in found.leads)}",
        )
        for size, found in zip(runs.sizes, courses, strict=True)
    )
    looks = sum(len(found.steps) for found in courses)
    wrong = next(_objections(statement, courses), None)
    if wrong is not None:
        return Outcome(Verdict.UNDECIDED, Evidence(PHASE_METHOD, f"the numbers speak against it: {wrong}", details))
    summary = (
        f"found as claimed at {len(courses)} sizes from {short(runs.sizes[0])} to {short(runs.sizes[-1])}, "
        f"{looks} steps looked at, bounds kept by more than a relative {float(ROOM):.0e}"
    )
    return Outcome(Verdict.SUPPORTED, Evidence(PHASE_METHOD, summary, details))


@lru_cache(maxsize=32)
def course(runs: Runs, size: int) -> Course:
    """The course of one run, kept for other statements about it."""
    return course_of(runs.at(size), runs.general, far_run(runs.eta, runs.until(size), DIGITS, TIMEOUT))


def _objections(statement: PhasesAt, courses: Sequence[Course]) -> Iterator[str]:
    """What of the statement the courses do not bear out."""
    runs = statement.runs
    first = [each.dominant for each in courses[0].phases]
    for size, found in zip(runs.sizes, courses, strict=True):
        at = f"at {runs.parameter} = {short(size)}"
        if len(found.phases) != statement.count:
            yield f"there are {len(found.phases)} phases {at}"
            return
        if [each.dominant for each in found.phases] != first:
            yield f"other terms dominate {at} than at {short(runs.sizes[0])}"
        if statement.leads and tuple(lead.state for lead in found.leads) != statement.leads:
            yield f"{', '.join(lead.state for lead in found.leads)} move fastest {at}"
        for phase, form, sides in statement.ends:
            yield from _outside(f"the end of phase {phase} {at}", found.phases[phase - 1].end, runs, form, size, sides)
        for phase, form, sides in statement.lengths:
            length = _length(found.phases[phase - 1])
            yield from _outside(f"the length of phase {phase} {at}", length, runs, form, size, sides)
    for phase, state, term in statement.dominant:
        found_term = dict(courses[0].phases[phase - 1].dominant)[state]
        if not identically_zero(found_term - term):
            yield f"in phase {phase} the update of {state} is about {found_term}"
    for phase, (low, high) in statement.exponents:
        ends = [found.phases[phase - 1].end for found in courses]
        for (a, b), (m, n) in zip(pairwise(runs.sizes), pairwise(ends), strict=True):
            if not 0 < m <= n:
                yield f"phase {phase} ends at steps {m} and {n} at {short(a)} and {short(b)}"
                continue
            slope = math.log(Fraction(n, m)) / math.log(Fraction(b, a))
            if not float(low) < slope < float(high):
                yield f"the end of phase {phase} grows like the power {slope:.6g} from {short(a)} to {short(b)}"


def _outside(what: str, number: int, runs: Runs, form: sp.Expr, size: int, sides: Sides) -> Iterator[str]:
    """An objection where a number is not inside its bounds with room to spare."""
    ball = ARITHMETICS["ball"]
    with ball.working(BOUND_DIGITS):
        unit = arb(value_of(runs.value(form, size), ball, BOUND_DIGITS))
        ratio = arb(number) / unit
        low, high = (arb(int(side.p)) / int(side.q) for side in sides)
        room = arb(ROOM.numerator) / ROOM.denominator
        if not (ratio * (1 - room) > low and ratio * (1 + room) < high):
            yield f"{what} is {ratio.str(8, radius=False)} times {form}"


def _length(phase: Phase) -> int:
    return phase.end - phase.start


def _power(step: int, size: int) -> str:
    """A number of steps, and which power of the size it is."""
    exponent = math.log(step) / math.log(size) if step > 1 and size > 1 else math.nan
    return f"{float(sp.Float(step)):.6g}" + ("" if math.isnan(exponent) else f" = size^{exponent:.3f}")


__all__ = ["course", "decide_phases_at", "decide_steps_between"]
