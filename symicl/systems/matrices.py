"""Exact matrices over the features: what makes one a Gram matrix or one of second moments, and what it keeps apart.

A matrix is a tuple of rows of exact numbers. Whether it is positive semidefinite is decided exactly: its characteristic
polynomial has real roots only, so none of them is negative exactly when its coefficients alternate in sign.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mpmath as mp
import sympy as sp
from flint import fmpq, fmpq_mat

from symicl.errors import InputError
from symicl.pairs import PairValues
from symicl.systems.base import FeatureClass

Rows = tuple[tuple[sp.Expr, ...], ...]

EIGENVALUE_DIGITS = 12
NUMERIC_DIGITS = 50
"""Working digits for the eigenvalues of matrices of irrational numbers, which are compared with 10**-30."""


def checked(matrix: Sequence[Sequence[sp.Expr]], size: int, where: str) -> Rows:
    """The matrix itself, as a tuple of rows, if it is ``size`` x ``size``, symmetric and positive semidefinite.

    Raises ``InputError`` naming the entry or the least eigenvalue. Exact for rational entries; other real numbers are
    compared at ``NUMERIC_DIGITS`` digits.
    """
    rows = tuple(map(tuple, matrix))
    if len(rows) != size or any(len(row) != size for row in rows):
        shape = f"{len(rows)} rows of {', '.join(sorted({str(len(row)) for row in rows}))} entries"
        raise InputError(f"not a square matrix over the {size} features: {shape}", where=where, remedy=_rows_of(size))
    for m in range(size):
        for n in range(size):
            if not (rows[m][n].is_number and rows[m][n].is_finite and rows[m][n].is_real) or rows[m][n].has(sp.Float):
                remedy = "give a finite exact number"
                raise InputError(f"the entry is {rows[m][n]}", where=f"{where}[{m}][{n}]", remedy=remedy)
            if n < m and rows[m][n] != rows[n][m]:
                raise InputError(
                    f"not symmetric: {rows[m][n]} against {rows[n][m]}",
                    where=f"{where}[{m}][{n}] and [{n}][{m}]",
                    remedy="give a symmetric matrix",
                )
    least = negative_eigenvalue(rows)
    if least is not None:
        raise InputError(
            f"not positive semidefinite: its least eigenvalue is {least}",
            where=where,
            remedy="give a matrix of inner products, or of second moments",
        )
    return rows


def _rows_of(size: int) -> str:
    return f"give {size} rows of {size} exact numbers"


def negative_eigenvalue(rows: Rows) -> str | None:
    """The least eigenvalue of a symmetric matrix as text, where it is negative; None for a semidefinite one."""
    if not all(entry.is_Rational for row in rows for entry in row):
        return _numeric_negative_eigenvalue(rows)
    size = len(rows)
    matrix = fmpq_mat(size, size, [fmpq(int(entry.p), int(entry.q)) for row in rows for entry in row])
    polynomial = matrix.charpoly()
    signs = [coefficient * (-1) ** (size - power) for power, coefficient in enumerate(polynomial.coeffs())]
    if all(sign >= 0 for sign in signs):
        return None
    found: Any = polynomial.numer().complex_roots()
    roots = [root.real for root, _ in found]
    return str(min(roots, key=lambda root: float(root.mid())).str(EIGENVALUE_DIGITS, radius=False))


def _numeric_negative_eigenvalue(rows: Rows) -> str | None:
    with mp.workdps(NUMERIC_DIGITS):
        numbers = mp.matrix([[mp.mpf(str(entry.evalf(NUMERIC_DIGITS))) for entry in row] for row in rows])
        least = min(mp.eigsy(numbers, eigvals_only=True))
        return str(mp.nstr(least, EIGENVALUE_DIGITS)) if least < -(mp.mpf(10) ** -30) else None


def is_identity(rows: Rows) -> bool:
    """Whether a matrix is the identity."""
    return all(entry == int(m == n) for m, row in enumerate(rows) for n, entry in enumerate(row))


def interchangeable(probabilities: Sequence[sp.Expr], *matrices: Rows) -> list[list[int]]:
    """The features in groups, any two of which may be exchanged without changing the law or a matrix.

    Exchanging two features is an equivalence: with (a b) and (b c) also (a c) = (a b)(b c)(a b) changes nothing.
    """
    groups: list[list[int]] = []
    for feature in range(len(probabilities)):
        for group in groups:
            if probabilities[group[0]] == probabilities[feature] and all(
                _exchange(rows, group[0], feature) for rows in matrices
            ):
                group.append(feature)
                break
        else:
            groups.append([feature])
    return groups


def _exchange(rows: Rows, m: int, n: int) -> bool:
    """Whether a symmetric matrix is the same with two features exchanged."""
    if rows[m][m] != rows[n][n]:
        return False
    return all(rows[m][i] == rows[n][i] for i in range(len(rows)) if i not in (m, n))


def pair_values(
    base: sp.IndexedBase, rows: Rows, classes: Sequence[FeatureClass], groups: list[list[int]]
) -> PairValues:
    """The entries of a matrix by classes, each class being the group of features at its position."""
    own = tuple((each.name, rows[group[0]][group[0]]) for each, group in zip(classes, groups, strict=True))
    between = []
    for i, (first, members) in enumerate(zip(classes, groups, strict=True)):
        for second, others in list(zip(classes, groups, strict=True))[i:]:
            m = members[0]
            n = next((feature for feature in others if feature != m), None)
            if n is not None:
                between.append(((first.name, second.name), rows[m][n]))
    return PairValues(base, own, tuple(between))


def gap(rows: Rows, m: int, n: int) -> sp.Expr:
    """``M_mm - 2 M_mn + M_nn``: the mean square of ``f(v_m) - f(v_n)``, or the squared distance of two features."""
    return rows[m][m] - 2 * rows[m][n] + rows[n][n]


def not_told_apart(rows: Rows) -> list[list[int]]:
    """Groups of at least two features between which the gap is zero: no task of the law tells them apart.

    Zero gaps are an equivalence, being distances of zero.
    """
    groups: list[list[int]] = []
    for feature in range(len(rows)):
        own = next((group for group in groups if gap(rows, group[0], feature) == 0), None)
        if own is None:
            groups.append([feature])
        else:
            own.append(feature)
    return [group for group in groups if len(group) > 1]
