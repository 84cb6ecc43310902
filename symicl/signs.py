"""Signs of expressions over their whole range, by an exact certificate.

Every irreducible factor has an even power, or coefficients of one sign in atoms that are themselves nonnegative, after
parameters are shifted to the start of their range; or it becomes so after multiplying by a power of the sum of its
atoms (Polya); or it is a quadratic form with nonnegative pivots, a sum of squares; or, in one atom, it has no root on
the positive axis (Sturm).
"""

from __future__ import annotations

from dataclasses import replace

import sympy as sp
from flint import fmpq

from symicl.algebra import Polynomial, field_of
from symicl.errors import SymiclError
from symicl.expectation import Expectation, Law, Multinomial, TokenCounts, free_indices, resolved_integrands
from symicl.gaussian import Gaussian, Joint
from symicl.indices import SumOver
from symicl.systems.base import System

POLYA_POWERS = 4
POLYA_TERMS = 2000


def certificate(system: System, expression: sp.Expr) -> list[tuple[str, str]] | None:
    """Factor by factor, why the expression is >= 0 wherever it is defined; None when no certificate was found."""
    if expression.has(sp.I, sp.Float):
        return None
    features = tuple(sorted(free_indices(expression), key=str))
    try:
        plain, merged = resolved_integrands(expression, features)
        if not all(is_a_law(system, law) for law in merged):
            return None
        lines = [("assumed", text) for law in merged for text in assumptions(law)]
        for part in [plain, *merged.values()]:
            found = _factor_signs(system, part)
            if found is None:
                return None
            lines += found
    except SymiclError:
        return None
    return lines


def is_a_law(system: System, law: Law) -> bool:
    """Whether the probabilities of a law are certainly nonnegative, so that expectations keep signs."""
    if isinstance(law, TokenCounts):
        return law.probabilities in system.simplices
    if isinstance(law, Multinomial) and law.trials.is_integer and law.trials.is_nonnegative:
        return all(_factor_signs(system, probability) is not None for _, probability in law.cells)
    if isinstance(law, Joint):
        return all(is_a_law(system, each) for each in law.laws)
    if isinstance(law, Gaussian) and not law.spread.has(sp.Indexed):
        scale = law.spread.xreplace({sp.KroneckerDelta(*law.spread_places): sp.S.One})
        multiple = law.spread == scale * sp.KroneckerDelta(*law.spread_places)
        return multiple and not scale.has(*law.spread_places) and _factor_signs(system, scale) is not None
    return law.certain


def assumptions(law: Law) -> list[str]:
    """What a sign rests on that is not decided: that a covariance given by its entries is one."""
    if isinstance(law, Joint):
        return [text for each in law.laws for text in assumptions(each)]
    entries = isinstance(law, Gaussian) and law.spread.has(sp.Indexed)
    return [f"the covariance {law.spread} is positive semidefinite"] if entries else []


def _factor_signs(system: System, expression: sp.Expr) -> list[tuple[str, str]] | None:
    constant, factors = field_of([expression])(expression).factors()
    if constant == 0:
        return [("zero", "the expression vanishes identically")]
    sign = 1 if constant > 0 else -1
    lines = []
    for factor, power in factors:
        if power % 2 == 0:
            if not _is_real(factor) or (power < 0 and factor_sign(system, factor) is None):
                return None
            lines.append((str(factor), "even power"))
            continue
        found = factor_sign(system, factor)
        if found is None:
            return None
        sign *= found[0]
        lines.append((str(factor), found[1]))
    return lines if sign > 0 else None


def factor_sign(system: System, factor: sp.Expr) -> tuple[int, str] | None:
    """The sign (+1, -1) of a polynomial over its whole range, with the reason; None when undetermined."""
    shifted, shown = _shifted(system, factor)
    ratio = field_of([shifted])(shifted)
    lower = _uniform(ratio.denominator)
    if lower is None or not all(_is_nonnegative(atom) for atom in ratio.field.atoms):
        return None
    numerator = ratio.numerator
    total = sum(ratio.field.context.gens(), ratio.field.context.constant(0))
    for power in range(POLYA_POWERS):
        sign = _uniform(numerator)
        if sign is not None:
            polya = f", after multiplying by the sum of the atoms to the power {power}" if power else ""
            return sign * lower, f"coefficients of one sign{shown}{polya}"
        if len(numerator) > POLYA_TERMS:
            break
        numerator = numerator * total
    squares = _sum_of_squares(ratio.numerator)
    if squares is not None:
        return lower, squares
    if len(ratio.field.atoms) == 1:
        return _sturm(ratio.numerator, lower)
    return None


def _sum_of_squares(polynomial: Polynomial) -> str | None:
    """The weights of a quadratic form as a sum of squares, by exact elimination; None when it is not one."""
    size = len(polynomial.degrees())
    if any(sum(exponents) != 2 for exponents, _ in polynomial.terms()):
        return None
    matrix = [[fmpq(0)] * size for _ in range(size)]
    for exponents, coefficient in polynomial.terms():
        i, j = [i for i, power in enumerate(exponents) for _ in range(power)]
        matrix[i][j] += coefficient / 2
        matrix[j][i] += coefficient / 2
    weights = []
    for step in range(size):
        pivot = matrix[step][step]
        if pivot < 0 or (pivot == 0 and any(entry != 0 for entry in matrix[step][step:])):
            return None
        if pivot == 0:
            continue
        weights.append(str(pivot))
        for i in range(step + 1, size):
            ratio = matrix[i][step] / pivot
            matrix[i] = [a - ratio * b for a, b in zip(matrix[i], matrix[step], strict=True)]
    return f"a sum of {len(weights)} squares with weights {', '.join(weights)}"


