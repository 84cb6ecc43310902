"""For tests of a user's own derivations: Hypothesis strategies of exact values, and assertions that say what broke.

Every tolerance follows from how the number it judges was computed; none is a matter of taste. Needs the extra
``symicl[testing]``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import sympy as sp
from flint import arb, fmpq

from symicl.arithmetic import ARITHMETICS, Number
from symicl.claims.base import Verdict, claim
from symicl.claims.check import check
from symicl.claims.pointwise import Point, value_at
from symicl.claims.statements import conserved, equal
from symicl.derive import Update, derive
from symicl.evaluate import compile_expressions
from symicl.expectation import TokenCounts, laws_in
from symicl.grammar import exact
from symicl.indices import range_of
from symicl.iterate import Run, Trajectory, iterate
from symicl.reduce import Recurrence, commutation_defects, reduce_system
from symicl.scores import state_of_scores
from symicl.simulate import Array, Experiment, count_vectors, simulate
from symicl.simulate.tasks import experiment_of
from symicl.systems.base import Parameter, System, SystemFamily
from symicl.systems.structured_features import PromptData

try:
    from hypothesis import strategies as st
except ImportError as error:
    raise ImportError("symicl.testing needs Hypothesis: install symicl with its extra [testing]") from error

MAX_SIMULATED = 20_000
"""The most prompts the exact simulator enumerates for a comparison."""


# ------------------------------------------------------------------------------------------------ strategies


@st.composite
def rationals(draw: st.DrawFn, least: Any = -3, most: Any = 3, *, max_denominator: int = 12) -> sp.Rational:
    """Exact rationals between ``least`` and ``most``, both included, with small denominators."""
    low, high, denominator = exact(least), exact(most), draw(st.integers(1, max_denominator))
    first, last = int(sp.ceiling(low * denominator)), int(sp.floor(high * denominator))
    return sp.Rational(draw(st.integers(first, last)), denominator) if first <= last else low


@st.composite
def probability_vectors(
    draw: st.DrawFn, *, min_size: int = 2, max_size: int = 4, max_weight: int = 6
) -> tuple[sp.Rational, ...]:
    """Exact positive probabilities that sum to 1; equal entries occur often."""
    weights = draw(st.lists(st.integers(1, max_weight), min_size=min_size, max_size=max_size))
    return tuple(sp.Rational(weight, sum(weights)) for weight in weights)


@st.composite
def step_sizes(draw: st.DrawFn) -> sp.Rational:
    """Exact positive step sizes from 1/100 to 4."""
    return draw(st.sampled_from([sp.Rational(1, 100), sp.Rational(1, 10), sp.Integer(1)])) * draw(st.integers(1, 4))


@st.composite
def values_of(draw: st.DrawFn, parameter: Parameter, *, spread: int = 3, infinite: bool = True) -> sp.Expr:
    """An allowed value of a parameter: an integer at most ``spread`` above its minimum, ``inf``, or a rational."""
    if parameter.symbol.is_integer:
        if infinite and parameter.infinite and draw(st.booleans()):
            return sp.oo
        least = 1 if parameter.minimum is None else parameter.minimum
        return sp.Integer(draw(st.integers(least, least + spread)))
    share = draw(rationals(sp.Rational(1, 12), sp.Rational(11, 12)))
    if parameter.above is not None and parameter.below is not None:
        return parameter.above + (parameter.below - parameter.above) * share
    if parameter.below is not None:
        return parameter.below - spread * share
    return (parameter.above or sp.Integer(parameter.minimum or 0)) + spread * share


@st.composite
def parameter_values(
    draw: st.DrawFn, /, family: SystemFamily, *, spread: int = 3, infinite: bool = True, **fixed: Any
) -> dict[str, sp.Expr]:
    """Values for every parameter of a named system, ``family(**values)`` being the system; ``fixed`` are kept."""
    drawn = {p.name: draw(values_of(p, spread=spread, infinite=infinite)) for p in family.parameters}
    return drawn | {name: exact(value) for name, value in fixed.items()}


@st.composite
def states(draw: st.DrawFn, system: System, *, size: int = 3) -> dict[sp.Symbol, sp.Rational]:
    """Any values of the states of a system, conserved quantities disregarded, within ``size`` of zero."""
    return {symbol: draw(rationals(-size, size)) for symbol in reduce_system(system).states}


@st.composite
def points(draw: st.DrawFn, system: System, *, max_features: int = 3, spread: int = 2, size: int = 2) -> Point:
    """A point at which the objective and every update of a system have a value: parameters, features, entries.

    Features that a symbolic system distinguishes get distinct positions; indices over a named range any, equal ones
    often, and such a range 1 to ``max_features`` members where its size is a symbol. Entries are within ``size`` of
    zero, so that exponentials stay of order one.
    """
    symbols: dict[sp.Symbol, sp.Expr] = {system.step_size: draw(step_sizes())}
    symbols |= {p.symbol: draw(values_of(p, spread=spread, infinite=False)) for p in system.parameters}
    symbols |= {c.variable: draw(rationals(-size, size)) for c in system.coordinates if c.variable.is_Symbol}
    features = list(dict.fromkeys(feature for update in derive(system) for feature in update.features))
    counts, places = dict[str, int](), dict[sp.Symbol, int]()
    if system.features is not None:
        count = system.features.size
        if count.is_Symbol:
            least = max(2, len(features), int(symbols[count]) - spread if count in symbols else 0)
            symbols[count] = count = sp.Integer(draw(st.integers(least, max(least, max_features))))
        counts[""] = int(count)
        positions = draw(st.permutations(range(counts[""])))
        places = dict(zip(features, positions, strict=False))
    for each in system.ranges:
        if each.size.is_Symbol and each.size not in symbols:
            symbols[each.size] = sp.Integer(draw(st.integers(1, max_features)))
        counts[each.name] = int(each.size.xreplace(symbols))
    places |= {index: draw(st.integers(0, counts[range_of(index)] - 1)) for index in _typed_indices(system)}
    known = system.objective.atoms(sp.Indexed) | {c.variable for c in system.coordinates if not c.variable.is_Symbol}
    shapes = {
        entry.base: tuple(counts[range_of(index)] for index in entry.indices) for entry in known - _counted(system)
    }
    laws = [law for law in laws_in(system.objective) if isinstance(law, TokenCounts)]
    shapes |= {law.probabilities: (counts[""],) for law in laws}
    entries: dict[sp.IndexedBase, Any] = {}
    for base in sorted(shapes, key=str):
        if base in system.simplices:
            entries[base] = draw(probability_vectors(min_size=counts[""], max_size=counts[""]))
        else:
            entries[base] = draw(_tensors(shapes[base], rationals(0 if base.label.is_positive else -2, 2)))
    return Point(symbols, entries, places)


def _typed_indices(system: System) -> list[sp.Symbol]:
    """The indices over named ranges at which the updates of a system are given."""
    variables = [update.variable for update in derive(system) if isinstance(update.variable, sp.Indexed)]
    return list(dict.fromkeys(index for variable in variables for index in variable.indices if range_of(index)))


def _counted(system: System) -> set[sp.Indexed]:
    """The entries that stand for random counts of tokens."""
    counts = {law.counts for law in laws_in(system.objective) if isinstance(law, TokenCounts)}
    return {entry for entry in system.objective.atoms(sp.Indexed) if entry.base in counts}


@st.composite
def _tensors(draw: st.DrawFn, shape: tuple[int, ...], entries: st.SearchStrategy[sp.Rational]) -> Any:
    if not shape:
        return draw(entries)
    return tuple(draw(_tensors(shape[1:], entries)) for _ in range(shape[0]))


# ------------------------------------------------------------------------------------------------ derivations


def assert_gradient_matches(system: System, point: Point, *, digits: int = 120) -> None:
    """Every derived update equals ``-step_size`` times the central difference of the objective at the point.

    The difference quotient D(h) errs by ``h^2 f'''/6 + O(h^4)``, a third of ``|D(2h) - D(h)|`` to leading order; that
    difference, plus the radii of the balls (rounding over h), is the tolerance. Raises ``AssertionError``.
    """
    step = sp.Rational(1, 10 ** (digits // 5))
    with ARITHMETICS["ball"].working(digits):
        eta = value_at(system.step_size, point)
        for update in derive(system):
            if not all(feature in point.features for feature in update.features):
                continue  # fewer features than the update distinguishes
            fine = _slope(system, update, point, step)
            coarse = _slope(system, update, point, 2 * step)
            derived = value_at(update.expression, point)
            gap, allowed = abs(derived + eta * fine), eta * abs(coarse - fine)
            if not (gap.is_finite() and gap.rad() < arb(fmpq(1, 10)) ** (digits // 4)):
                raise AssertionError(f"{update.variable}: too few digits to judge ({gap.str(5)}) at {point.shown()}")
            if gap > allowed:
                raise AssertionError(
                    f"the derived update of {update.variable} is {derived.str(20)}, finite differences of the "
                    f"objective give {(-eta * fine).str(20)} (tolerance {allowed.str(3)}) at {point.shown()}"
                )


def _slope(system: System, update: Update, point: Point, step: sp.Rational) -> arb:
    above, below = (value_at(system.objective, _moved(point, update.variable, s)) for s in (step, -step))
    return (above - below) / (2 * arb(fmpq(int(step.p), int(step.q))))


def _moved(point: Point, variable: sp.Expr, by: sp.Rational) -> Point:
    """The point with one trained number changed."""
    if variable.is_Symbol:
        return replace(point, symbols={**point.symbols, variable: point.symbols[variable] + by})
    place = [point.features[index] for index in variable.indices]
    entries = _changed(point.entries[variable.base], place, by)
    return replace(point, entries={**point.entries, variable.base: entries})


def _changed(values: Any, place: Sequence[int], by: sp.Rational) -> Any:
    if not place:
        return sp.sympify(values, strict=True) + by
    return tuple(_changed(v, place[1:], by) if i == place[0] else v for i, v in enumerate(values))


def assert_reduction_commutes(system: System) -> None:
    """Reducing and updating commute exactly, at every value of the symbols. Raises ``AssertionError``."""
    recurrence = reduce_system(system)
    for symbol, defect in zip(recurrence.states, commutation_defects(recurrence), strict=True):
        found = check(claim(equal(system, defect, sp.S.Zero)))
        if found.verdict is not Verdict.PROVED:
            raise AssertionError(f"{system.id}: the lifted increment of {symbol} is not its update: {found.outcome}")


def assert_conserved(system: System, *forms: sp.Expr | str) -> None:
    """The linear forms (default: those found by the reduction) never change. Raises ``AssertionError``."""
    for form in forms or reduce_system(system).conserved:
        found = check(claim(conserved(system, form)))
        if found.verdict is not Verdict.PROVED:
            raise AssertionError(f"{system.id} does not conserve {form}: {found.outcome}")


# ------------------------------------------------------------------------------------------------ traces


def assert_traces_agree(system: System, eta: object, steps: int, *, dps: int = 30) -> None:
    """A system at exact parameters ends in the same state whichever way it is traced. Raises ``AssertionError``.

    - The ball encloses the reference value, computed with mpmath at three times the digits.
    - float64 is within 4 radii of a ball at 53 bits: the same operations, each radius at least half of float64's
      rounding, propagated outward.
    - Where the system can be simulated and has few prompts: the layer trained on all its prompts, in float64, within
      ``2**-50 * terms * eta * steps`` (terms of modulus at most 2 are averaged) times the growth of errors, the product
      of the norms of the Jacobian along the trace.
    """
    recurrence, size = reduce_system(system), exact(eta)
    reference = _values(iterate(recurrence, Run(size, steps=steps, dps=3 * dps), "mp"))
    enclosure = _values(iterate(recurrence, Run(size, steps=steps, dps=dps), "ball"))
    with ARITHMETICS["ball"].working(3 * dps):
        for name, ball in enclosure.items():
            value = _exact_ball(reference[name])
            rounding = arb(0, (1 + abs(value)).upper() * arb(10) ** (-2 * dps))
            if not ball.overlaps(value + rounding):
                raise AssertionError(
                    f"{system.id}, step {steps}: the ball {ball.str(30)} of {name} misses {value.str(30)}"
                )
    rough = _values(iterate(recurrence, Run(size, steps=steps, dps=3, max_dps=15), "ball"))
    largest = max(abs(float(value)) for value in reference.values())
    for name, value in _values(iterate(recurrence, Run(size, steps=steps, dps=3), "float64")).items():
        allowed = 4 * float(rough[name].rad()) + 2.0**-50 * largest
        if not math.isfinite(allowed):
            raise AssertionError(f"{system.id}: {steps} steps are too many to bound the rounding of float64")
        if not abs(value - float(reference[name])) <= allowed:
            raise AssertionError(
                f"{system.id}, step {steps}: float64 gives {name} = {value!r}, the reference {reference[name]}"
            )
    if isinstance(system.data, PromptData):
        _compare_with_simulation(system, recurrence, size, steps, reference)


def _values(result: Trajectory) -> dict[str, Number]:
    return {**dict(zip(map(str, result.process.states), result.states, strict=True)), "loss": result.loss}


def _exact_ball(value: Any) -> arb:
    """A number of mpmath's, exactly."""
    mantissa, exponent = value.man_exp
    return arb(int(mantissa) * (-1 if value < 0 else 1)) * arb(2) ** int(exponent)


def simulation_of(system: System) -> Experiment:
    """The simulator's experiment for a system at numbers. Raises ``InputError`` where the system has no data for it."""
    data = system.data
    return experiment_of(data)


def _compare_with_simulation(
    system: System, recurrence: Recurrence, eta: sp.Rational, steps: int, reference: Mapping[str, Number]
) -> None:
    data = system.data
    kinds = len(data.probabilities)
    if data.prompt_length is not None and math.comb(data.prompt_length + kinds - 1, kinds - 1) > MAX_SIMULATED:
        return
    experiment = simulation_of(system)
    end = simulate(experiment, float(eta), steps)
    terms = len(count_vectors(experiment).counts) * kinds
    allowed = 2.0**-50 * (terms * float(eta) * steps + 1) * _growth(recurrence, eta, steps)
    wrong = {
        f"scores[{n}][{k}]": (float(end.scores[n, k]), float(reference[str(symbol)]))
        for (n, k), symbol in state_of_scores(system).items()
        if not abs(end.scores[n, k] - float(reference[str(symbol)])) <= allowed
    }
    # The loss moves by at most twice the largest change of a score, for each feature.
    if not abs(end.loss - float(reference["loss"])) <= 2 * kinds * allowed:
        wrong["loss"] = (end.loss, float(reference["loss"]))
    if wrong:
        raise AssertionError(
            f"{system.id}, step {steps}: (simulated, derived) differ by more than {allowed:.1e}: {wrong}"
        )


def _growth(recurrence: Recurrence, eta: sp.Rational, steps: int) -> float:
    """How much an error at the start can have grown: the product of ``max(1, |I + J|)`` along the float64 trace.

    J is the Jacobian of the increments by central differences of width 2**-19, good to nine digits or so: a norm
    needs one.
    """
    if not recurrence.coordinates:  # nothing moves: a task with one value on all features
        return 1.0
    updates = [update.xreplace({recurrence.symmetric.system.step_size: eta}) for update in recurrence.updates]
    compiled = compile_expressions(updates, recurrence.coordinates, ARITHMETICS["float64"], 15)

    def increments(at: Array) -> Array:
        return np.array([float(value) for value in compiled(*map(float, at))])

    place: Array = np.array([float(value) for value in recurrence.start])
    growth, width, directions = 1.0, 2.0**-19, np.eye(len(place))
    for _ in range(steps):
        pairs = [(increments(place + width / 2 * d), increments(place - width / 2 * d)) for d in directions]
        jacobian = np.array([(above - below) / width for above, below in pairs]).T
        growth *= max(1.0, float(np.abs(directions + jacobian).sum(axis=1).max()))
        place = place + increments(place)
    return growth


__all__ = [
    "assert_conserved",
    "assert_gradient_matches",
    "assert_reduction_commutes",
    "assert_traces_agree",
    "parameter_values",
    "points",
    "probability_vectors",
    "rationals",
    "simulation_of",
    "states",
    "step_sizes",
    "values_of",
]
