"""How low a loss can get: its exact limit for one scalar, a rigorous lower bound for two.

A loss that falls along its only coordinate has its limit as infimum; prompt by prompt, for each set of cells that a
prompt may leave empty, that limit is a rational number or zero, and the sum over prompts is finite. For two
coordinates, the prompts that leave one cell empty depend on one coordinate alone; their share of the loss is minimised
by interval branch and bound, and the rest is at least 0.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from itertools import product

import sympy as sp
from flint import arb, fmpq

from symicl.algebra import Polynomial, Ratio, factored, field_of
from symicl.arithmetic import ARITHMETICS
from symicl.errors import DerivationError
from symicl.evaluate import compile_expressions, value_of
from symicl.expectation import Law, Multinomial, integrands
from symicl.indices import partial
from symicl.reduce import Recurrence
from symicl.signs import certificate, nonzero
from symicl.systems.base import System
from symicl.tables import multinomial_table

DPS = 30
EVALUATIONS = 300_000
"""Evaluations of one prompt's loss that branch and bound may spend."""

MAX_SPLITS = 3000
LONG_PROMPT = 1000
"""Beyond this length a two-scalar bound is not worth the work, and powers are not written out."""


def loss_floor(recurrence: Recurrence) -> arb | None:
    """A ball whose lower end no loss of the recurrence, at numeric parameters, falls below; None when none is known.

    Term by term (one a query): for one coordinate it encloses the infimum; for two it is a lower bound, close to the
    infimum at finite prompt length; for more it is 0.
    """
    terms = sp.Add.make_args(recurrence.loss)
    system = recurrence.symmetric.system
    if not all(certificate(system, term) for term in terms):
        return None
    with ARITHMETICS["ball"].working(DPS):
        return sum((_term_floor(recurrence, term) for term in terms), arb(0))


def _term_floor(recurrence: Recurrence, term: sp.Expr) -> arb:
    coordinates = [y for y in recurrence.coordinates if term.has(y)]
    try:
        if len(coordinates) == 1 and certificate(recurrence.symmetric.system, -partial(term, coordinates[0])):
            return _limit_in_balls(recurrence.symmetric.system, term, coordinates[0])
        if len(coordinates) == 2:
            return _two_scalar_floor(term, coordinates)
    except DerivationError:
        pass
    return arb(0)


def limit(system: System, loss: sp.Expr, coordinate: sp.Symbol) -> sp.Expr:
    """The limit of a loss as its only coordinate tends to infinity; exact.

    Raises ``DerivationError`` where it is infinite or has no closed form, or where a leading coefficient may vanish.
    """
    total = sp.Add(*(_power(share, trials) * value for share, trials, value in _limits(system, loss, coordinate)))
    return factored(total) if not total.has(sp.Pow) else total


def _limit_in_balls(system: System, loss: sp.Expr, coordinate: sp.Symbol) -> arb:
    """The same as a ball, at numeric parameters: no power of a long prompt is written out."""
    total, ball = arb(0), ARITHMETICS["ball"]
    for share, trials, value in _limits(system, loss, coordinate):
        weight = arb(value_of(share, ball, DPS)) ** int(trials)
        total += weight * value_of(value, ball, DPS)
    return total


def _limits(system: System, loss: sp.Expr, coordinate: sp.Symbol) -> Iterator[tuple[sp.Expr, sp.Expr, sp.Expr]]:
    """The limit of a loss as a sum of ``share ** trials * value``, terms (share, trials, value)."""
    plain, merged = integrands(loss)
    yield sp.S.One, sp.S.One, _limit(system, plain, coordinate)
    for law, body in merged.items():
        for weight, prompt in _prompts(law, body):
            value = _limit(system, prompt, coordinate)
            if value == 0:
                continue
            if weight is None:
                raise DerivationError(
                    f"prompts with several kinds of tokens keep the loss {value}; their share has no closed form"
                )
            yield *weight, value


def _prompts(law: Law, body: sp.Expr) -> Iterator[tuple[tuple[sp.Expr, sp.Expr] | None, sp.Expr]]:
    """For each set of nonempty cells: their share and the power it has, where one is full; the body of such prompts."""
    if not isinstance(law, Multinomial):
        raise DerivationError("the limit needs the law of cell totals")
    for present in product((False, True), repeat=len(law.cells)):
        empty = {total: sp.S.Zero for (total, _), here in zip(law.cells, present, strict=True) if not here}
        full = [(total, share) for (total, share), here in zip(law.cells, present, strict=True) if here]
        if not full:
            continue
        if len(full) == 1:
            total, share = full[0]
            yield (share, law.trials), body.xreplace({**empty, total: law.trials})
        else:
            # At least one token in each of these cells.
            some = {total: 1 + sp.Symbol(f"{total}_more", integer=True, nonnegative=True) for total, _ in full}
            yield None, body.xreplace({**empty, **some})


def _power(share: sp.Expr, trials: sp.Expr) -> sp.Expr:
    """``share ** trials``, left as it stands where the exact number would be long."""
    return sp.Pow(share, trials, evaluate=not (trials.is_Integer and trials > LONG_PROMPT))


