"""Laws of tasks on given features, each with its second moments M exactly and with functions to draw.

A family holds the features as vectors of exact numbers (``places``, one row a feature). Their inner products and the
``kernel`` are what the layer's training depends on (arXiv 2507.20443: second moments decide, whatever the functions
look like); ``draw`` gives functions on all of R^d for the simulator, so that tokens need not lie on a feature exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from symicl.errors import InputError
from symicl.grammar import exact
from symicl.systems.base import System
from symicl.systems.matrices import Rows, checked, gap
from symicl.systems.structured_features import from_probabilities

Array = NDArray[np.float64]
Evaluate = Callable[[Array], Array]
"""Functions f_1..f_B side by side: function b at its own points, (B, n, d) to (B, n)."""


class TaskFamily(Protocol):
    """What a family offers; a user's own has the same three."""

    @property
    def places(self) -> Rows:
        """The features, one row each."""
        ...

    @property
    def kernel(self) -> Rows:
        """``M_mn = E f(v_m) f(v_n)``, exact."""
        ...

    def draw(self, count: int, rng: np.random.Generator) -> Evaluate:
        """That many independent functions."""
        ...


def gram_of(places: Rows) -> Rows:
    """The inner products of the features, exact."""
    return tuple(tuple(_dot(a, b) for b in places) for a in places)


def system_of_family(
    family: TaskFamily,
    probabilities: Sequence[object],
    prompt_length: object,
    *,
    id: str = "custom",
    title: str = "custom system",
) -> System:
    """The population system of a family of tasks; numbers as :func:`symicl.exact` takes them. Raises ``InputError``."""
    law = [exact(p) for p in probabilities]
    gram, kernel = gram_of(family.places), family.kernel
    if len(law) != len(gram):
        raise InputError(f"{len(law)} probabilities for {len(gram)} features", where=id, remedy="give one each")
    return from_probabilities(law, exact(prompt_length), gram=gram, kernel=kernel, id=id, title=title)


def exact_rows(rows: Sequence[Sequence[object]]) -> Rows:
    """Rows of exact numbers: as :func:`symicl.exact` takes them, or real SymPy numbers. Raises ``InputError``."""
    return tuple(tuple(_exact(entry) for entry in row) for row in rows)


def _exact(entry: object) -> sp.Expr:
    if isinstance(entry, sp.Expr) and entry.is_real and entry.is_number and not entry.has(sp.Float):
        return entry
    return exact(entry)


def _dot(a: Sequence[sp.Expr], b: Sequence[sp.Expr]) -> sp.Expr:
    return sp.Add(*(x * y for x, y in zip(a, b, strict=True)))


def _floats(rows: Rows) -> Array:
    return np.array([[float(entry) for entry in row] for row in rows])


# ------------------------------------------------------------------------- functions known on the features


@dataclass(frozen=True)
class Ensemble:
    """Finitely many functions by their values on the features, ``values[i][m] = f_i(v_m)``, with their chances.

    Between the features a function is extended with the least Lipschitz constant it has on them (McShane).
    """

    places: Rows
    values: Rows
    chances: tuple[sp.Rational, ...]

    def __post_init__(self) -> None:
        if len(self.values) != len(self.chances) or not self.values:
            raise InputError(
                f"{len(self.values)} functions with {len(self.chances)} chances",
                where="Ensemble",
                remedy="give each its chance",
            )
        for position, row in enumerate(self.values):
            if len(row) != len(self.places):
                raise InputError(
                    f"function {position} has {len(row)} values for {len(self.places)} features",
                    where="Ensemble",
                    remedy="give one value a feature",
                )
        if any(not chance.is_nonnegative for chance in self.chances) or sum(self.chances) != 1:
            raise InputError("the chances are no law", where="Ensemble", remedy="give nonnegative numbers with sum 1")

    @cached_property
    def kernel(self) -> Rows:
        size = range(len(self.places))
        pairs = list(zip(self.chances, self.values, strict=True))
        return tuple(tuple(sp.Add(*(w * f[m] * f[n] for w, f in pairs)) for n in size) for m in size)

    @property
    def lipschitz_squared(self) -> sp.Expr:
        """The least L^2 for which every function is L-Lipschitz on the features, exact; oo where none is."""
        gram = gram_of(self.places)
        return sp.Max(*(_slope_squared(f, gram) for f in self.values))

    def draw(self, count: int, rng: np.random.Generator) -> Evaluate:
        chosen = rng.choice(len(self.chances), size=count, p=np.array([float(w) for w in self.chances]))
        return extended(_floats(self.places), _floats(self.values)[chosen])


