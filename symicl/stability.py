"""Where training can come to rest at finite scores, and up to which step size it stays there: certified.

At the minimiser of a loss (on the face where one coordinate has escaped, see ``faces``) the step is ``y <- y + eta
u(y)`` with ``u = 0``; its derivative ``1 + eta u'`` has modulus below 1 exactly where ``0 < eta < 2/lambda``, lambda
the largest eigenvalue of ``-u'``: the curvature of the loss as the step sees it. Newton proposes the point; Krawczyk's
operator proves that a ball around it holds one zero and no other. (R. Krawczyk, "Newton-Algorithmen zur Bestimmung von
Nullstellen mit Fehlerschranken", Computing 4, 1969.) A loss may have several minimisers: the one meant is that at which
downhill flow on the face ends, from where training starts; along one coordinate, ``flow_ends_at`` certifies it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np
import sympy as sp
from flint import acb_mat, arb, arb_mat, fmpq

from symicl.arithmetic import ARITHMETICS, check_dps
from symicl.errors import BudgetError, DerivationError, InputError, UndecidedError
from symicl.evaluate import compile_expressions
from symicl.expectation import integrands
from symicl.faces import Face, face_of
from symicl.indices import partial
from symicl.reduce import Recurrence, on_coordinates

GUARD_DIGITS = 20
FARTHEST = 200.0
"""No finite point is looked for beyond this distance from zero."""

SEARCH_STEPS = 2000
NEWTON_STEPS = 60
MAX_PIECES = 2000
"""Into how many pieces the way from the start to a point of rest may be cut."""

TRIES = 4
"""How often the precision is doubled before a point that Krawczyk's test does not accept is given up."""

Balls = tuple[arb, ...]


@dataclass(frozen=True)
class Rest:
    """A point at which the other coordinates of a face rest, with how fast small deviations move; all balls.

    ``place`` are the coordinates, ``loss`` the loss there, ``rates`` the eigenvalues of minus the Jacobian of the
    update per unit of step size, in ascending order and all certainly positive; ``bound`` is 2 over the largest: below
    it the point attracts, above it it does not. Implicit steps along the downhill flow from the start led to it; that
    the flow ends there is for ``flow_ends_at`` to say, and there may be others. ``dps`` digits were asked for.
    """

    face: Face
    place: Balls
    loss: arb
    rates: Balls
    bound: arb
    dps: int

    @property
    def curvature(self) -> arb:
        """The largest rate: a ball around it where those of several overlap."""
        with ARITHMETICS["ball"].working(self.dps + GUARD_DIGITS):
            largest: arb = ARITHMETICS["ball"].greatest(self.rates)
            return largest

    def multipliers(self, eta: sp.Rational) -> Balls:
        """The eigenvalues of the derivative of one step of size eta at the point."""
        with ARITHMETICS["ball"].working(self.dps + GUARD_DIGITS):
            size = _step_size(eta)
            return tuple(1 - size * rate for rate in self.rates)

    def attracts(self, eta: sp.Rational) -> bool:
        """Whether every multiplier is less than 1 in modulus (True), or one is more (False).

        Raises ``UndecidedError`` where the ball of the bound holds eta.
        """
        with ARITHMETICS["ball"].working(self.dps + GUARD_DIGITS):
            size = _step_size(eta)
            if size.overlaps(self.bound):
                raise UndecidedError(
                    f"the step size {eta} cannot be told from the bound", where="eta", remedy="raise --dps, or move it"
                )
            return bool(size < self.bound)


@dataclass(frozen=True)
class Cycle:
    """Two points of a face that one step of size ``eta`` exchanges, their losses, and the multipliers of two steps.

    The cycle attracts where both are certainly less than 1 in modulus. All balls.
    """

    eta: sp.Rational
    places: tuple[Balls, Balls]
    losses: tuple[arb, arb]
    multipliers: tuple[arb, ...]


