"""Whether a step can raise the loss: proved by certificates, certified at points, refuted by a step that does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice, product
from random import Random

import numpy as np
import sympy as sp
from flint import arb, ctx

from symicl.algebra import identically_zero
from symicl.arithmetic import ARITHMETICS
from symicl.claims.base import Evidence, Outcome, Verdict, shown
from symicl.claims.descends import Descends, DescendsAlong, DescendsAt, StableUpTo
from symicl.claims.points import sample_points
from symicl.errors import BudgetError, InputError, SymiclError, UndecidedError
from symicl.evaluate import Function, compile_expressions, value_of
from symicl.indices import partial
from symicl.iterate import Row, Run, iterate
from symicl.monotone import falls_at_every_step_size, falls_up_to, half_space, loss_is_constant, rests_at
from symicl.reduce import Recurrence, on_coordinates, reduce_system
from symicl.stability import flow_ends_at, rest_of

DIGITS = (30, 60, 120, 240)
"""Digits tried in turn: a loss near its limit changes by little."""

PARAMETERS = 6
"""Values of the parameters at which a witness is looked for."""

SCORES = (-12, -6, -3, -1, 0, 1, 3, 6, 12)
EXPONENTS = range(-1, 9)
"""Coordinates, and step sizes as powers of ten, of a witness."""

FLOAT_DECADES = sp.Integer(300)
MOST_STATES = 20_000
"""Of more states than these a sample is tried, always the same one."""

MARGIN = 1e-9
"""How much the loss has to rise, relatively and in float64, before balls are asked."""

RISES = "a step that raises the loss, in balls"
CONSTANT = "no step changes the loss, in the fraction field"


def decide_descends(statement: Descends) -> Outcome:
    """Proved by sign certificates; refuted by a state and a step size; else what the search for one did."""
    recurrence = reduce_system(statement.system)
    region = None if statement.where is None else half_space(recurrence, statement.where)
    if statement.up_to is not None:
        reasons, method = falls_up_to(recurrence, statement.up_to), "curvature of the loss (sign certificates)"
        summary = f"loss(t+1) <= loss(t) from every state at every step size up to {shown(statement.up_to)}"
    else:
        reasons, method = falls_at_every_step_size(recurrence, region), "the loss falls along every ray (signs)"
        where = "from every state" if statement.where is None else f"from every state with {statement.where}"
        summary = f"loss(t+1) <= loss(t) {where}, at every step size"
    if reasons is not None:
        return Outcome(Verdict.PROVED, Evidence(method, summary, tuple(reasons)))
    return _searched(recurrence, statement)


@dataclass(frozen=True)
class _Step:
    """A step from exact values; ``size`` orders witnesses, the smallest numbers first."""

    parameters: dict[sp.Symbol, sp.Rational]
    point: tuple[sp.Rational, ...]
    eta: sp.Rational

    @property
    def size(self) -> tuple[int, ...]:
        return (sum(int(abs(y)) for y in self.point), int(sp.ceiling(abs(sp.log(self.eta, 10)))))


def _searched(recurrence: Recurrence, statement: Descends) -> Outcome:
    """Refuted by the smallest of the steps that float64 proposes and balls confirm."""
    tried, proposals = 0, []
    for parameters in islice(_parameters(recurrence), PARAMETERS):
        count, found = _proposals(recurrence, statement, parameters)
        tried += count
        proposals += found
        if proposals:
            break
    for step in sorted(proposals, key=lambda each: each.size)[:20]:
        losses = _losses(recurrence, step)
        if losses is not None and losses[1] > losses[0]:
            return _refuted(recurrence, step, losses)
    if loss_is_constant(recurrence):
        return Outcome(Verdict.PROVED, Evidence(CONSTANT, "no step from any state changes the loss"))
    within = "" if statement.up_to is None else ", up to the bound"
    details = [("steps tried", str(tried)), ("step sizes", f"10^{EXPONENTS[0]} to 10^{EXPONENTS[-1]}{within}")]
    if len(SCORES) ** len(recurrence.coordinates) > MOST_STATES:
        details.append(("states", f"a sample of {MOST_STATES} out of {len(SCORES)}^{len(recurrence.coordinates)}"))
    verdict = Verdict.SUPPORTED if tried else Verdict.UNDECIDED
    return Outcome(
        verdict, Evidence("search", "no certificate, and no step was found that raises the loss", tuple(details))
    )


def _parameters(recurrence: Recurrence) -> Iterator[dict[sp.Symbol, sp.Rational]]:
    """Distinct exact values of the parameters, small ones first; one empty set where there are none."""
    system = recurrence.symmetric.system
    wanted = {parameter.symbol for parameter in system.parameters}
    seen: set[tuple[tuple[str, str], ...]] = set()
    for point in sample_points(system, sp.Add(recurrence.loss, *wanted)):
        values = {symbol: value for symbol, value in point.symbols.items() if symbol in wanted}
        key = tuple(sorted((str(symbol), str(value)) for symbol, value in values.items()))
        if key not in seen:
            seen.add(key)
            yield values


def _proposals(
    recurrence: Recurrence, statement: Descends, parameters: dict[sp.Symbol, sp.Rational]
) -> tuple[int, list[_Step]]:
    """Steps that seem to raise the loss in float64, at states with small whole coordinates; how many were tried."""
    sizes = _step_sizes(None if statement.up_to is None else statement.up_to.xreplace(parameters))
    if not sizes:
        return 0, []
    per_step = {recurrence.symmetric.system.step_size: sp.S.One}
    moves = [update.xreplace(per_step).xreplace(parameters) for update in recurrence.updates]
    float64 = ARITHMETICS["float64"]
    try:
        evaluate = compile_expressions(
            [recurrence.loss.xreplace(parameters), *moves], recurrence.coordinates, float64, 15
        )
        allowed = _region(recurrence, statement, parameters)
    except SymiclError:
        return 0, []
    tried, found = 0, []
    for scores in _states(len(recurrence.coordinates)):
        if not allowed(scores):
            continue
        before = _floats(evaluate, [float(y) for y in scores])
        for eta in sizes:
            tried += 1
            after = _floats(evaluate, [float(y) + float(eta) * u for y, u in zip(scores, before[1:], strict=True)])
            if after[0] > before[0] * (1 + MARGIN):
                found.append(_Step(parameters, tuple(map(sp.Integer, scores)), eta))
    return tried, found


def _step_sizes(bound: sp.Expr | None) -> list[sp.Rational]:
    """The step sizes to try: powers of ten and, where there is a bound, only what is > 0 and no larger."""
    sizes = [sp.Integer(10) ** exponent for exponent in EXPONENTS]
    if bound is None:
        return sizes
    if not (bound.is_finite and bound.is_positive):
        return []
    within = [size for size in (bound, bound / 2, *sizes) if size.is_Rational and (bound - size).is_nonnegative]
    return [size for size in within if 10**-FLOAT_DECADES < size < 10**FLOAT_DECADES]


def _states(width: int) -> Iterator[tuple[int, ...]]:
    """States with coordinates in ``SCORES``: all, or a sample where they are too many."""
    if len(SCORES) ** width <= MOST_STATES:
        return product(SCORES, repeat=width)
    random = Random(0)
    return (tuple(random.choices(SCORES, k=width)) for _ in range(MOST_STATES))


def _floats(evaluate: Function, point: Sequence[float]) -> list[float]:
    """The values, or NaN where they overflow."""
    try:
        with np.errstate(all="ignore"):
            return [float(value) for value in evaluate(*point)]
    except (ArithmeticError, BudgetError, UndecidedError):  # scores out of range or too far apart
        return [float("nan")] * (len(point) + 1)


def _region(
    recurrence: Recurrence, statement: Descends, parameters: dict[sp.Symbol, sp.Rational]
) -> Callable[[Sequence[int]], bool]:
    """Whether a state lies in the region of the statement, certainly."""
    if statement.where is None:
        return lambda scores: True
    relation, ball = statement.where.relation, ARITHMETICS["ball"]
    lift = dict(zip(recurrence.states, recurrence.lift, strict=True))
    sides = [side.xreplace(lift).xreplace(parameters) for side in (statement.where.left, statement.where.right)]
    with ball.working(DIGITS[0]):
        read = compile_expressions(sides, recurrence.coordinates, ball, DIGITS[0])

    def inside(scores: Sequence[int]) -> bool:
        with ball.working(DIGITS[0]):
            left, right = map(arb, read(*map(ball.number, scores)))
            return _certainly(relation, left, right)

    return inside


def _ball(number: sp.Expr) -> arb:
    return arb(value_of(sp.sympify(number, strict=True), ARITHMETICS["ball"], DIGITS[0]))


def _certainly(relation: str, left: arb, right: arb) -> bool:
    return bool({"<=": left <= right, "<": left < right, ">=": left >= right, ">": left > right}[relation])


def _losses(recurrence: Recurrence, step: _Step) -> tuple[arb, arb] | None:
    """The loss before and after a step as disjoint balls; None where they overlap at every precision tried."""
    ball = ARITHMETICS["ball"]
    size = {recurrence.symmetric.system.step_size: step.eta, **step.parameters}
    moved = [y + u.xreplace(size) for y, u in zip(recurrence.coordinates, recurrence.updates, strict=True)]
    for digits in DIGITS:
        with ball.working(digits):
            read = compile_expressions(
                [recurrence.loss.xreplace(step.parameters)], recurrence.coordinates, ball, digits
            )
            advance = compile_expressions(moved, recurrence.coordinates, ball, digits)
            point = [ball.number(y) for y in step.point]
            before, after = read(*point)[0], read(*advance(*point))[0]
            if before < after or after < before:
                return before, after
    return None


def _refuted(recurrence: Recurrence, step: _Step, losses: tuple[arb, arb]) -> Outcome:
    before, after = losses
    summary = f"the loss rises from {before.str(10, radius=False)} to {after.str(10, radius=False)}"
    return Outcome(Verdict.REFUTED, Evidence(RISES, summary, _shown(recurrence, step, losses)))


def _shown(recurrence: Recurrence, step: _Step, losses: tuple[arb, arb]) -> tuple[tuple[str, str], ...]:
    place = dict(zip(recurrence.coordinates, step.point, strict=True))
    states = [form.xreplace({**place, **step.parameters}) for form in recurrence.lift]
    named = [(f"at {symbol}", shown(value)) for symbol, value in step.parameters.items()]
    named += [(f"at {symbol}", shown(value)) for symbol, value in zip(recurrence.states, states, strict=True)]
    both = [("loss before", losses[0].str(20)), ("loss after", losses[1].str(20))]
    return (*named, ("step size", shown(step.eta)), *both)


def decide_descends_at(statement: DescendsAt) -> Outcome:
    """Certified or refuted by disjoint balls around the two losses."""
    recurrence = reduce_system(statement.system)
    state = dict(statement.state)
    for form in recurrence.conserved:
        _require_conserved(recurrence, form, state)
    point = tuple(form.xreplace(state) for form in recurrence.readings)
    step = _Step({}, point, statement.eta)
    losses = _losses(recurrence, step)
    if losses is None and _same_loss(recurrence, step):
        details = (("step size", shown(statement.eta)),)
        return Outcome(Verdict.PROVED, Evidence(CONSTANT, "the loss after the step is the same", details))
    if losses is None:
        summary = f"the losses before and after agree to {DIGITS[-1]} digits"
        return Outcome(Verdict.UNDECIDED, Evidence(RISES, summary))
    if losses[1] > losses[0]:
        return _refuted(recurrence, step, losses)
    summary = f"the loss falls from {losses[0].str(10, radius=False)} to {losses[1].str(10, radius=False)}"
    return Outcome(Verdict.CERTIFIED, Evidence("one step in balls", summary, _shown(recurrence, step, losses)))


def _same_loss(recurrence: Recurrence, step: _Step) -> bool:
    """Whether a step from exact values leaves the loss as it is, exactly; asked where balls of any width overlap."""
    place = dict(zip(recurrence.coordinates, step.point, strict=True))
    if rests_at(recurrence, place) or loss_is_constant(recurrence):
        return True
    size = {recurrence.symmetric.system.step_size: step.eta}
    pairs = zip(recurrence.coordinates, recurrence.updates, strict=True)
    after = {y: place[y] + update.xreplace(size).xreplace(place) for y, update in pairs}
    try:
        return identically_zero(recurrence.loss.xreplace(after) - recurrence.loss.xreplace(place))
    except SymiclError:
        return False


def _require_conserved(recurrence: Recurrence, form: sp.Expr, state: dict[sp.Symbol, sp.Rational]) -> None:
    starts = {each.symbol: each.coordinate.start for each in recurrence.symmetric.states}
    found, wanted = form.xreplace(state), form.xreplace(starts)
    if found != wanted:
        raise InputError(
            f"{form} is {found} at this state, and {wanted} all along training",
            where="at",
            remedy="give a state it can be in",
        )


class _Rises(Exception):
    """A step raises the loss: the run need not go on."""

    def __init__(self, before: Row, after: Row) -> None:
        self.before, self.after = before, after
        super().__init__()


def decide_descends_along(statement: DescendsAlong) -> Outcome:
    """Certified over the run, refuted at the first step that raises the loss; more digits where balls overlap."""
    problem = ""
    for digits in DIGITS:
        try:
            end, least = _followed(statement, digits)
        except _Rises as rises:
            return _first_rise(statement, rises)
        except UndecidedError as error:
            problem = str(error)
            if digits == DIGITS[0] and _never_changes(statement):
                steps = (("steps", str(statement.steps)), ("step size", shown(statement.eta)))
                return Outcome(Verdict.PROVED, Evidence(CONSTANT, "the loss stays as it is at the start", steps))
            continue
        except SymiclError as error:
            return Outcome(Verdict.UNDECIDED, Evidence(RISES, str(error)))
        details = (("step size", shown(statement.eta)), ("loss at the end", end.str(15)), ("least fall", least.str(5)))
        summary = f"the loss falls in each of the steps 1 to {statement.steps}"
        return Outcome(Verdict.CERTIFIED, Evidence("every step in ball arithmetic, from the start", summary, details))
    return Outcome(Verdict.UNDECIDED, Evidence(RISES, f"{problem}; tried up to {DIGITS[-1]} digits"))


def _never_changes(statement: DescendsAlong) -> bool:
    recurrence = reduce_system(statement.system)
    start = dict(zip(recurrence.coordinates, recurrence.start, strict=True))
    return rests_at(recurrence, start) or loss_is_constant(recurrence)


def _followed(statement: DescendsAlong, digits: int) -> tuple[arb, arb]:
    """The last loss and the least fall of a run. Raises ``_Rises``, or ``UndecidedError`` where nothing tells."""
    recurrence = reduce_system(statement.system)
    rows: list[Row] = []
    least = arb("inf")

    def on_row(row: Row) -> None:
        nonlocal least
        if rows:
            before = rows[-1]
            fall = before.loss - row.loss
            if not (fall > 0 or fall < 0):
                fall = _fall(recurrence, statement.eta, before)
            if fall < 0:
                raise _Rises(before, row)
            if not fall > 0:  # the loop starts again with more digits, and offers this row once more
                raise UndecidedError(f"the losses at steps {before.step} and {row.step} overlap")
            least = least.min(fall)
        rows[:] = [row]

    run = Run(statement.eta, steps=statement.steps, dps=digits, max_steps=statement.steps)
    iterate(recurrence, run, "ball", on_row=on_row)
    return rows[-1].loss, least


@lru_cache(maxsize=16)
def _slopes(recurrence: Recurrence, eta: sp.Rational, digits: int) -> Callable[..., Sequence[arb]]:
    """The increments of one step, then the slopes of the loss."""
    size = {recurrence.symmetric.system.step_size: eta}
    moves = [update.xreplace(size) for update in recurrence.updates]
    slopes = [on_coordinates(partial(recurrence.loss, y), {}) for y in recurrence.coordinates]
    return compile_expressions([*moves, *slopes], recurrence.coordinates, ARITHMETICS["ball"], digits)


def _fall(recurrence: Recurrence, eta: sp.Rational, row: Row) -> arb:
    """How much the next step lowers the loss, where that is far below the loss's digits: the mean value theorem."""
    evaluate = _slopes(recurrence, eta, ctx.dps)
    point = compile_expressions(recurrence.readings, recurrence.states, ARITHMETICS["ball"], ctx.dps)(*row.states)
    size = len(point)
    moves = evaluate(*point)[:size]
    between = [y.union(y + move) for y, move in zip(point, moves, strict=True)]
    slopes = evaluate(*between)[size:]
    return -sum((slope * move for slope, move in zip(slopes, moves, strict=True)), arb(0))


