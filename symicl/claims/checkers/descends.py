"""Whether a step can raise the loss: proved by certificates, certified at points, refuted by a step that does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice, product

import numpy as np
import sympy as sp
from flint import arb, ctx

from symicl.arithmetic import ARITHMETICS
from symicl.claims.base import Evidence, Outcome, Verdict
from symicl.claims.descends import Descends, DescendsAlong, DescendsAt, StableUpTo
from symicl.claims.points import sample_points
from symicl.errors import InputError, SymiclError, UndecidedError
from symicl.evaluate import compile_expressions, value_of
from symicl.indices import partial
from symicl.iterate import Row, Run, iterate
from symicl.monotone import falls_at_every_step_size, falls_up_to, half_space
from symicl.reduce import Recurrence, on_coordinates, reduce_system
from symicl.stability import rest_of

DIGITS = (30, 60, 120, 240)
"""Digits tried in turn: a loss near its limit changes by little."""

PARAMETERS = 6
"""Values of the parameters at which a witness is looked for."""

SCORES = (-12, -6, -3, -1, 0, 1, 3, 6, 12)
EXPONENTS = range(-1, 9)
"""Coordinates, and step sizes as powers of ten, of a witness."""

MARGIN = 1e-9
"""How much the loss has to rise, relatively and in float64, before balls are asked."""

RISES = "a step that raises the loss, in balls"


def decide_descends(statement: Descends) -> Outcome:
    """Proved by sign certificates; refuted by a state and a step size; else what the search for one did."""
    recurrence = reduce_system(statement.system)
    region = None if statement.where is None else half_space(recurrence, statement.where)
    if statement.up_to is not None:
        reasons, method = falls_up_to(recurrence, statement.up_to), "curvature of the loss (sign certificates)"
        summary = f"loss(t+1) <= loss(t) from every state at every step size up to {statement.up_to}"
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
        if losses is not None and losses[1] > losses[0] and _allowed(recurrence, statement, step):
            return _refuted(recurrence, step, losses)
    details = (("steps tried", str(tried)), ("step sizes", f"10^{EXPONENTS[0]} to 10^{EXPONENTS[-1]}"))
    verdict = Verdict.SUPPORTED if tried else Verdict.UNDECIDED
    return Outcome(verdict, Evidence("search", "no certificate, and no step was found that raises the loss", details))


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
    bound = None if statement.up_to is None else statement.up_to.xreplace(parameters)
    sizes = [sp.Integer(10) ** exponent for exponent in EXPONENTS]
    if bound is not None:
        sizes = [size for size in (bound, bound / 2, *sizes) if size <= bound]
    per_step = {recurrence.symmetric.system.step_size: sp.S.One}
    moves = [update.xreplace(per_step).xreplace(parameters) for update in recurrence.updates]
    float64 = ARITHMETICS["float64"]
    try:
        evaluate = compile_expressions(
            [recurrence.loss.xreplace(parameters), *moves], recurrence.coordinates, float64, 15
        )
    except SymiclError:
        return 0, []
    tried, found = 0, []
    for scores in product(map(sp.Integer, SCORES), repeat=len(recurrence.coordinates)):
        if not _allowed(recurrence, statement, _Step(parameters, scores, sp.S.One)):
            continue
        before = _floats(evaluate, [float(y) for y in scores])
        for eta in sizes:
            tried += 1
            after = _floats(evaluate, [float(y) + float(eta) * u for y, u in zip(scores, before[1:], strict=True)])
            if after[0] > before[0] * (1 + MARGIN):
                found.append(_Step(parameters, scores, eta))
    return tried, found


def _floats(evaluate: object, point: Sequence[float]) -> list[float]:
    """The values, or NaN where they overflow."""
    assert callable(evaluate)
    try:
        with np.errstate(all="ignore"):
            return [float(value) for value in evaluate(*point)]
    except ArithmeticError:
        return [float("nan")] * (len(point) + 1)


def _allowed(recurrence: Recurrence, statement: Descends, step: _Step) -> bool:
    """Whether a step starts in the region, certainly, and is no longer than the bound."""
    if statement.where is not None:
        lift = dict(zip(recurrence.states, recurrence.lift, strict=True))
        values = {**dict(zip(recurrence.coordinates, step.point, strict=True)), **step.parameters}
        sides = [side.xreplace(lift).xreplace(values) for side in (statement.where.left, statement.where.right)]
        try:
            return _certainly(statement.where.relation, *(_ball(side) for side in sides))
        except SymiclError:
            return False
    return True


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
    named = [(f"at {symbol}", str(value)) for symbol, value in step.parameters.items()]
    named += [(f"at {symbol}", str(value)) for symbol, value in zip(recurrence.states, states, strict=True)]
    shown = [("loss before", losses[0].str(20)), ("loss after", losses[1].str(20))]
    return (*named, ("step size", str(step.eta)), *shown)


def decide_descends_at(statement: DescendsAt) -> Outcome:
    """Certified or refuted by disjoint balls around the two losses."""
    recurrence = reduce_system(statement.system)
    state = dict(statement.state)
    for form in recurrence.conserved:
        _require_conserved(recurrence, form, state)
    point = tuple(form.xreplace(state) for form in recurrence.readings)
    step = _Step({}, point, statement.eta)
    losses = _losses(recurrence, step)
    if losses is None:
        summary = f"the losses before and after agree to {DIGITS[-1]} digits"
        return Outcome(Verdict.UNDECIDED, Evidence(RISES, summary))
    if losses[1] > losses[0]:
        return _refuted(recurrence, step, losses)
    summary = f"the loss falls from {losses[0].str(10, radius=False)} to {losses[1].str(10, radius=False)}"
    return Outcome(Verdict.CERTIFIED, Evidence("one step in balls", summary, _shown(recurrence, step, losses)))


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
            continue
        except SymiclError as error:
            return Outcome(Verdict.UNDECIDED, Evidence(RISES, str(error)))
        details = (("step size", str(statement.eta)), ("loss at the end", end.str(15)), ("least fall", least.str(5)))
        summary = f"the loss falls in each of the steps 1 to {statement.steps}"
        return Outcome(Verdict.CERTIFIED, Evidence("every step in ball arithmetic, from the start", summary, details))
    return Outcome(Verdict.UNDECIDED, Evidence(RISES, f"{problem}; tried up to {DIGITS[-1]} digits"))


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
    details = [("step", str(rises.after.step)), ("step size", str(statement.eta))]
    details += [(name, value.str(12)) for name, value in zip(names, rises.before.states, strict=True)]
    details += [("loss before", rises.before.loss.str(15)), ("loss after", rises.after.loss.str(15))]
    return Outcome(
        Verdict.REFUTED, Evidence(RISES, f"step {rises.after.step} is the first to raise the loss", tuple(details))
    )


def decide_stable_up_to(statement: StableUpTo) -> Outcome:
    """Certified where the ball of the bound lies in the interval, refuted where it lies outside."""
    method = "zero enclosed by Krawczyk's test, curvature in balls"
    rest = rest_of(reduce_system(statement.system), DIGITS[0])
    low, high = _ball(statement.low), _ball(statement.high)
    names = [str(reading) for reading in rest.face.readings]
    details = [(f"{y} at", str(end)) for y, end in rest.face.escaping.items()]
    details += [(name, value.str(15)) for name, value in zip(names, rest.place, strict=True)]
    details += [("loss", rest.loss.str(15)), ("curvature", rest.curvature.str(15)), ("bound", rest.bound.str(15))]
    if rest.bound >= low and rest.bound <= high:
        return Outcome(Verdict.CERTIFIED, Evidence(method, "the bound lies in the interval", tuple(details)))
    if rest.bound < low or rest.bound > high:
        return Outcome(Verdict.REFUTED, Evidence(method, "the bound lies outside the interval", tuple(details)))
    return Outcome(Verdict.UNDECIDED, Evidence(method, "the bound is too near an end of the interval", tuple(details)))
