"""Means over Gaussian vectors with independent entries, exactly: exponentials of linear forms times quadratics.

``E q(z) exp(a'z) = exp(a'm + s |a|^2 / 2) E q(z + s a)`` for z ~ N(m, s 1) (Cameron and Martin), and
``E q(z) = q(m) + s/2 sum over j of d2q / dz_j^2`` for a polynomial q of degree two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sympy as sp

from symicl.errors import DerivationError
from symicl.indices import Index, SumOver, fresh_index, partial, replaced_entries


@dataclass(frozen=True)
class GaussianVector:
    """``values[j]``, j = 1..size, independent normal with mean ``centre(j)`` and a common ``variance``.

    ``index`` is any index over the range of j.
    """

    values: sp.IndexedBase
    index: Index
    size: sp.Expr
    centre: Callable[[sp.Symbol], sp.Expr]
    variance: sp.Expr

    def mean(self, body: sp.Expr) -> sp.Expr:
        """``E[body]``. Exact. Raises ``DerivationError`` for a body of another kind."""
        return sp.Add(*(self._term(term) for term in sp.Add.make_args(sp.expand(body, deep=False))))

    def _term(self, term: sp.Expr) -> sp.Expr:
        if any(getattr(node, "law", sp.S.Zero).has(self.values) for node in sp.preorder_traversal(term)):
            raise DerivationError(f"a law inside depends on {self.values}", where=str(term))
        exponent, polynomial = sp.S.Zero, sp.S.One
        for factor in sp.Mul.make_args(term):
            if isinstance(factor, sp.exp) and factor.has(self.values):
                exponent += factor.args[0]
            else:
                polynomial *= factor
        j = fresh_index(self.index)
        slope = partial(exponent, self.values[j])
        if slope.has(self.values):
            raise DerivationError(f"the exponent {exponent} is not linear in {self.values}", where=str(term))

        def shifted(index: sp.Symbol) -> sp.Expr:
            return self.centre(index) + self.variance * slope.xreplace({j: index})

        second = partial(partial(polynomial, self.values[j]), self.values[j])
        if partial(second, self.values[fresh_index(j)]) != 0:
            raise DerivationError(f"{polynomial} is not of degree two in {self.values}", where=str(term))
        moved = replaced_entries(polynomial, self.values, shifted) + self.variance * SumOver(second, j, self.size) / 2
        if exponent == 0:
            return moved
        constant = replaced_entries(exponent, self.values, self.centre)
        return moved * sp.exp(constant + self.variance * SumOver(slope**2, j, self.size) / 2)