def _sturm(polynomial: Polynomial, lower: int) -> tuple[int, str] | None:
    coefficients = {exponents: sp.Rational(int(c.p), int(c.q)) for exponents, c in polynomial.terms()}
    univariate = sp.Poly.from_dict(coefficients, sp.Dummy("x"))
    if univariate.count_roots(0, None) != 0:
        return None
    return (1 if univariate.eval(1) > 0 else -1) * lower, "no root on the positive axis (Sturm)"


def _uniform(polynomial: Polynomial) -> int | None:
    """+1 or -1 when all coefficients of a polynomial have that sign."""
    signs = {1 if coefficient > 0 else -1 for _, coefficient in polynomial.terms()}
    return signs.pop() if len(signs) == 1 else None


def _shifted(system: System, factor: sp.Expr) -> tuple[sp.Expr, str]:
    """Parameters written through nonnegative ones: K = 2 + K', p = (a + b u)/(1 + u)."""
    replacement: dict[sp.Expr, sp.Expr] = {}
    for parameter in system.parameters:
        symbol = parameter.symbol
        if symbol not in factor.free_symbols:
            continue
        strict = parameter.minimum is None
        free = sp.Dummy(f"{symbol.name}_above", **({"positive": True} if strict else {"nonnegative": True}))
        start = parameter.minimum if parameter.minimum is not None else parameter.above
        if start is not None and parameter.below is not None:
            replacement[symbol] = (start + parameter.below * free) / (1 + free)
        elif start is not None:
            replacement[symbol] = start + free
        elif parameter.below is not None:
            replacement[symbol] = parameter.below - free
    shown = ", with " + ", ".join(f"{s} = {e}" for s, e in replacement.items()) if replacement else ""
    return factor.xreplace(replacement), shown


def manifest(system: System, expression: sp.Expr) -> list[tuple[str, str]] | None:
    """Why an expression is >= 0 as it is written, part by part; None where that does not show.

    Sums (over terms or indices) and products of parts that are >= 0, even powers of what is real, exponentials, and
    factors in symbols alone with a certificate of their own.
    """
    if isinstance(expression, sp.Add | sp.Mul):
        parts = [manifest(system, part) for part in expression.args]
        if all(part is not None for part in parts):
            return [line for part in parts for line in part or ()]
    elif isinstance(expression, SumOver):
        index, body = expression.opened()
        others = tuple(each for each in system.parameters if each.symbol != index)  # the name may be a parameter's
        return manifest(replace(system, parameters=others), body)
    elif isinstance(expression, Expectation):
        return manifest(system, expression.body) if is_a_law(system, expression.law) else None
    elif _is_square(expression):
        return [(str(expression.as_base_exp()[0]), "even power")]
    elif isinstance(expression, sp.Pow) and expression.exp.is_Integer:
        return manifest(system, expression.base)
    if expression.is_Rational:
        return [] if expression >= 0 else None
    if _is_nonnegative(expression):
        return [(str(expression), "nonnegative by its kind")]
    if expression.has(sp.Indexed, SumOver, sp.exp, sp.Float, sp.I):
        return None
    found = _factor_signs(system, expression)
    return None if found is None else found


def nonzero(system: System, expression: sp.Expr) -> bool:
    """Whether an expression is certainly different from 0 over its whole range."""
    shifted, _ = _shifted(system, expression)
    ratio = field_of([shifted])(shifted)
    if not all(_is_nonnegative(atom) for atom in ratio.field.atoms):
        return False
    positive = [_is_positive(atom) for atom in ratio.field.atoms]
    return _uniform(ratio.numerator) is not None and any(
        all(sure for sure, power in zip(positive, exponents, strict=True) if power)
        for exponents, _ in ratio.numerator.terms()
    )


def _is_positive(atom: sp.Expr) -> bool:
    return _is_real(atom.args[0]) if isinstance(atom, sp.exp) else bool(atom.is_positive)


def _is_real(expression: sp.Expr) -> bool:
    """Whether an expression is certainly a real number wherever its symbols have values in their range."""
    if isinstance(expression, sp.Add | sp.Mul):
        return all(map(_is_real, expression.args))
    if isinstance(expression, sp.Indexed | sp.KroneckerDelta):
        return True
    if isinstance(expression, SumOver):
        return _is_real(expression.body)
    if isinstance(expression, sp.exp | sp.Abs):
        return _is_real(expression.args[0])
    if isinstance(expression, sp.Pow):
        base, exponent = expression.args
        whole = bool(exponent.is_integer) and _is_real(base)
        return whole or (_is_nonnegative(base) and _is_real(exponent))
    if isinstance(expression, sp.log):
        return _is_positive(expression.args[0])
    return bool(expression.is_real)


def _is_square(expression: sp.Expr) -> bool:
    base, power = expression.as_base_exp()
    return bool(power.is_Integer and power % 2 == 0) and _is_real(base)


def _is_nonnegative(atom: sp.Expr) -> bool:
    """Whether a generator of the field cannot be negative."""
    if isinstance(atom, sp.exp):
        return _is_real(atom.args[0])
    if isinstance(atom, sp.KroneckerDelta):
        return True
    if isinstance(atom, SumOver):
        return all(_is_nonnegative(factor) or _is_square(factor) for factor in sp.Mul.make_args(atom.body))
    if isinstance(atom, sp.Indexed):
        return bool(atom.base.label.is_nonnegative)
    if isinstance(atom, sp.Pow):
        return _is_nonnegative(atom.base) and _is_real(atom.exp)
    return bool(atom.is_nonnegative)