def _slope_squared(values: Sequence[sp.Expr], gram: Rows) -> sp.Expr:
    worst: sp.Expr = sp.S.Zero
    for m in range(len(values)):
        for n in range(m):
            rise, run = (values[m] - values[n]) ** 2, gap(gram, m, n)
            if rise != 0:
                worst = sp.Max(worst, rise / run if run != 0 else sp.oo)
    return worst


def extended(places: Array, values: Array) -> Evaluate:
    """Functions with ``values`` (B, K) at the places (K, d), extended to R^d by ``min_m f(v_m) + L |x - v_m|``.

    L is the least Lipschitz constant on the places, and so that of the extension (McShane 1934).
    """
    apart = np.linalg.norm(places[:, None] - places[None], axis=2)
    distinct = apart > 0
    rises = np.abs(values[:, :, None] - values[:, None, :])
    slope = np.max(np.divide(rises, apart, out=np.zeros_like(rises), where=distinct), axis=(1, 2))

    def evaluate(points: Array) -> Array:
        distance = np.linalg.norm(points[:, :, None, :] - places[None, None], axis=3)
        answer: Array = np.min(values[:, None, :] + slope[:, None, None] * distance, axis=2)
        return answer

    return evaluate


def two_valued(places: Rows, raised: Sequence[int], height: object) -> Ensemble:
    """The functions that are +L on the features ``raised`` (from 0) and -L on the others, and their negatives, evenly.

    M has rank one: ``M_mn = L^2 s_m s_n``. Features of one sign cannot be told apart.
    """
    level = _exact(height)
    values = tuple(level if m in raised else -level for m in range(len(places)))
    half = sp.Rational(1, 2)
    return Ensemble(places, (values, tuple(-v for v in values)), (half, half))


@dataclass(frozen=True)
class GaussianProcess:
    """A Gaussian task with mean zero and a given covariance on the features, extended as an ensemble is."""

    places: Rows
    kernel: Rows

    def __post_init__(self) -> None:
        checked(self.kernel, len(self.places), "covariance")

    def draw(self, count: int, rng: np.random.Generator) -> Evaluate:
        eigenvalues, vectors = np.linalg.eigh(_floats(self.kernel))
        root = vectors * np.sqrt(np.maximum(eigenvalues, 0.0))
        return extended(_floats(self.places), rng.standard_normal((count, len(self.places))) @ root.T)


def squared_exponential(places: Rows, variance: object, length: object) -> GaussianProcess:
    """The Gaussian process with covariance ``variance * exp(-|x - y|^2 / (2 length^2))``, exact on the features."""
    gram, scale = gram_of(places), 2 * _exact(length) ** 2
    size = range(len(places))
    kernel = tuple(tuple(_exact(variance) * sp.exp(-gap(gram, m, n) / scale) for n in size) for m in size)
    return GaussianProcess(places, kernel)


# --------------------------------------------------------------------------------- waves of a random phase


@dataclass(frozen=True)
class PiecewiseLinear:
    """``f(x) = (L/|u|) tri(u'x + b)``: a triangle wave of slope 1 and period 1, u one of ``directions``, b uniform.

    Every function has slope L or -L along u wherever it is differentiable: the class is L-Lipschitz, and no less. M is
    rational where the numbers are: with t the phase between two features in [-1/2, 1/2], the mean over b of
    ``tri(b) tri(b+t)`` is ``1/48 - t^2/2 + 2|t|^3/3``.
    """

    places: Rows
    directions: Rows
    chances: tuple[sp.Rational, ...]
    lipschitz: sp.Expr = sp.S.One

    def __post_init__(self) -> None:
        _check_waves(self.places, self.directions, self.chances)

    @cached_property
    def kernel(self) -> Rows:
        def term(u: Sequence[sp.Expr], difference: sp.Expr) -> sp.Expr:
            turn = difference - sp.floor(difference)
            t = sp.Min(turn, 1 - turn)
            return self.lipschitz**2 / _dot(u, u) * (sp.Rational(1, 48) - t**2 / 2 + 2 * t**3 / 3)

        return _stationary(self.places, self.directions, self.chances, term)

    def draw(self, count: int, rng: np.random.Generator) -> Evaluate:
        chosen, phase = _waves(self.directions, self.chances, count, rng)
        height = float(self.lipschitz) / np.linalg.norm(chosen, axis=1)

        def evaluate(points: Array) -> Array:
            turn = np.mod((points @ chosen[:, :, None])[:, :, 0] + phase[:, None], 1.0)
            answer: Array = height[:, None] * (0.25 - np.minimum(turn, 1.0 - turn))
            return answer

        return evaluate


