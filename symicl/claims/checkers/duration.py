"""Times with explicit constants over a range of parameters, by the bracket of the number of steps.

The bracket ``least <= n < most`` of :mod:`symicl.hitting` holds at all parameters. Divided by the form it is a function
on a box, whose maximum and minimum branch and bound encloses, sizes on logarithmic scales. A bound that fails there
needs a witness: the number of steps at one point, bracketed or counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import product
from math import inf

import sympy as sp
from flint import arb

from symicl.arithmetic import ARITHMETICS, whole_number
from symicl.claims.base import Evidence, Outcome, Verdict
from symicl.claims.durations import Duration, Side
from symicl.enclosure import Enclosure, maximum
from symicl.errors import SymiclError
from symicl.grammar import Condition
from symicl.hitting import TARGET, HittingFormula, hitting_formula
from symicl.iterate import Run, iterate
from symicl.process import LOSS
from symicl.reduce import Recurrence, reduce_system
from symicl.scales import tamed, tamed_share
from symicl.tape import BALLS, compiled

METHOD = "the discrete steps sandwiched between flows; branch and bound in balls over the range"
GAPS = (sp.Rational(1, 20), sp.Rational(1, 200))
MAX_BOXES, FEW_BOXES = 20_000, 4000
DIGITS = 30
WIDE = 10
"""Sides whose ends have at least this ratio get a logarithmic scale."""

COUNTED_STEPS = 100_000
"""Up to so many steps a witness is counted one by one."""

LARGEST_POWER = 41

Point = Mapping[sp.Symbol, sp.Rational]


def decide_duration(statement: Duration) -> Outcome:
    """Certified over the whole box, refuted by a witness, else undecided; evidence says how loose the bounds are."""
    recurrence = reduce_system(statement.system)
    formula = hitting_formula(recurrence)
    scaled = _Scaled(statement)
    late = scaled.on_box(TARGET / formula.at_start)
    if not maximum(late, scaled.box, tolerance=GAPS[0], max_boxes=MAX_BOXES, dps=DIGITS).upper < 1:
        return _undecided("the target may already be met at the start, somewhere in the range", ())
    negative = scaled.on_box(-statement.form)
    if not maximum(negative, scaled.box, tolerance=GAPS[0], max_boxes=MAX_BOXES, dps=DIGITS).upper < 0:
        return _undecided("the form may not be positive, somewhere in the range", ())
    found = _witness(statement, recurrence, formula, _grid(statement))
    if found is not None:
        return Outcome(Verdict.REFUTED, Evidence(METHOD, *found))
    most, above = _bounded(scaled, formula, formula.most, statement.at_most)
    least, below = _bounded(
        scaled, formula, -formula.least, None if statement.at_least is None else -statement.at_least
    )
    details = [("form", str(statement.form)), ("boxes", str(most.boxes + least.boxes))]
    details += [("steps / form at most", most.upper.str(8, radius=False))] if most.reached else []
    details += [("steps / form at least", (-least.upper).str(8, radius=False))] if least.reached else []
    if above and below:
        return Outcome(Verdict.CERTIFIED, Evidence(METHOD, "holds everywhere in the range", tuple(details)))
    found = _witness(statement, recurrence, formula, [scaled.point(each.where) for each in (most, least) if each.where])
    if found is not None:
        return Outcome(Verdict.REFUTED, Evidence(METHOD, *found))
    return _undecided("the bound lies within the bracket of the number of steps", tuple(details))


def _undecided(why: str, details: tuple[tuple[str, str], ...]) -> Outcome:
    return Outcome(Verdict.UNDECIDED, Evidence(METHOD, why, details))


def _bounded(
    scaled: _Scaled, formula: HittingFormula, side: sp.Expr, constant: sp.Rational | None
) -> tuple[Enclosure, bool]:
    """The maximum of one side of the bracket over the form, and whether it is at most the constant."""
    ratio = scaled.share(side, scaled.statement.form, formula)
    for gap in GAPS:
        budget = FEW_BOXES if constant is None else MAX_BOXES
        found = maximum(ratio, scaled.box, tolerance=gap, max_boxes=budget, dps=DIGITS)
        if constant is None or found.upper <= _ball(constant):
            return found, True
        if found.lower > _ball(constant):
            break
    return found, False


def _ball(value: sp.Rational) -> arb:
    return arb(int(value.p)) / int(value.q)


class _Scaled:
    """The box in coordinates that suit it: ``K = low e^t`` or ``epsilon = high e^-t`` on wide sides, t from 0.

    A wide side reaches a little further than it says, upwards for integers and downwards for the others.
    """

    def __init__(self, statement: Duration) -> None:
        self.statement = statement
        self.values: dict[sp.Symbol, sp.Expr] = {}
        self.box: list[tuple[sp.Symbol, sp.Rational, sp.Rational]] = []
        for symbol, low, high in _worst_steps(statement):
            t = sp.Dummy(symbol.name, real=True)
            if low == high:
                self.values[symbol] = low
            elif high < WIDE * low:
                self.values[symbol] = t
                self.box.append((t, low, high))
            else:
                length = sp.ceiling(sp.log(high / low) * 1024) / sp.Integer(1024)
                self.values[symbol] = low * sp.exp(t) if symbol.is_integer else high * sp.exp(-t)
                self.box.append((t, sp.S.Zero, length))

    @property
    def scales(self) -> list[sp.Symbol]:
        return [t for t, low, _ in self.box if low == 0]

    def on_box(self, expression: sp.Expr) -> sp.Expr:
        """An expression in the parameters as one in the coordinates of the box."""
        return tamed(expression.xreplace(self.values), self.scales)

    def share(self, part: sp.Expr, whole: sp.Expr, formula: HittingFormula) -> sp.Expr:
        """``part / whole``, both possibly in z."""
        part, whole = (formula.in_target(each).xreplace(self.values) for each in (part, whole))
        return tamed_share(part, whole, self.scales)

    def point(self, where: Mapping[sp.Symbol, sp.Rational]) -> Point:
        """The parameters at a place in the box: integers and short fractions within the stated ends."""
        found = {}
        for symbol, low, high in self.statement.box:
            value = sp.N(self.values[symbol].xreplace(dict(where)), DIGITS)
            short = (
                sp.Integer(sp.floor(value)) if symbol.is_integer else sp.nsimplify(value, rational=True, tolerance=0.01)
            )
            found[symbol] = min(max(short, low), high)
        return found


def _worst_steps(statement: Duration) -> tuple[Side, ...]:
    """The box with the largest step size alone, where the form is proportional to 1/eta.

    Times eta the bracket is ``T_1 - eta k (log(H/h) + x)`` and ``T_1 + eta (1 + log(H/h_0))`` with T_1 free of eta, and
    k and x rising with it: both ends are furthest out at the largest.
    """
    eta = statement.system.step_size
    if (statement.form * eta).has(eta):
        return statement.box
    return tuple((symbol, high if symbol == eta else low, high) for symbol, low, high in statement.box)


def _witness(
    statement: Duration,
    recurrence: Recurrence,
    formula: HittingFormula,
    points: Iterable[Point],
) -> tuple[str, tuple[tuple[str, str], ...]] | None:
    """Parameters at which the number of steps breaks the bound, with that number: the first of the points that does."""
    symbols = [symbol for symbol, _, _ in statement.box]
    sides = [formula.in_target(formula.least), formula.in_target(formula.most), statement.form]
    with ARITHMETICS["ball"].working(DIGITS):
        codes = [compiled(each, symbols, BALLS) for each in sides]
        for point in points:
            places = [ARITHMETICS["ball"].number(point[symbol]) for symbol in symbols]
            low, high, form = (arb(code.value(*places)) for code in codes)
            verdict = _broken(statement, low, high, form)
            if verdict is None and high < COUNTED_STEPS:
                low = high = _counted(recurrence, point)
                verdict = _broken(statement, low, high, form)
            if verdict:
                shown = tuple((str(symbol), str(value)) for symbol, value in point.items())
                details = (*shown, ("steps", _shown(low, high)), ("form there", form.str(8, radius=False)))
                return "broken at a point of the range", details
    return None


def _broken(statement: Duration, low: arb, high: arb, form: arb) -> bool | None:
    """Whether ``low <= n <= high`` breaks the bounds; None where it does not say."""
    least, most = (None if each is None else _ball(each) * form for each in (statement.at_least, statement.at_most))
    if (most is not None and low > most) or (least is not None and high < least):
        return True
    return False if (most is None or high <= most) and (least is None or low >= least) else None


def _shown(low: arb, high: arb) -> str:
    if low == high:
        return str(whole_number(low))
    return f"from {low.str(20, radius=False)} to {high.str(20, radius=False)}"


def _grid(statement: Duration) -> list[Point]:
    """Corners of the box and sizes between, small numbers first."""
    symbols = [symbol for symbol, _, _ in statement.box]
    values = product(*(_stations(symbol, low, high) for symbol, low, high in statement.box))
    return sorted((dict(zip(symbols, each, strict=True)) for each in values), key=lambda p: max(p.values()))


def _stations(symbol: sp.Symbol, low: sp.Rational, high: sp.Rational) -> list[sp.Rational]:
    """The ends of a side, and for an integer the powers of ten between them."""
    between = [sp.Integer(10) ** k for k in range(LARGEST_POWER)] if symbol.is_integer else []
    return sorted({low, high, *(value for value in between if low < value < high)})


def _counted(recurrence: Recurrence, point: Point) -> arb:
    """The number of steps at a point, one by one; any number where that fails."""
    eta = point[recurrence.symmetric.system.step_size]
    run = Run(eta, until=Condition(LOSS, "<=", point[TARGET]), dps=10, max_steps=COUNTED_STEPS)
    try:
        reached = iterate(at_values(recurrence, point), run, "ball")
    except SymiclError:
        return arb(0, inf)
    return arb(reached.step) if reached.outcome == "reached" else arb(0, inf)


def at_values(recurrence: Recurrence, values: Point) -> Recurrence:
    """A recurrence with numbers for its parameters."""

    def put(expressions: tuple[sp.Expr, ...]) -> tuple[sp.Expr, ...]:
        return tuple(expression.xreplace(dict(values)) for expression in expressions)

    return replace(
        recurrence,
        readings=put(recurrence.readings),
        lift=put(recurrence.lift),
        updates=put(recurrence.updates),
        loss=recurrence.loss.xreplace(dict(values)),
        conserved=put(recurrence.conserved),
        start=put(recurrence.start),
    )
