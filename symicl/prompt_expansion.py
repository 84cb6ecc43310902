"""Means over long prompts in powers of 1/N: what finite prompts add to the limit of infinite ones, in closed form.

With x = n/N the frequencies of a multinomial prompt and k_m(h) the cumulants of h_I, where P(I = i) = p_i, every
function F that is smooth at p has

    E F(x) = exp(sum over m >= 2 of N^(1-m) k_m(d/dx) / m!) F, at x = p,

because E exp(h.x) = (sum p_i exp(h_i/N))^N. The term of order 1/N is half the trace of the Hessian with the exact
covariances: the delta method. Bodies are rational, so every coefficient is; at fixed scores the series is asymptotic.
Source: the generating function of the multinomial law.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import comb, factorial

import sympy as sp

from symicl.algebra import Field, Polynomial, Ratio, factored, field_of
from symicl.errors import DerivationError, InputError
from symicl.expectation import Expectation, Law, Multinomial, integrands

MAX_ORDER = 4
"""The highest order of an expansion; derivatives of twice that order are taken."""

Operator = dict[tuple[int, ...], sp.Expr]
"""A polynomial in the derivatives along the frequencies: exponents to coefficients."""


def prompt_expansion(expression: sp.Expr, order: int = 1) -> tuple[sp.Expr, ...]:
    """``f_0, .., f_order`` with ``expression = f_0 + f_1/N + .. + O(1/N^(order+1))``, exact, in canonical form.

    For an expression linear in means under multinomial laws whose number of draws is one symbol N, such as an update
    or a loss at symbolic prompt length. f_0 is the value at N = inf. Raises ``InputError`` for an order out of range or
    where N is a number, ``DerivationError`` where the expression grows with N or is no rational function of the prompt.
    """
    if not isinstance(order, int) or isinstance(order, bool) or not 0 <= order <= MAX_ORDER:
        raise InputError(
            f"{order!r} is no order of an expansion", where="order", remedy=f"give an integer from 0 to {MAX_ORDER}"
        )
    plain, merged = integrands(sp.sympify(expression, strict=True))
    length = _length(merged)
    sums = [_frequencies(plain, length, {}, order)]
    for law, body in merged.items():
        assert isinstance(law, Multinomial)
        sums.append(_frequencies(body, length, dict(law.cells), order))
    return tuple(factored(sp.Add(*(terms[k] for terms in sums))) for k in range(order + 1))


def _length(laws: Mapping[Law, sp.Expr]) -> sp.Symbol:
    """The symbol N of all laws; one that occurs nowhere where there is no law."""
    foreign = [law for law in laws if not isinstance(law, Multinomial)]
    if foreign:
        raise DerivationError(
            f"a mean under {type(foreign[0]).__name__} has no expansion in the prompt length here",
            remedy="use the updates of a system whose features are in classes",
        )
    lengths = {law.trials for law in laws if isinstance(law, Multinomial)}
    symbols = [length for length in lengths if length.is_Symbol]
    if len(lengths) > 1 or len(symbols) < len(lengths):
        shown = ", ".join(sorted(map(str, lengths)))
        raise InputError(
            f"an expansion in the prompt length needs one symbol for it, not {shown}",
            where="expression",
            remedy="leave N without a value",
        )
    return symbols[0] if symbols else sp.Dummy("N")


def _frequencies(body: sp.Expr, length: sp.Symbol, cells: Mapping[sp.Symbol, sp.Expr], order: int) -> list[sp.Expr]:
    """The coefficients of one body's mean."""
    if body.has(Expectation):
        raise DerivationError("a mean inside a mean has no expansion in the prompt length", where=str(body))
    totals = list(cells)
    field = field_of([body, *totals, length])
    hidden = [a for a in field.atoms if a.free_symbols & {length, *totals} and a not in (length, *totals)]
    if hidden:
        raise DerivationError(f"{hidden[0]} is no rational function of the prompt")
    levels = _levels(field, field(body), [field.position[atom] for atom in (length, *totals)], order)
    operators = _operators(list(cells.values()), order)
    at_mean = {**cells, length: sp.S.One}
    found = []
    for k in range(order + 1):
        terms = []
        for j in range(k + 1):
            slopes: dict[tuple[int, ...], Ratio] = {}
            for exponents, weight in operators[k - j].items():
                slope = _slope(levels[j], totals, exponents, slopes)
                terms.append(weight * slope.expression().xreplace(at_mean))
        found.append(sp.Add(*terms))
    return found


