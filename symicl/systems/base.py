"""What a system is: trained coordinates, a loss over them, and the classes of exchangeable features.

A system says nothing about gradients, symmetry or phases: those follow. A user's own system is built from the same
names, in a file of the user's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import sympy as sp

from symicl.errors import InputError
from symicl.expectation import Expectation
from symicl.grammar import exact
from symicl.indices import Index, SumOver, fresh_index
from symicl.pairs import OfPair, PairValues

Label = tuple[str, ...]
"""Which orbit a trained entry belongs to: for each of its indices the class, or the earlier feature it equals."""


@dataclass(frozen=True)
class FeatureClass:
    """``size`` exchangeable features (a number or a symbol), on each of which ``values`` are constant.

    ``values`` pairs an indexed quantity with its value on the class, such as ``((p, 1/K),)``.
    """

    name: str
    size: sp.Expr
    values: tuple[tuple[sp.IndexedBase, sp.Expr], ...] = ()


@dataclass(frozen=True)
class FeatureSet:
    """The features 1..size. Without ``classes`` only statements for unspecified features can be derived.

    ``placed`` puts distinguished features (such as a fixed query) into classes, by name; ``pairs`` are the symmetric
    quantities of two features, such as their inner product, that are constant on pairs of classes.
    """

    size: sp.Expr
    classes: tuple[FeatureClass, ...] = ()
    placed: tuple[tuple[sp.Symbol, str], ...] = ()
    pairs: tuple[PairValues, ...] = ()

    def sum(self, term: Callable[[sp.Symbol], Any], *, other_than: tuple[sp.Symbol, ...] = ()) -> sp.Expr:
        """``sum of term(m) over the features m``, leaving out those named."""
        index = sp.Dummy("m", integer=True, positive=True)
        return SumOver(term(index), index, self.size, other_than)

    def named(self, name: str) -> FeatureClass:
        return next(group for group in self.classes if group.name == name)


@dataclass(frozen=True)
class IndexRange:
    """A range 1..size of indices other than the features, such as the rows of a matrix.

    ``letters`` are the names of its indices in print, bound ones included. Indices of one range may coincide.
    """

    name: str
    size: sp.Expr
    letters: tuple[str, ...]

    def index(self, letter: str) -> Index:
        """A free index over this range."""
        return Index(letter, self.name)

    def sum(self, term: Callable[[sp.Symbol], Any], *, other_than: sp.Symbol | None = None) -> sp.Expr:
        """``sum of term(i) over the range``, leaving out one index where it is given."""
        index = fresh_index(self.index("i"))
        return SumOver(term(index), index, self.size, () if other_than is None else (other_than,))


@dataclass(frozen=True)
class Definition:
    """A name for an expression, such as ``f[i]`` for a softmax: the notation a paper speaks.

    ``solved`` is the definition read backwards, (what the name replaces, by what): ``exp(u_i)`` by ``f[i] * alpha``.
    """

    name: sp.Expr
    body: sp.Expr
    solved: tuple[sp.Expr, sp.Expr]


Array = tuple[Any, ...]
"""Exact numbers in nested tuples, a level an index."""


@dataclass(frozen=True)
class StateNames:
    """Names of states by the label of their orbit, such as ``((("k",), "A"), (("other",), "B"))``."""

    names: tuple[tuple[Label, str], ...]

    def __call__(self, base: str, label: Label) -> str:
        """The name of an orbit; that of :func:`default_name` where none was given."""
        return dict(self.names).get(label, default_name(base, label))


def default_name(base: str, label: Label) -> str:
    """``S_n_k``: the name of a trained entry when the system gives none."""
    return "_".join((base, *label))


NARROW_ASSUMPTIONS = ("positive", "negative", "nonnegative", "nonpositive", "integer")
"""What a trained number must not be assumed to be: gradient descent can take it anywhere."""


@dataclass(frozen=True)
class Coordinate:
    """A family of trained numbers: a symbol ``w``, or the entries of ``S[n, k]`` over the features.

    Index symbols that the feature set places in a class stay fixed; the others run over all features. ``name`` turns
    an orbit's label into the name of its state; ``start`` is the value at step 0, or the array of values of entries
    over an :class:`IndexRange`.
    """

    variable: sp.Expr
    name: Callable[[str, Label], str] = default_name
    start: sp.Expr | Array = sp.S.Zero
    latex: Callable[[str], str] = str

    def __post_init__(self) -> None:
        if not _is_exact(self.start):
            raise InputError(f"the start {self.start} is not exact", where=str(self.variable), remedy="use a Rational")
        symbol = self.variable.base.label if isinstance(self.variable, sp.Indexed) else self.variable
        if any(symbol.assumptions0.get(narrow) for narrow in NARROW_ASSUMPTIONS):
            raise InputError(f"{symbol} is trained and may take any real value", remedy="assume real=True and no more")


def _is_exact(value: sp.Expr | Array) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_exact, value))
    return isinstance(value, sp.Expr) and not value.has(sp.Float)


def admissible(symbol: sp.Symbol, value: sp.Expr) -> bool:
    """Whether a number has every property that a symbol is assumed to have."""
    known = {name: getattr(value, f"is_{name}", None) for name in symbol.assumptions0}
    return all(known[name] is None or known[name] == wanted for name, wanted in symbol.assumptions0.items())


@dataclass(frozen=True)
class Parameter:
    """A parameter of a named system, with the values it may take: ``minimum`` <= value, or an open interval.

    ``integer`` asks for an integer, ``infinite`` also allows ``inf``; ``above`` and ``below`` are strict bounds.
    """

    symbol: sp.Symbol
    meaning: str
    minimum: int | None = None
    above: sp.Rational | None = None
    below: sp.Rational | None = None
    infinite: bool = False

    @property
    def name(self) -> str:
        return str(self.symbol.name)

    @property
    def domain(self) -> str:
        """The allowed values in words, such as ``integer >= 2 or inf``."""
        kind = "integer" if self.symbol.is_integer else "number"
        bounds = [(">=", self.minimum), (">", self.above), ("<", self.below)]
        limits = " and ".join(f"{relation} {bound}" for relation, bound in bounds if bound is not None)
        return f"{kind} {limits}".strip() + (" or inf" if self.infinite else "")

    def allows(self, value: sp.Expr) -> bool:
        """Whether a finite value is in the range and has the properties that the symbol is assumed to have."""
        return bool(
            value.is_Rational
            and admissible(self.symbol, value)
            and (self.minimum is None or value >= self.minimum)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )

    def check(self, value: sp.Expr) -> sp.Expr:
        """The value itself, when it is allowed; raises ``InputError`` otherwise."""
        if value is sp.oo and self.infinite:
            return value
        if not self.allows(value):
            raise InputError(
                f"{self.name} = {value} is not allowed",
                where=f"{self.name}: {self.meaning}",
                remedy=f"give {self.name} as {self.domain}",
            )
        return value


@dataclass(frozen=True)
class System:
    """What is trained: gradient descent with step ``step_size`` on ``objective`` over ``coordinates``.

    ``loss`` is what is reported (for a conditional system it leaves out the probability of the query); both are
    expressions over indexed quantities, sums over features and expectations. ``data`` is whatever the independent
    simulator needs to draw prompts; ``symbols`` gives the LaTeX of names that have one of their own. ``simplices`` are
    the indexed quantities that are positive and sum to 1 over the features; ``parameters`` those still symbolic and
    ``values`` those that have one. ``ranges`` are the index ranges other than the features, ``definitions`` the
    notation of the paper, each over those before it, and ``arrays`` the exact values of indexed quantities that are
    data. ``prediction`` is what the model says, an entry or a name of the notation; ``observables`` are named
    expressions in the states that a run reports. ``gram``, where given, is the inner product of two features: a trained
    entry ``S[n, k] = v_n' Q v_k`` is then a reading of a matrix Q, on which gradient descent acts, and S moves by
    ``-eta sum_ml gram(n, m) D[m, l] gram(l, k)`` with D the derivative in S; None stands for orthonormal features.
    ``warnings`` is what its user should know.
    """

    id: str
    title: str
    loss: sp.Expr
    objective: sp.Expr
    coordinates: tuple[Coordinate, ...]
    features: FeatureSet | None = None
    step_size: sp.Symbol = field(default_factory=lambda: sp.Symbol("eta", positive=True))
    data: Any = None
    symbols: tuple[tuple[str, str], ...] = ()
    simplices: tuple[sp.IndexedBase, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    values: tuple[tuple[str, sp.Expr], ...] = ()
    ranges: tuple[IndexRange, ...] = ()
    definitions: tuple[Definition, ...] = ()
    arrays: tuple[tuple[sp.IndexedBase, Array], ...] = ()
    prediction: sp.Expr | None = None
    observables: tuple[tuple[str, sp.Expr], ...] = ()
    gram: OfPair | None = None
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if any(parameter.name == self.step_size.name for parameter in self.parameters):
            raise InputError(
                f"{self.id} has a parameter with the name of the step size",
                where=self.step_size.name,
                remedy="rename one of them",
            )

    @property
    def has_orbits(self) -> bool:
        """Whether trained entries are known one by one or by the classes of their features, so that states have names.

        Otherwise only statements for unspecified indices can be derived.
        """
        return not self.ranges and (self.features is None or bool(self.features.classes))

    def size_of(self, over: str) -> sp.Expr:
        """How many indices a range has; the empty name stands for the features. Raises ``InputError``."""
        sizes = {each.name: each.size for each in self.ranges}
        if self.features is not None:
            sizes[""] = self.features.size
        if over not in sizes:
            raise InputError(f"{self.id} has no range {over or 'of features'}", where=over or self.id)
        return sizes[over]


@dataclass(frozen=True)
class SystemFamily:
    """A named system with parameters: ``family(K=8, N=sp.oo)`` is the system at these values, the rest symbolic."""

    id: str
    title: str
    parameters: tuple[Parameter, ...]
    build: Callable[[Mapping[str, sp.Expr]], System]

    def __call__(self, **values: Any) -> System:
        """The system at exact parameter values; parameters not given stay symbols. Raises ``InputError``."""
        known = {parameter.name: parameter for parameter in self.parameters}
        for name in values:
            if name not in known:
                raise InputError(
                    f"{self.id} has no parameter {name}", where=name, remedy=f"its parameters are {', '.join(known)}"
                )
        chosen = {
            name: parameter.check(exact(values[name])) if name in values else parameter.symbol
            for name, parameter in known.items()
        }
        symbolic = tuple(parameter for parameter in self.parameters if parameter.name not in values)
        given = tuple((name, chosen[name]) for name in values)
        return replace(self.build(chosen), parameters=symbolic, values=given)


__all__ = [
    "Array",
    "Coordinate",
    "Definition",
    "Expectation",
    "FeatureClass",
    "FeatureSet",
    "IndexRange",
    "Label",
    "Parameter",
    "StateNames",
    "SumOver",
    "System",
    "SystemFamily",
]