def rest_of(recurrence: Recurrence, dps: int = 30) -> Rest:
    """Where a recurrence, at exact parameters, comes to rest at finite scores or on its face; certified.

    Raises ``DerivationError`` where the loss falls to an infimum at infinity along all coordinates, where nothing moves
    on the face, or for parameters without a value; ``BudgetError`` where no point was found or the means over prompts
    are too long; ``UndecidedError`` where Krawczyk's test or a sign stays undecided.
    """
    if recurrence.symmetric.system.parameters:
        names = ", ".join(parameter.name for parameter in recurrence.symmetric.system.parameters)
        raise DerivationError(f"no value for {names}", remedy="give every parameter an exact value")
    face = face_of(recurrence)
    still = [y for y, update in zip(face.coordinates, face.updates, strict=True) if _vanishes(update)]
    if still:
        raise _motionless(face, still)
    guess = _proposed(face)
    for doubling in range(TRIES):
        working = (check_dps(dps) + GUARD_DIGITS) * 2**doubling
        with ARITHMETICS["ball"].working(working):
            found = _certified(face, guess, working)
            if found is not None:
                return Rest(face, *found, dps)
    raise UndecidedError(
        "Krawczyk's test accepts no ball around the point found", where=str(guess), remedy="raise --dps"
    )


def flow_ends_at(rest: Rest) -> bool:
    """Whether downhill flow on the face, from where training starts, certainly ends at the point; one coordinate only.

    In balls, on pieces of the way from the start: the update leads towards the point, and falls through zero just once
    around it. False where that is not certain, which is no proof of the contrary.
    """
    if len(rest.place) != 1:
        return False
    ((y,), (update,), (place,)) = rest.face.coordinates, rest.face.updates, rest.place
    working = rest.dps + GUARD_DIGITS
    ball = ARITHMETICS["ball"]
    with ball.working(working):
        (start,) = (arb(x) for x in compile_expressions(rest.face.start, (), ball, working)())
        code = compile_expressions([update, *_jacobian([update], [y])], (y,), ball, working)
        whole = start.union(place)
        side = 1 if place.mid() > start.mid() else -1
        pieces = [(whole.lower(), whole.upper())]
        for _ in range(MAX_PIECES):
            if not pieces:
                return True
            low, high = pieces.pop()
            if not _leads_on(code, low.union(high), place, side):
                middle = ((low + high) / 2).mid()
                pieces += [(low, middle), (middle, high)]
    return False


def _leads_on(code: Callable[..., Sequence[arb]], piece: arb, place: arb, side: int) -> bool:
    """Whether the update has one sign on a piece of the way, or falls all along one that meets the point."""
    try:
        move, slope = map(arb, code(piece))
        if piece.overlaps(place):
            return bool(slope < 0)
        return bool(side * move > 0 or side * (code(piece.mid())[0] + slope * (piece - piece.mid())) > 0)
    except (BudgetError, UndecidedError):
        return False


def two_cycle(rest: Rest, eta: sp.Rational) -> Cycle:
    """A cycle of two points around a rest that no longer attracts, certified; for a face of one coordinate.

    Raises ``InputError`` where the rest attracts or the face has more coordinates, ``BudgetError`` where none is found,
    ``UndecidedError`` where it is not certified.
    """
    if len(rest.place) != 1:
        raise InputError("a cycle is looked for along one coordinate", where=_shown(rest.face))
    if rest.attracts(eta):
        raise InputError(
            f"at the step size {eta} the point of rest attracts", where="eta", remedy="give one above the bound"
        )
    (y,) = rest.face.coordinates
    (update,) = rest.face.updates
    other = sp.Dummy("y_next", real=True)
    # A cycle (y, y'): y' = y + eta u(y) and y = y' + eta u(y').
    there = update.xreplace({y: other})
    equations = [y + eta * update - other, other + eta * there - y]
    guess = _cycle_proposed(rest, eta)
    working = rest.dps + GUARD_DIGITS
    with ARITHMETICS["ball"].working(working):
        place = _zero(equations, (y, other), guess, working)
        if place is None or not (place[0] < rest.place[0] < place[1] or place[1] < rest.place[0] < place[0]):
            raise UndecidedError("Krawczyk's test accepts no cycle around the points found", where=str(guess))
        values = compile_expressions([rest.face.loss, *_jacobian([update], [y])], (y,), ARITHMETICS["ball"], working)
        (first, one), (second, two) = values(place[0]), values(place[1])
        size = _step_size(eta)
        return Cycle(eta, ((place[0],), (place[1],)), (first, second), ((1 + size * one) * (1 + size * two),))


def _motionless(face: Face, coordinates: Sequence[sp.Symbol]) -> DerivationError:
    named = dict(zip(face.coordinates, face.readings, strict=True))
    return DerivationError(
        f"{', '.join(str(named[y]) for y in coordinates)} does not move once {_shown(face)}: there is no minimiser",
        where=face.recurrence.symmetric.system.id,
        remedy="prompts have to be finite, and to hold two tokens or more",
    )


