"""How long gradient descent takes to a given loss, as a formula in the parameters: one-coordinate recurrences.

Where a coordinate moves by ``Y <- Y + s h`` (the normal form of :mod:`symicl.leap`: ``Y = lambda y``, ``s = eta c
lambda``, ``h = u^p (1-u)^q``, ``u = z/(1+z)``, ``z = alpha exp(-Y)``), gradient flow needs the time

    T(z) = 1/s  integral from z to z_0 of (1+v)^(p+q) / v^(p+1) dv,

which is elementary, and the number n of steps lies near it. The height h rises along the path until ``u = p/(p+q)`` and
falls after, so Euler steps are sandwiched between flows. Let ``T_i`` be the flow's time from ``Y_i`` to ``Y_(i+1)``:

- while h rises, ``h_i/h_(i+1) <= T_i <= 1``, and ``1 - h_i/h_(i+1) <= log(h_(i+1)/h_i)``: these logarithms sum up to
  at most ``log(H/h_0)``, with H the largest height; the step across it obeys ``T_i >= h_i/H``;
- while h falls, ``1 <= T_i <= h_i/h_(i+1)``. As ``-p <= d log h/dY <= q`` and ``Y_(i+1) - Y_i <= s H``, the ratio is at
  most ``e^x`` with ``x = p s H``, where ``r - 1 <= k log r`` with ``k = (1 + e^x)/2`` (a chord lies above the
  exponential): these sum up to at most ``k log(H/h_n)``.

With ``Y_(n-1) < Y* <= Y_n`` for the target Y*, and ``h_n >= h(Y*) e^-x``, for every step size

    T(Y*) - k (log(H/h(Y*)) + x)  <=  n  <  T(Y*) + 1 + log(H/h_0).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

import sympy as sp

from symicl.algebra import factored
from symicl.asymptotics import leading_term
from symicl.errors import DerivationError
from symicl.leap import NormalForm, normal_form
from symicl.reduce import Recurrence
from symicl.signs import certificate, nonzero
from symicl.systems.base import Parameter

TARGET = sp.Symbol("epsilon", positive=True)
"""The loss to reach, in formulas."""

Z = sp.Symbol("z", positive=True)
Z0 = sp.Symbol("z0", positive=True)
"""The values of z at the target and at the start, in formulas."""

Limit = tuple[sp.Symbol, sp.Expr, sp.Expr]
"""A symbol, 0 or infinity, and the leading term there."""

_U = sp.Dummy("u", positive=True)


@dataclass(frozen=True)
class HittingFormula:
    """The first step n with ``loss <= epsilon``, for an epsilon below the loss at the start; exact expressions.

    ``z`` is the value of :data:`Z` where the loss is :data:`TARGET`, ``z0`` that of :data:`Z0` at step 0, and
    ``at_start`` the loss there. ``flow`` is the time of gradient flow over the step size, ``count`` that with the first
    correction for steps of finite size (``n = count + O(eta)``), and ``least <= n < most`` at all values of the
    parameters: expressions in z, z0, the parameters and the step size, which :meth:`in_target` writes in epsilon.
    """

    z: sp.Expr
    z0: sp.Expr
    at_start: sp.Expr
    flow: sp.Expr
    count: sp.Expr
    least: sp.Expr
    most: sp.Expr

    def in_target(self, expression: sp.Expr) -> sp.Expr:
        """An expression in z and z0 as one in epsilon and the parameters."""
        return expression.xreplace({Z: self.z, Z0: self.z0})


@lru_cache(maxsize=64)
def hitting_formula(recurrence: Recurrence) -> HittingFormula:
    """The formula, at parameters symbolic or not.

    Raises ``DerivationError`` where the recurrence has no normal form, the loss is no power of u, or signs that the
    argument needs have no proof.
    """
    form = normal_form(recurrence)
    system = recurrence.symmetric.system
    taken = {symbol.name for part in (recurrence.loss, *recurrence.updates) for symbol in part.free_symbols}
    for symbol in (TARGET, Z, Z0):
        if symbol.name in taken | {parameter.name for parameter in system.parameters}:
            raise DerivationError(
                f"{symbol} has a meaning of its own in formulas of times",
                where=system.id,
                remedy="rename the parameter",
            )
    (y,) = recurrence.coordinates
    loss = factored(recurrence.loss.xreplace({y: sp.log(form.alpha / Z) / form.rate}))
    coefficient, power = _power_of_u(system.id, loss)
    for positive in (form.scale, form.alpha, coefficient):
        if certificate(system, positive) is None or not nonzero(system, positive):
            raise DerivationError(f"there is no proof that {positive} is positive", where=system.id)
    start = factored(form.alpha * sp.exp(-form.rate * form.start))
    pace = factored(form.scale * form.rate) * system.step_size
    flow = _time(form) / pace
    top = _largest_height(form)
    overshoot = form.p * pace * top
    return HittingFormula(
        z=1 / ((coefficient / TARGET) ** sp.Rational(1, power) - 1),
        z0=start,
        at_start=factored(loss.xreplace({Z: start})),
        flow=flow,
        # b_1 = -h/2 d/dY (1/h) is half the derivative of log h.
        count=flow + sp.log(_height(form, Z) / _height(form, Z0)) / 2,
        least=flow - (1 + sp.exp(overshoot)) / 2 * (sp.log(top / _height(form, Z)) + overshoot),
        most=flow + 1 + sp.log(top / _height(form, Z0)),
    )


def hitting_formula_with_limits(recurrence: Recurrence) -> tuple[HittingFormula, tuple[Limit, ...]] | None:
    """The formula and its leading terms; None where the recurrence has no formula."""
    try:
        formula = hitting_formula(recurrence)
    except DerivationError:
        return None
    return formula, limits(formula, recurrence.symmetric.system.parameters)


def limits(formula: HittingFormula, parameters: Sequence[Parameter]) -> tuple[Limit, ...]:
    """``(symbol, to, leading term of the time)`` as a size tends to infinity and as epsilon tends to 0.

    A size is an integer parameter that is still a symbol. In a term for large sizes z stands for its own limit, and so
    does z0 where it has one. Where no leading term is found, there is none in the list.
    """
    wanted = [(TARGET, sp.S.Zero, formula.in_target(formula.flow))]
    for parameter in reversed(parameters):
        size = parameter.symbol
        if size.is_integer and size in formula.in_target(formula.flow).free_symbols:
            time = formula.flow.xreplace({Z0: formula.z0}) if formula.z0.has(size) else formula.flow
            wanted.insert(0, (size, sp.oo, time))
    found: list[Limit] = []
    for symbol, to, time in wanted:
        with suppress(DerivationError):
            found.append((symbol, to, leading_term(time, symbol, to)))
    return tuple(found)


def _power_of_u(identifier: str, loss: sp.Expr) -> tuple[sp.Expr, int]:
    """``(c, m)`` with the loss being ``c u^m``. Raises ``DerivationError``."""
    top, bottom = sp.fraction(sp.cancel(loss.xreplace({Z: _U / (1 - _U)})))
    terms = [] if bottom.has(_U) else sp.Poly(top, _U).terms()
    if len(terms) != 1 or terms[0][0][0] < 1:
        raise DerivationError(
            f"the loss of {identifier} is no power of one attention weight", remedy="count steps with symicl trace"
        )
    (((power,), lead),) = terms
    return factored(lead / bottom), power


def _time(form: NormalForm) -> sp.Expr:
    """The integral of ``1/(z h)`` from z to z0, with one logarithm."""
    total = sp.S.Zero
    for term in sp.Add.make_args(sp.expand((1 + Z) ** (form.p + form.q) / Z ** (form.p + 1))):
        primitive = sp.integrate(term, Z)
        logarithm = primitive.coeff(sp.log(Z))
        if logarithm == 0:
            total += primitive.xreplace({Z: Z0}) - primitive
        else:
            total += logarithm * sp.log(Z0 / Z)
    return total


def _height(form: NormalForm, z: sp.Expr) -> sp.Expr:
    return factored(z**form.p / (1 + z) ** (form.p + form.q))


def _largest_height(form: NormalForm) -> sp.Rational:
    """The maximum of ``u^p (1-u)^q`` over [0, 1], at ``u = p/(p+q)``."""
    at = sp.Rational(form.p, form.p + form.q)
    return at**form.p * (1 - at) ** form.q


__all__ = ["TARGET", "Z", "Z0", "HittingFormula", "hitting_formula", "hitting_formula_with_limits", "limits"]
