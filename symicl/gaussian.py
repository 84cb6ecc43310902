"""Gaussian vectors in expectations: at any dimension, with means and covariances that stay symbols.

A vector is an indexed quantity over an :class:`symicl.indices.Index` range. Three exact rules move such expectations
about: :func:`centred` changes the measure, :func:`stein` integrates by parts, :func:`averaged` joins nested means into
one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sympy as sp

from symicl.errors import DerivationError, InputError
from symicl.expectation import Expectation, Law
from symicl.indices import Index, SumOver, fresh_index, like_index, partial, range_of

Vector = Callable[[Index], Any]
Matrix = Callable[[Index, Index], Any]

_PLACES = ("_row", "_column")


class Gaussian(Law):
    """``vector ~ N(mean, covariance)`` over 1..size of the range of ``index``.

    ``mean(i)`` and ``covariance(i, j)`` are expressions of indices, which may hold what is random in a law before this
    one. The covariance is taken to be symmetric and positive definite.
    """

    certain = True

    def __new__(cls, vector: sp.IndexedBase, mean: Vector, covariance: Matrix, index: Index, size: Any) -> Gaussian:
        if not range_of(index):
            raise InputError(f"{index} has no range", where=str(vector), remedy="use the index of an IndexRange")
        i, j = (like_index(index, name) for name in _PLACES)
        centre, spread = sp.sympify(mean(i), strict=True), sp.sympify(covariance(i, j), strict=True)
        size = sp.sympify(size, strict=True)
        node: Gaussian = sp.Basic.__new__(cls, vector, centre, spread, i, j, size)
        return node

    @property
    def func(self) -> Callable[..., Gaussian]:
        """Builds the law again from its ``args``, as SymPy does to replace what is in them."""
        return _again

    @property
    def vector(self) -> sp.IndexedBase:
        return self.args[0]

    @property
    def index(self) -> Index:
        """The index of its range that stands in ``args``; any other of that range will do elsewhere."""
        index: Index = self.args[3]
        return index

    @property
    def size(self) -> sp.Expr:
        return self.args[5]

    @property
    def spread(self) -> sp.Expr:
        """The covariance at :attr:`spread_places`."""
        return self.args[2]

    @property
    def spread_places(self) -> tuple[sp.Symbol, sp.Symbol]:
        """The indices of the row and the column in :attr:`spread`."""
        return self.args[3], self.args[4]

    def mean(self, i: Index) -> sp.Expr:
        """The mean at an index."""
        return self.args[1].xreplace({self.args[3]: i})

    def covariance(self, i: Index, j: Index) -> sp.Expr:
        """The covariance at two indices."""
        return self.args[2].xreplace({self.args[3]: i, self.args[4]: j})

    @property
    def variables(self) -> frozenset[sp.Basic]:
        return frozenset({self.vector, self.vector.label})

    @property
    def places(self) -> frozenset[sp.Symbol]:
        return frozenset({self.args[3], self.args[4]})

    @property
    def free_symbols(self) -> set[sp.Basic]:
        return super().free_symbols - self.places

    def at(self, mean: Vector) -> Gaussian:
        """The law with another mean."""
        return Gaussian(self.vector, mean, self.covariance, self.index, self.size)

    def _sympystr(self, printer: Any) -> str:
        i, j = (like_index(self.index, name) for name in ("i", "j"))
        mean, covariance = (printer._print(each) for each in (self.mean(i), self.covariance(i, j)))
        return f"{self.vector}[i] ~ N({mean}, {covariance})"


class Unspecified(Law):
    """Quantities of which only their assumptions are known: what holds under this law holds under every law of them."""

    certain = True

    def __new__(cls, *quantities: sp.IndexedBase) -> Unspecified:
        node: Unspecified = sp.Basic.__new__(cls, *quantities)
        return node

    @property
    def variables(self) -> frozenset[sp.Basic]:
        return frozenset(part for quantity in self.args for part in (quantity, quantity.label))

    def _sympystr(self, printer: Any) -> str:
        return f"{', '.join(map(str, self.args))} ~ any law"


class Joint(Law):
    """Several laws, each given what is random in those before it."""

    def __new__(cls, *laws: Law) -> Joint:
        node: Joint = sp.Basic.__new__(cls, *laws)
        return node

    @property
    def laws(self) -> tuple[Law, ...]:
        return tuple(self.args)

    @property
    def variables(self) -> frozenset[sp.Basic]:
        return frozenset().union(*(law.variables for law in self.laws))

    @property
    def places(self) -> frozenset[sp.Symbol]:
        return frozenset().union(*(law.places for law in self.laws))

    def _sympystr(self, printer: Any) -> str:
        return "; ".join(printer._print(law) for law in self.laws)


def centred(node: Expectation, precision: Matrix) -> sp.Expr:
    """The same expectation under the Gaussian of mean zero: the body times ``exp(m'P x - m'P m / 2)``.

    ``precision`` is the inverse P of the covariance. Exact (Cameron-Martin: the ratio of the two densities). Raises
    ``DerivationError`` where the law is not Gaussian.
    """
    law = _gaussian(node)
    size, i = law.size, fresh_index(law.index)

    def form(left: Vector, right: Vector) -> sp.Expr:
        return bilinear(left, precision, right, i, size)

    exponent = form(law.mean, lambda k: law.vector[k]) - form(law.mean, law.mean) / 2
    return Expectation(node.body * sp.exp(exponent), law.at(lambda _: sp.S.Zero))


def stein(node: Expectation, index: Index) -> sp.Expr:
    """``E[x_i f(x)]`` from f, the body of the expectation: ``m_i E[f] + sum_j S_ij E[df/dx_j]``, for ``x ~ N(m, S)``.

    Exact where f and its derivatives grow at most exponentially (Stein's lemma: integration by parts). Raises
    ``DerivationError`` where the law is not Gaussian.
    """
    law, j = _gaussian(node), fresh_index(node.law.args[3])
    slope = Expectation(partial(node.body, law.vector[j]), law)
    return law.mean(index) * node + SumOver(law.covariance(index, j) * slope, j, law.size)


def _again(*args: Any) -> Gaussian:
    node: Gaussian = sp.Basic.__new__(Gaussian, *args)
    return node


def averaged(expression: sp.Expr, *laws: Law) -> sp.Expr:
    """The mean over the laws of an expression linear in expectations, each joined with them into one expectation.

    The laws come in order, each given what is random in those before; the expectations inside are given all of them.
    """
    total = []
    for term in sp.Add.make_args(sp.expand(expression, deep=False)):
        inner = [factor for factor in sp.Mul.make_args(term) if isinstance(factor, Expectation)]
        if len(inner) > 1:
            raise DerivationError(f"a product of expectations is no single mean: {term}")
        rest = sp.Mul(*(factor for factor in sp.Mul.make_args(term) if factor not in inner))
        if not inner:
            total.append(Expectation(rest, joint(laws)))
            continue
        (node,) = inner
        total.append(Expectation(rest * node.body, joint((*laws, node.law))))
    return sp.Add(*total)


def joint(laws: Sequence[Law]) -> Law:
    """One law out of several, nested ones opened."""
    flat = [each for law in laws for each in (law.laws if isinstance(law, Joint) else (law,))]
    bound = [variable for law in flat for variable in law.variables]
    if len(set(bound)) != len(bound):
        raise DerivationError(
            "two laws of one mean bind the same quantity", remedy="give each random vector its own name"
        )
    return flat[0] if len(flat) == 1 else Joint(*flat)


def bilinear(left: Vector, matrix: Matrix, right: Vector, index: Index, size: Any) -> sp.Expr:
    """``sum over i and j in 1..size of left_i matrix_ij right_j``."""
    i, j = fresh_index(index), fresh_index(index)
    return SumOver(SumOver(left(i) * matrix(i, j) * right(j), j, size), i, size)


def _gaussian(node: Expectation) -> Gaussian:
    if not isinstance(node, Expectation) or not isinstance(node.law, Gaussian):
        raise DerivationError(
            f"{node} is no expectation over a Gaussian vector", remedy="give Expectation(f, Gaussian(...))"
        )
    return node.law


__all__ = ["Gaussian", "Joint", "Unspecified", "averaged", "bilinear", "centred", "joint", "stein"]