def _step_size(eta: sp.Rational) -> arb:
    return arb(fmpq(int(eta.p), int(eta.q)))


def _shown(face: Face) -> str:
    readings = dict(zip(face.recurrence.coordinates, face.recurrence.readings, strict=True))
    ends = {sp.oo: "inf", -sp.oo: "-inf"}
    return ", ".join(f"{readings[y]} is at {ends[end]}" for y, end in face.escaping.items()) or "training has begun"


def _vanishes(update: sp.Expr) -> bool:
    plain, merged = integrands(update)
    return plain == 0 and all(body == 0 for body in merged.values())


def _jacobian(updates: Sequence[sp.Expr], coordinates: Sequence[sp.Symbol]) -> list[sp.Expr]:
    return [on_coordinates(partial(update, y), {}) for update in updates for y in coordinates]


def _floats(expressions: Sequence[sp.Expr], coordinates: Sequence[sp.Symbol]) -> Callable[..., np.ndarray]:
    """The expressions in float64, as an array; NaN where they overflow."""
    evaluate = compile_expressions(expressions, coordinates, ARITHMETICS["float64"], 15)

    def values(*point: float) -> np.ndarray:
        try:
            with np.errstate(all="ignore"):
                return np.array(evaluate(*map(float, point)), dtype=float)
        except (ArithmeticError, BudgetError, UndecidedError):  # scores out of range or too far apart
            return np.full(len(expressions), np.nan)

    return values


def _unit(face: Face) -> sp.Rational:
    """A positive number of the size of the updates: at long prompts they are far below the range of float64."""
    return max((abs(update.as_coeff_Mul(rational=True)[0]) for update in face.updates), default=sp.S.One)


def _proposed(face: Face) -> tuple[float, ...]:
    """A zero of the updates by implicit steps of growing size along the flow from the start, in float64.

    Along a flow downhill they end at a minimiser, never at a maximum; a coordinate without one runs away.
    """
    size, unit = len(face.coordinates), _unit(face)
    updates = [update / unit for update in face.updates]
    evaluate = _floats([*updates, *_jacobian(updates, face.coordinates)], face.coordinates)
    start = compile_expressions(face.start, (), ARITHMETICS["float64"], 15)()
    point = np.array([float(s) for s in start])
    values = evaluate(*point)
    if not values.any():
        raise _motionless(face, face.coordinates)
    scale = float(np.abs(values).max())
    damping = scale
    for _ in range(SEARCH_STEPS):
        move, jacobian = values[:size], values[size:].reshape(size, size)
        # Where the loss curves down, a step has to be damped by more than that to go downhill.
        held = max(damping, 2 * float(np.linalg.eigvals(jacobian).real.max()))
        step = np.linalg.solve(held * np.eye(size) - jacobian, move)
        trial = point + np.clip(step, -1, 1)
        after = evaluate(*trial)
        if not np.isfinite(after).all():
            damping = 8 * held
            continue
        point, values = trial, after
        if np.abs(point).max() > FARTHEST:
            break
        largest = float(np.abs(step).max())
        if largest < 1e-9 and held < 1e-6 * scale:
            return tuple(map(float, point))
        damping = max(damping / 2, 1e-12 * scale) if largest <= 1 else held * 2
    raise BudgetError(
        "no point of rest at finite scores was found",
        where=", ".join(map(str, face.readings)),
        remedy="the loss may have no finite minimiser here",
    )


def _cycle_proposed(rest: Rest, eta: sp.Rational) -> tuple[float, float]:
    """A zero of two steps less none below the point of rest, in float64, by bisection, and the step from it."""
    unit = _unit(rest.face)
    step = _floats([update / unit for update in rest.face.updates], rest.face.coordinates)
    centre, size = float(rest.place[0]), float(eta * unit)

    def gap(y: float) -> float:
        after = y + size * float(step(y)[0])
        return after + size * float(step(after)[0]) - y

    # Just below a repelling point of rest two steps lead away from it, further below they lead back.
    near = far = centre - 1e-4
    while gap(far) < 0 and centre - far < FARTHEST:
        near, far = far, centre - 1.2 * (centre - far)
    if not (isfinite(gap(far)) and gap(far) > 0):
        raise BudgetError("no cycle of two steps was found", where=f"eta = {eta}", remedy="try another step size")
    for _ in range(80):
        middle = (near + far) / 2
        near, far = (middle, far) if gap(middle) < 0 else (near, middle)
    return near, near + size * float(step(near)[0])