def _limit(system: System, expression: sp.Expr, coordinate: sp.Symbol) -> sp.Expr:
    """The limit of a rational function of ``exp(coordinate)`` as the coordinate tends to infinity."""
    element = field_of([expression])(expression)
    moving = [atom for atom in element.field.atoms if coordinate in atom.free_symbols]
    if not moving:
        return element.expression()
    slope = partial(moving[0].args[0], coordinate) if isinstance(moving[0], sp.exp) else sp.S.Zero
    if len(moving) > 1 or coordinate in slope.free_symbols or not slope.is_positive:
        raise DerivationError(f"no limit of {expression} in {coordinate}")
    position = element.field.position[moving[0]]
    above, below = (_degree(p, position) for p in (element.numerator, element.denominator))
    if above > below:
        raise DerivationError(f"the loss of some prompts grows without bound in {coordinate}")
    leading = [
        _leading(element, p, position, degree)
        for p, degree in ((element.numerator, above), (element.denominator, below))
    ]
    if not nonzero(system, leading[1]):
        raise DerivationError(f"the leading coefficient {leading[1]} of a loss may vanish")
    if above < below:
        return sp.S.Zero
    return factored(leading[0] / leading[1])


def _degree(polynomial: Polynomial, position: int) -> int:
    return int(polynomial.degrees()[position])


def _leading(element: Ratio, polynomial: Polynomial, position: int, degree: int) -> sp.Expr:
    terms = {exponents: coefficient for exponents, coefficient in polynomial.terms() if exponents[position] == degree}
    lowered = {tuple(0 if i == position else e for i, e in enumerate(x)): c for x, c in terms.items()}
    return element.polynomial_expression(element.field.context.from_dict(lowered))


def _two_scalar_floor(term: sp.Expr, coordinates: list[sp.Symbol]) -> arb:
    """The best lower bound from the prompts that leave one cell empty."""
    plain, merged = integrands(term)
    if plain != 0 or len(merged) != 1:
        return arb(0)
    ((law, body),) = merged.items()
    if not isinstance(law, Multinomial):
        return arb(0)
    bounds = [arb(0)]
    for total, _ in law.cells:
        left = factored(body.xreplace({total: sp.S.Zero}))
        free = [y for y in coordinates if left.has(y)]
        if len(free) <= 1:
            bounds.append(_least_share(law, total, left, free[0] if free else coordinates[0]))
    return max(bounds, key=lambda bound: float(bound.lower()))


def _least_share(law: Multinomial, empty: sp.Symbol, body: sp.Expr, coordinate: sp.Symbol) -> arb:
    """A lower bound, over all values of the coordinate, of the share of the loss from prompts without one cell.

    The coordinate y is written ``exp(y) = b/(1-b)`` with b in [0, 1], where the body of each prompt is continuous.
    """
    ball = ARITHMETICS["ball"]
    share = sp.Dummy("b", nonnegative=True)
    totals = [total for total, _ in law.cells]
    if law.trials > LONG_PROMPT:
        return arb(0)
    table = multinomial_table(int(law.trials), [p for _, p in law.cells], ball, DPS)
    position = totals.index(empty)
    compactified = body.replace(sp.exp, lambda argument: (share / (1 - share)) ** (argument / coordinate))
    with ball.working(DPS):
        prompts = []
        without = [(o, w) for o, w in zip(table.outcomes, table.weights, strict=True) if o[position] == 0]
        for outcome, weight in without if len(without) <= LONG_PROMPT else []:
            own = factored(compactified.xreplace(dict(zip(totals, map(sp.Integer, outcome), strict=True))))
            prompts.append((weight, compile_expressions([own], [share], ball, DPS)))
        if not prompts:
            return arb(0)
        splits = min(MAX_SPLITS, EVALUATIONS // len(prompts))
        return _branch_and_bound(
            lambda box: sum((w * _nonnegative_part(f(box)[0]) for w, f in prompts), arb(0)), splits
        )


def _nonnegative_part(value: arb | int) -> arb:
    """The part of an enclosure of a nonnegative number that is not negative."""
    enclosure = arb(value)
    return enclosure.max(arb(0)) if enclosure.is_finite() else arb(0)


def _branch_and_bound(bound: Callable[[arb], arb], splits: int) -> arb:
    """A lower bound of a function on [0, 1] from interval enclosures: always split the box with the lowest bound."""
    queue: list[tuple[float, int, arb, fmpq, fmpq]] = []

    def push(left: fmpq, right: fmpq) -> None:
        value = bound(arb((left + right) / 2, 0) + arb(0, (right - left) / 2))
        heapq.heappush(queue, (float(value.lower()), len(queue), value, left, right))

    push(fmpq(0), fmpq(1))
    for _ in range(splits):
        _, _, _, left, right = heapq.heappop(queue)
        push(left, (left + right) / 2)
        push((left + right) / 2, right)
    lowest = queue[0][2]
    for _, _, value, _, _ in queue:
        lowest = lowest.min(value)
    return lowest