def _first_rise(statement: DescendsAlong, rises: _Rises) -> Outcome:
    names = [f"{symbol} before" for symbol in reduce_system(statement.system).states]
    details = [("step", str(rises.after.step)), ("step size", shown(statement.eta))]
    details += [(name, value.str(12)) for name, value in zip(names, rises.before.states, strict=True)]
    details += [("loss before", rises.before.loss.str(15)), ("loss after", rises.after.loss.str(15))]
    return Outcome(
        Verdict.REFUTED, Evidence(RISES, f"step {rises.after.step} is the first to raise the loss", tuple(details))
    )


def decide_stable_up_to(statement: StableUpTo) -> Outcome:
    """Certified where the ball of the bound lies in the interval, refuted where it lies outside.

    Both only where the flow from the start certainly ends at the point found; else supported, and undecided.
    """
    method = "zero enclosed by Krawczyk's test, curvature in balls, the way to it by signs"
    rest = rest_of(reduce_system(statement.system), DIGITS[0])
    low, high = _ball(statement.low), _ball(statement.high)
    names = [str(reading) for reading in rest.face.readings]
    details = [(f"{y} at", str(end)) for y, end in rest.face.escaping.items()]
    details += [(name, value.str(15)) for name, value in zip(names, rest.place, strict=True)]
    details += [("loss", rest.loss.str(15)), ("curvature", rest.curvature.str(15)), ("bound", rest.bound.str(15))]
    inside = rest.bound >= low and rest.bound <= high
    if not inside and not (rest.bound < low or rest.bound > high):
        summary = "the bound is too near an end of the interval"
        return Outcome(Verdict.UNDECIDED, Evidence(method, summary, tuple(details)))
    ends_there = flow_ends_at(rest)
    details.append(("flow from the start", "ends there" if ends_there else "is not certain to end there"))
    summary = f"the bound lies {'in' if inside else 'outside'} the interval"
    if ends_there:
        verdict = Verdict.CERTIFIED if inside else Verdict.REFUTED
    else:
        verdict = Verdict.SUPPORTED if inside else Verdict.UNDECIDED
        summary += "; another point of rest may be meant"
    return Outcome(verdict, Evidence(method, summary, tuple(details)))