def _certified(face: Face, guess: Sequence[float], working: int) -> tuple[Balls, arb, Balls, arb] | None:
    """Place, loss, rates and bound; None where a higher precision may still help."""
    place = _zero(face.updates, face.coordinates, guess, working)
    if place is None:
        return None
    evaluate = compile_expressions(
        [face.loss, *_jacobian(face.updates, face.coordinates)], face.coordinates, ARITHMETICS["ball"], working
    )
    loss, *entries = evaluate(*place)
    rates = _rates(entries, len(place))
    if rates is None or not all(rate > 0 or rate < 0 for rate in rates):
        return None
    if not all(rate > 0 for rate in rates):
        raise DerivationError(
            "the point of rest is no minimum: the step leads away from it at every step size",
            where=", ".join(str(rate) for rate in rates),
        )
    largest = ARITHMETICS["ball"].greatest(rates)  # balls of nearly equal ones overlap
    return place, arb(loss), rates, 2 / largest


def _rates(entries: Sequence[arb], size: int) -> Balls | None:
    """The eigenvalues of minus a Jacobian, ascending; None where they are not enclosed.

    They are real: a step is ``-P grad loss`` with P constant, symmetric and positive semidefinite, so the Jacobian is
    ``-P H``, whose eigenvalues are those of ``-P^(1/2) H P^(1/2)`` (and zeros).
    """
    if size == 1:
        return (-entries[0],)
    matrix = acb_mat([[-entries[i * size + j] for j in range(size)] for i in range(size)])
    try:
        values = matrix.eig(multiple=True)
    except ValueError:
        return None
    return tuple(sorted((value.real for value in values), key=lambda rate: float(rate.mid())))


def _zero(
    equations: Sequence[sp.Expr], unknowns: Sequence[sp.Symbol], guess: Sequence[float], working: int
) -> Balls | None:
    """A ball with exactly one zero of the equations, by Newton's method and Krawczyk's test; None where that fails."""
    size = len(unknowns)
    ball = ARITHMETICS["ball"]
    value = compile_expressions(equations, unknowns, ball, working)
    slope = compile_expressions(_jacobian(equations, unknowns), unknowns, ball, working)

    def jacobian(point: Sequence[arb]) -> arb_mat:
        return arb_mat(size, size, list(slope(*point)))

    point = [arb(x) for x in guess]
    tolerance = arb(10) ** (-working + 8)
    for _ in range(NEWTON_STEPS):
        try:
            change = jacobian(point).solve(arb_mat(size, 1, list(value(*point))))
        except ZeroDivisionError:
            return None
        point = [(y - change[i, 0]).mid() for i, y in enumerate(point)]
        if not all(y.is_finite() for y in point):
            return None
        if all(abs(change[i, 0]) < tolerance * (1 + abs(y)) for i, y in enumerate(point)):
            break
    for shift in (12, 16):
        radius = [arb(10) ** (-working + shift) * (1 + abs(y)) for y in point]
        box = [y + arb(0, r.upper()) for y, r in zip(point, radius, strict=True)]
        image = _krawczyk(point, box, value, jacobian)
        if image is not None and all(b.contains_interior(k) for b, k in zip(box, image, strict=True)):
            return tuple(image)
    return None


def _krawczyk(
    point: Sequence[arb],
    box: Sequence[arb],
    value: Callable[..., Sequence[arb]],
    jacobian: Callable[[Sequence[arb]], arb_mat],
) -> list[arb] | None:
    """``c - Y f(c) + (1 - Y J(X)) (X - c)`` with Y near the inverse of the Jacobian at c."""
    size = len(point)
    try:
        inverse = jacobian(point).inv().mid()
    except ZeroDivisionError:
        return None
    shift = inverse * arb_mat(size, 1, list(value(*point)))
    spread = arb_mat([[int(i == j) for j in range(size)] for i in range(size)]) - inverse * jacobian(box)
    away = arb_mat(size, 1, [b - c for b, c in zip(box, point, strict=True)])
    moved = spread * away
    image = [c - shift[i, 0] + moved[i, 0] for i, c in enumerate(point)]
    return image if all(k.is_finite() for k in image) else None