@dataclass(frozen=True)
class RandomFourier:
    """``f(x) = L cos(pi u'x + b) / (pi |u|)``: random Fourier features, u one of ``directions``, b a uniform phase.

    L-Lipschitz. ``E f(x) f(y) = L^2 / (2 pi^2 |u|^2) cos(pi u'(x-y))``, so ``lipschitz`` is best a multiple of pi: M is
    then rational where the cosines are, and algebraic where u is rational.
    """

    places: Rows
    directions: Rows
    chances: tuple[sp.Rational, ...]
    lipschitz: sp.Expr = sp.pi

    def __post_init__(self) -> None:
        _check_waves(self.places, self.directions, self.chances)

    @cached_property
    def kernel(self) -> Rows:
        """Exact. Raises ``InputError`` where a cosine has no form in square roots."""

        def term(u: Sequence[sp.Expr], difference: sp.Expr) -> sp.Expr:
            value = (self.lipschitz / sp.pi) ** 2 / (2 * _dot(u, u)) * sp.cos(sp.pi * difference)
            if value.has(sp.cos, sp.pi):
                raise InputError(
                    f"the second moment {value} has no form in rationals and roots",
                    where="RandomFourier",
                    remedy="take directions whose phases u'(v_m - v_n) are multiples of 1/2, 1/3, 1/4, 1/5 or 1/6, "
                    "and a Lipschitz constant that is a multiple of pi",
                )
            return value

        return _stationary(self.places, self.directions, self.chances, term)

    def draw(self, count: int, rng: np.random.Generator) -> Evaluate:
        chosen, phase = _waves(self.directions, self.chances, count, rng)
        height = float(self.lipschitz) / (np.pi * np.linalg.norm(chosen, axis=1))

        def evaluate(points: Array) -> Array:
            turn = np.pi * (points @ chosen[:, :, None])[:, :, 0] + 2 * np.pi * phase[:, None]
            answer: Array = height[:, None] * np.cos(turn)
            return answer

        return evaluate


def _check_waves(places: Rows, directions: Rows, chances: Sequence[sp.Rational]) -> None:
    width = len(places[0]) if places else 0
    if not directions or len(directions) != len(chances):
        raise InputError(f"{len(directions)} directions with {len(chances)} chances", where="directions")
    for position, u in enumerate(directions):
        if len(u) != width or _dot(u, u) == 0:
            raise InputError(
                f"direction {position} is ({', '.join(map(str, u))})",
                where="directions",
                remedy=f"give {width} numbers that are not all zero",
            )
    if any(not chance.is_nonnegative for chance in chances) or sum(chances) != 1:
        raise InputError("the chances are no law", where="chances", remedy="give nonnegative numbers with sum 1")


def _stationary(
    places: Rows,
    directions: Rows,
    chances: Sequence[sp.Rational],
    term: Callable[[Sequence[sp.Expr], sp.Expr], sp.Expr],
) -> Rows:
    """``M_mn = sum over u of its chance times term(u, u'(v_m - v_n))``."""

    def entry(x: Sequence[sp.Expr], y: Sequence[sp.Expr]) -> sp.Expr:
        pairs = zip(chances, directions, strict=True)
        return sp.Add(*(w * term(u, _dot(u, x) - _dot(u, y)) for w, u in pairs))

    return tuple(tuple(entry(x, y) for y in places) for x in places)


def _waves(
    directions: Rows, chances: Sequence[sp.Rational], count: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    """A direction (count, d) and a phase in turns (count,) for each function."""
    chosen = rng.choice(len(directions), size=count, p=np.array([float(w) for w in chances]))
    return _floats(directions)[chosen], rng.random(count)
