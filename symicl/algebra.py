"""Exact arithmetic of expressions: a fraction field of polynomials over Q in named atoms.

An identity is decided here and nowhere else. Symbols, indexed quantities, sums over features and exponentials become
independent generators (every exponential is written in a common set of generators, so that ``exp(2*B)`` is the square
of ``exp(B)``); two expressions are equal when their difference is the zero polynomial. The answer "equal" is a proof;
"different" is one only where the atoms are algebraically independent, so callers refute with a witness instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import lcm
from typing import Any

import sympy as sp
from flint import Ordering, fmpq, fmpq_mat, fmpq_mpoly_ctx

from symicl.errors import DerivationError

MAX_EXPONENT = 1000
"""Largest integer exponent expanded; beyond it an expression is refused rather than left to fill the memory."""

Polynomial = Any
"""A ``flint.fmpq_mpoly``: python-flint ships no types."""


def _linear_terms(expression: sp.Expr) -> list[tuple[sp.Expr, sp.Rational]]:
    """The terms of an exponent as (monomial without its rational factor, rational factor)."""
    terms = []
    for term in sp.Add.make_args(sp.expand(expression)):
        coefficient, rest = term.as_coeff_Mul(rational=True)
        terms.append((rest, sp.Rational(coefficient)))
    return terms


def _is_exponential(expression: sp.Expr) -> bool:
    """Whether this is base**exponent with an exponent that is not an integer (exp included)."""
    return isinstance(expression, sp.exp) or (isinstance(expression, sp.Pow) and not expression.exp.is_Integer)


def _power_parts(expression: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    return (sp.E, expression.args[0]) if isinstance(expression, sp.exp) else (expression.base, expression.exp)


def _split_power(expression: sp.Expr) -> sp.Expr:
    """``(a/b)**n`` as ``a**n * b**-n`` for an integer symbol n, so that equal powers look equal."""
    if isinstance(expression, sp.Pow) and not expression.exp.is_Integer and expression.exp.is_integer:
        base = expression.base if expression.base.is_Rational else factored(expression.base)
        if isinstance(base, sp.Mul | sp.Pow) or (base.is_Rational and not base.is_Integer):
            parts = [base.p, 1 / sp.Integer(base.q)] if base.is_Rational else sp.Mul.make_args(base)
            return sp.Mul(*(sp.Pow(*part.as_base_exp()) ** expression.exp for part in map(sp.sympify, parts)))
    return expression


def _walk(expression: sp.Expr) -> Iterable[sp.Expr]:
    """The subexpressions that become generators: everything that is not arithmetic or a rational number."""
    expression = _split_power(expression)
    if expression.is_Rational:
        return
    if isinstance(expression, sp.Add | sp.Mul) or (isinstance(expression, sp.Pow) and expression.exp.is_Integer):
        arguments = expression.args[:1] if isinstance(expression, sp.Pow) else expression.args
        for argument in arguments:
            yield from _walk(argument)
    else:
        yield expression
        if _is_exponential(expression) and not isinstance(expression, sp.exp):
            yield from _walk(expression.base)


@dataclass(frozen=True)
class Field:
    """The fraction field Q(atoms). ``powers`` maps (base, monomial) of an exponential to its generator's share."""

    atoms: tuple[sp.Expr, ...]
    powers: Mapping[tuple[sp.Expr, sp.Expr], int]

    @cached_property
    def context(self) -> Any:
        return fmpq_mpoly_ctx.get([f"x{i}" for i in range(len(self.atoms))], Ordering.degrevlex)

    @cached_property
    def position(self) -> Mapping[sp.Expr, int]:
        return {atom: i for i, atom in enumerate(self.atoms)}

    def generator(self, atom: sp.Expr) -> Polynomial:
        """The generator of an atom. Raises ``DerivationError`` for one the field does not have."""
        if atom not in self.position:
            raise DerivationError(f"the expression {atom} is not in the field of this computation")
        return self.context.gen(self.position[atom])

    def constant(self, value: int | sp.Rational) -> Ratio:
        one = self.context.constant(1)
        number = fmpq(int(value)) if isinstance(value, int) else fmpq(int(value.p), int(value.q))
        return Ratio(self, self.context.constant(number), one)

    def __call__(self, expression: sp.Expr) -> Ratio:
        """The expression as an element of the field; exact. Raises ``DerivationError`` for atoms it does not have."""
        expression = _split_power(sp.sympify(expression, strict=True))
        if expression.is_Rational:
            return self.constant(expression)
        if isinstance(expression, sp.Float):
            raise DerivationError(f"{expression} is a float; a derivation takes exact numbers only")
        if isinstance(expression, sp.Add):
            total = self(expression.args[0])
            for argument in expression.args[1:]:
                total = total + self(argument)
            return total
        if isinstance(expression, sp.Mul):
            product = self(expression.args[0])
            for argument in expression.args[1:]:
                product = product * self(argument)
            return product
        if isinstance(expression, sp.Pow) and expression.exp.is_Integer:
            return self(expression.base) ** int(expression.exp)
        if _is_exponential(expression):
            return self._exponential(expression)
        return Ratio(self, self.generator(expression), self.context.constant(1))

    def _exponential(self, expression: sp.Expr) -> Ratio:
        base, exponent = _power_parts(expression)
        result = self.constant(1)
        for monomial, coefficient in _linear_terms(exponent):
            if base != sp.E and monomial == 1 and coefficient.is_Integer:
                result = result * self(base) ** int(coefficient)
                continue
            share = self.powers.get((base, monomial))
            if share is None or not (coefficient * share).is_Integer:
                raise DerivationError(f"the exponential {expression} is not in the field of this computation")
            generator = Ratio(self, self.generator(base ** (monomial / share)), self.context.constant(1))
            result = result * generator ** int(coefficient * share)
        return result


