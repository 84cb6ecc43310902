"""Signs: an exact certificate that holds for all values, or a point with the wrong sign.

Certificates: every irreducible factor has an even power, or coefficients of one sign in atoms that are themselves
nonnegative, after parameters are shifted to the start of their range; or it becomes so after multiplying by a power of
the sum of its atoms (Polya); or, in one atom, it has no root on the positive axis (Sturm).
"""

from __future__ import annotations

import sympy as sp
from flint import arb

from symicl.algebra import field_of
from symicl.arithmetic import ARITHMETICS
from symicl.claims.base import Evidence, Outcome, Verdict
from symicl.claims.checkers.identity import DIGITS
from symicl.claims.points import free_indices, sample_points
from symicl.claims.pointwise import Point, value_at
from symicl.claims.statements import Sign
from symicl.errors import SymiclError
from symicl.expectation import resolved_integrands
from symicl.indices import SumOver
from symicl.systems.base import System

POLYA_POWERS = 4
POLYA_TERMS = 2000


def decide_sign(statement: Sign) -> Outcome:
    """Proved by a certificate, refuted by a witness (the worst of the smallest found), else undecided."""
    expression = statement.expression if statement.relation == ">=" else -statement.expression
    found = certificate(statement.system, expression)
    if found is not None:
        return Outcome(
            Verdict.PROVED,
            Evidence("sign certificate", f"{statement.relation} 0 for all values in range", tuple(found)),
        )
    return _witness(statement, expression)


def certificate(system: System, expression: sp.Expr) -> list[tuple[str, str]] | None:
    """Factor by factor, why the expression is >= 0 wherever it is defined; None when no certificate was found."""
    features = tuple(sorted(free_indices(expression), key=str))
    try:
        plain, merged = resolved_integrands(expression, features)
        lines: list[tuple[str, str]] = []
        for part in [plain, *merged.values()]:
            found = _factor_signs(system, part)
            if found is None:
                return None
            lines += found
    except SymiclError:
        return None
    return lines


def _factor_signs(system: System, expression: sp.Expr) -> list[tuple[str, str]] | None:
    constant, factors = field_of([expression])(expression).factors()
    if constant == 0:
        return [("zero", "the expression vanishes identically")]
    sign = 1 if constant > 0 else -1
    lines = []
    for factor, power in factors:
        if power % 2 == 0:
            if power < 0 and factor_sign(system, factor) is None:
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
    if len(ratio.field.atoms) == 1:
        return _sturm(ratio.polynomial_expression(ratio.numerator), ratio.field.atoms[0], lower)
    return None


def _sturm(polynomial: sp.Expr, atom: sp.Expr, lower: int) -> tuple[int, str] | None:
    x = sp.Dummy("x")
    univariate = sp.Poly(polynomial.xreplace({atom: x}), x)
    if univariate.count_roots(0, None) != 0:
        return None
    return (1 if univariate.eval(1) > 0 else -1) * lower, "no root on the positive axis (Sturm)"


def _uniform(polynomial: object) -> int | None:
    """+1 or -1 when all coefficients of a polynomial have that sign."""
    signs = {1 if coefficient > 0 else -1 for _, coefficient in polynomial.terms()}  # type: ignore[attr-defined]
    return signs.pop() if len(signs) == 1 else None


def _shifted(system: System, factor: sp.Expr) -> tuple[sp.Expr, str]:
    """Parameters written through nonnegative ones: K = 2 + K', p = (a + b u)/(1 + u)."""
    replacement: dict[sp.Expr, sp.Expr] = {}
    for parameter in system.parameters:
        symbol = parameter.symbol
        if symbol not in factor.free_symbols:
            continue
        free = sp.Symbol(f"{symbol.name}_above", nonnegative=True)
        if parameter.minimum is not None:
            replacement[symbol] = parameter.minimum + free
        elif parameter.above is not None and parameter.below is not None:
            replacement[symbol] = (parameter.above + parameter.below * free) / (1 + free)
    shown = ", with " + ", ".join(f"{s} = {e}" for s, e in replacement.items()) if replacement else ""
    return factor.xreplace(replacement), shown


def _is_nonnegative(atom: sp.Expr) -> bool:
    """Whether a generator of the field cannot be negative."""
    if isinstance(atom, sp.exp):
        return True
    if isinstance(atom, SumOver):
        return all(
            _is_nonnegative(base) or (power.is_Integer and power % 2 == 0)
            for base, power in (factor.as_base_exp() for factor in sp.Mul.make_args(atom.body))
        )
    if isinstance(atom, sp.Indexed):
        return bool(atom.base.label.is_nonnegative)
    if isinstance(atom, sp.Pow):
        return _is_nonnegative(atom.base)
    return bool(atom.is_nonnegative)


def _witness(statement: Sign, expression: sp.Expr) -> Outcome:
    ball = ARITHMETICS["ball"]
    tried = 0
    worst: tuple[arb, Point] | None = None
    with ball.working(DIGITS):
        for point in sample_points(statement.system, expression):
            try:
                value = value_at(expression, point)
            except SymiclError:
                continue
            if not value.is_finite():
                continue
            tried += 1
            if value < 0 and (worst is None or value < worst[0]):
                worst = (value, point)
            if worst is not None and tried % 80 == 0:
                break
        if worst is not None:
            actual = value_at(statement.expression, worst[1])
            details = tuple((f"at {name}", text) for name, text in worst[1].shown().items())
            summary = f"the expression is {actual.str(10)}, not {statement.relation} 0"
            return Outcome(
                Verdict.REFUTED, Evidence("witness in balls", summary, (*details, ("value", actual.str(20))))
            )
    budget = (("points", str(tried)), ("Polya powers", str(POLYA_POWERS)), ("digits", str(DIGITS)))
    verdict = Verdict.SUPPORTED if tried else Verdict.UNDECIDED
    return Outcome(verdict, Evidence("search", "no certificate and no counterexample was found", budget))