def _levels(field: Field, element: Ratio, positions: Sequence[int], order: int) -> list[Ratio]:
    """F_0, F_1, .. with body(N x, N) = F_0(x) + F_1(x)/N + ..; in them the totals stand for x, and N for 1."""
    above, below = (_by_degree(field, p, positions) for p in (element.numerator, element.denominator))
    top, bottom = max(above, default=0), max(below)
    if element.is_zero:
        return [field.constant(0)] * (order + 1)
    if top > bottom:
        raise DerivationError(f"the expression grows like N^{top - bottom} with the prompt length N")
    one = field.context.constant(1)
    lowest = Ratio(field, below[bottom], one)
    levels: list[Ratio] = []
    for k in range(order + 1):
        # The coefficient of N^(bottom - k) in: numerator = denominator * (F_0 + F_1/N + ..).
        rest = Ratio(field, above.get(bottom - k, field.context.constant(0)), one)
        for j in range(1, k + 1):
            if bottom - j in below:
                rest = rest - Ratio(field, below[bottom - j], one) * levels[k - j]
        levels.append(rest / lowest)
    return levels


def _by_degree(field: Field, polynomial: Polynomial, positions: Sequence[int]) -> dict[int, Polynomial]:
    """The parts of a polynomial by their joint degree in some generators."""
    parts: dict[int, dict[tuple[int, ...], object]] = {}
    for exponents, coefficient in polynomial.terms():
        degree = sum(int(exponents[i]) for i in positions)
        parts.setdefault(degree, {})[tuple(exponents)] = coefficient
    return {degree: field.context.from_dict(terms) for degree, terms in parts.items()}


def _slope(
    element: Ratio, totals: Sequence[sp.Symbol], exponents: tuple[int, ...], known: dict[tuple[int, ...], Ratio]
) -> Ratio:
    """A derivative of mixed order, from those known."""
    if not any(exponents):
        return element
    if exponents not in known:
        place = next(i for i, power in enumerate(exponents) if power)
        lower = tuple(power - (i == place) for i, power in enumerate(exponents))
        known[exponents] = _slope(element, totals, lower, known).derivative(totals[place])
    return known[exponents]


def _operators(shares: Sequence[sp.Expr], order: int) -> list[Operator]:
    """The coefficients of 1/N^0, 1/N^1, .. of ``exp(sum N^(1-m) k_m(h)/m!)`` as polynomials in the derivatives h.

    From the moments m_k = sum p_i h_i^k: the cumulants by the usual recursion, the exponential by that of its series.
    """
    slots = [sp.Dummy(f"h{i}") for i in range(len(shares))]
    moments = [sp.Add(*(p * h**k for p, h in zip(shares, slots, strict=True))) for k in range(order + 2)]
    cumulants = [sp.S.Zero]
    for n in range(1, order + 2):
        lower = sp.Add(*(comb(n - 1, k - 1) * cumulants[k] * moments[n - k] for k in range(1, n)))
        cumulants.append(sp.expand(moments[n] - lower) if slots else sp.S.Zero)
    exponent = [sp.S.Zero, *(cumulants[k + 1] / factorial(k + 1) for k in range(1, order + 1))]
    series = [sp.S.One]
    for k in range(1, order + 1):
        series.append(sp.expand(sp.Add(*(j * exponent[j] * series[k - j] for j in range(1, k + 1))) / k))
    if not slots:
        return [{(): term} for term in series]
    return [{powers: factored(c) for powers, c in sp.Poly(term, *slots).terms()} for term in series]