def field_of(expressions: Iterable[sp.Expr]) -> Field:
    """The smallest field that holds all the expressions; the order of its atoms is stable."""
    found: set[sp.Expr] = set()
    shares: dict[tuple[sp.Expr, sp.Expr], int] = {}
    for expression in expressions:
        for atom in _walk(sp.sympify(expression, strict=True)):
            if atom in (sp.zoo, sp.nan, sp.oo, -sp.oo):
                raise DerivationError(f"{expression} is not finite", remedy="look for a division by zero")
            if not _is_exponential(atom):
                found.add(atom)
                continue
            base, exponent = _power_parts(atom)
            for monomial, coefficient in _linear_terms(exponent):
                if base != sp.E and monomial == 1 and coefficient.is_Integer:
                    continue
                shares[base, monomial] = lcm(shares.get((base, monomial), 1), int(coefficient.q))
    found.update(base ** (monomial / share) for (base, monomial), share in shares.items())
    return Field(tuple(sorted(found, key=sp.default_sort_key)), shares)


@dataclass(frozen=True)
class Ratio:
    """An element of a field in lowest terms; the denominator's leading coefficient is 1, so equal means identical."""

    field: Field
    numerator: Polynomial
    denominator: Polynomial

    def __add__(self, other: Ratio) -> Ratio:
        if self.denominator == other.denominator:
            return _reduced(self.field, self.numerator + other.numerator, self.denominator)
        shared = self.denominator.gcd(other.denominator)
        mine, theirs = self.denominator / shared, other.denominator / shared
        return _reduced(self.field, self.numerator * theirs + other.numerator * mine, self.denominator * theirs)

    def __neg__(self) -> Ratio:
        return Ratio(self.field, -self.numerator, self.denominator)

    def __sub__(self, other: Ratio) -> Ratio:
        return self + (-other)

    def __mul__(self, other: Ratio) -> Ratio:
        return _reduced(self.field, self.numerator * other.numerator, self.denominator * other.denominator)

    def __truediv__(self, other: Ratio) -> Ratio:
        if other.is_zero:
            raise DerivationError("division by an expression that is identically zero")
        return _reduced(self.field, self.numerator * other.denominator, self.denominator * other.numerator)

    def __pow__(self, exponent: int) -> Ratio:
        if abs(exponent) > MAX_EXPONENT:
            raise DerivationError(
                f"an exponent of {exponent} is too large to expand", remedy=f"keep it below {MAX_EXPONENT}"
            )
        if exponent < 0:
            return self.field.constant(1) / self ** (-exponent)
        return Ratio(self.field, self.numerator**exponent, self.denominator**exponent)

    @property
    def is_zero(self) -> bool:
        """Whether the expression is identically zero: a proof when true."""
        return bool(self.numerator.is_zero())

    def derivative(self, atom: sp.Expr) -> Ratio:
        """The formal derivative with respect to one atom of the field."""
        name = f"x{self.field.position[atom]}"
        top = self.numerator.derivative(name) * self.denominator - self.numerator * self.denominator.derivative(name)
        return _reduced(self.field, top, self.denominator**2)

    def polynomial_expression(self, polynomial: Polynomial) -> sp.Expr:
        """A polynomial of the field's ring as a SymPy sum of monomials, in the field's order."""
        terms = []
        for exponents, coefficient in polynomial.terms():
            factors = [atom**power for atom, power in zip(self.field.atoms, exponents, strict=True) if power]
            terms.append(sp.Mul(sp.Rational(int(coefficient.p), int(coefficient.q)), *factors))
        return sp.Add(*terms)

    def expression(self) -> sp.Expr:
        """The element as a factored SymPy expression."""
        constant, factors = self.factors()
        return sp.Mul(constant, *(base**power for base, power in factors))

    def factors(self) -> tuple[sp.Rational, tuple[tuple[sp.Expr, int], ...]]:
        """A rational constant and the irreducible factors with (possibly negative) exponents."""
        constant, pairs = self.polynomial_factors()
        return constant, tuple((self.polynomial_expression(base), power) for base, power in pairs)

    def polynomial_factors(self) -> tuple[sp.Rational, list[tuple[Polynomial, int]]]:
        """As ``factors``, with the factors left as polynomials of the ring."""
        if self.is_zero:
            return sp.Integer(0), []
        top, above = self.numerator.factor()
        bottom, below = self.denominator.factor()
        constant = top / bottom
        pairs = [(base, int(power)) for base, power in above] + [(base, -int(power)) for base, power in below]
        return sp.Rational(int(constant.p), int(constant.q)), pairs


def _reduced(field: Field, numerator: Polynomial, denominator: Polynomial) -> Ratio:
    if denominator.is_zero():
        raise DerivationError("division by an expression that is identically zero")
    common = numerator.gcd(denominator)
    if not common.is_one():
        numerator, denominator = numerator / common, denominator / common
    leading = denominator.leading_coefficient()
    return Ratio(field, numerator / leading, denominator / leading)


def ratios(expressions: Sequence[sp.Expr]) -> list[Ratio]:
    """The expressions as elements of the smallest field that holds them all."""
    field = field_of(expressions)
    return [field(expression) for expression in expressions]


def identically_zero(expression: sp.Expr) -> bool:
    """Whether the expression reduces to the zero polynomial: a proof when true (see the module's docstring)."""
    return ratios([expression])[0].is_zero


def factored(expression: sp.Expr) -> sp.Expr:
    """The canonical factored form of the expression; equal as a function, exact."""
    return ratios([expression])[0].expression()


def nullspace(rows: Sequence[Sequence[sp.Expr]], columns: int) -> list[list[sp.Expr]]:
    """A basis of ``{w : rows w = 0}`` over the fraction field of the entries, each with first nonzero entry 1.

    Exact; ``rows`` is a list of rows of length ``columns``. The basis is the one of the reduced echelon form, with
    the *last* columns as pivots eliminated first, so that the vectors read like ``A + (K-1) B``.
    """
    distinct = {tuple(reversed(row)) for row in rows}
    field = field_of(entry for row in distinct for entry in row)
    if field.atoms:
        echelon = _reduced_echelon([[field(entry) for entry in row] for row in distinct], columns)
    else:
        echelon = _numeric_echelon(field, distinct, columns)
    pivots = [next(i for i, entry in enumerate(row) if not entry.is_zero) for row in echelon]
    basis = []
    for free in (i for i in range(columns) if i not in pivots):
        vector = [field.constant(0)] * columns
        vector[free] = field.constant(1)
        for row, pivot in zip(echelon, pivots, strict=True):
            vector[pivot] = -row[free]
        vector.reverse()
        first = next(entry for entry in vector if not entry.is_zero)
        basis.append([(entry / first).expression() for entry in vector])
    return basis


def _numeric_echelon(field: Field, rows: Iterable[Sequence[sp.Rational]], columns: int) -> list[list[Ratio]]:
    entries = [[fmpq(int(entry.p), int(entry.q)) for entry in row] for row in rows]
    if not entries:
        return []
    reduced, rank = fmpq_mat(len(entries), columns, [entry for row in entries for entry in row]).rref()
    one = field.context.constant(1)
    return [[Ratio(field, field.context.constant(reduced[i, j]), one) for j in range(columns)] for i in range(rank)]


def _reduced_echelon(rows: list[list[Ratio]], columns: int) -> list[list[Ratio]]:
    echelon: list[list[Ratio]] = []
    for column in range(columns):
        pivot_row = next((row for row in rows if not row[column].is_zero), None)
        if pivot_row is None:
            continue
        rows = [row for row in rows if row is not pivot_row]
        pivot = pivot_row[column]
        pivot_row = [entry / pivot for entry in pivot_row]
        rows = [_eliminate(row, pivot_row, column) for row in rows]
        echelon = [_eliminate(row, pivot_row, column) for row in echelon] + [pivot_row]
    return echelon


def _eliminate(row: list[Ratio], pivot_row: list[Ratio], column: int) -> list[Ratio]:
    factor = row[column]
    if factor.is_zero:
        return row
    return [entry - factor * other for entry, other in zip(row, pivot_row, strict=True)]
