"""In-context classification of a Gaussian mixture by linear attention with one trained matrix W.

The setting of "On the Training Convergence of Transformers for In-Context Classification of Gaussian Mixtures" (arXiv
2410.11778). Given the class, a point is Gaussian with one covariance Lambda, and every class mean has the same norm
``mu' P mu = r`` in the precision ``P = Lambda^-1``; labels are i.i.d. and equally likely. The means are random
themselves, a new pair each prompt: their law is part of the system. The loss below is the definition; the rest is
derived.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import sympy as sp

from symicl.errors import InputError
from symicl.expectation import Expectation, Law, Multinomial
from symicl.gaussian import Gaussian, Unspecified, Vector, averaged, bilinear, centred
from symicl.grammar import exact
from symicl.indices import Index
from symicl.systems.base import Array, Coordinate, IndexRange, System

WEIGHTS = sp.IndexedBase(sp.Symbol("W", real=True))
PRECISION = sp.IndexedBase(sp.Symbol("P", real=True))
COVARIANCE = sp.IndexedBase(sp.Symbol("Lambda", real=True))
PLUS = sp.IndexedBase(sp.Symbol("u", real=True))
MINUS = sp.IndexedBase(sp.Symbol("v", real=True))
CENTRES = sp.IndexedBase(sp.Symbol("M", real=True))
"""Row a is the mean of class a."""
QUERY = sp.IndexedBase(sp.Symbol("q", real=True))
STATISTIC = sp.IndexedBase(sp.Symbol("p", real=True))
NORM = sp.Symbol("r", positive=True)
LABELS = sp.symbols("n_plus n_minus", integer=True, nonnegative=True)

SYMBOLS = (("Lambda", r"\Lambda"), ("n_plus", "n_{+}"), ("n_minus", "n_{-}"))

Task = tuple[Array, Array]
"""The means of the classes +1 and -1, one prompt's."""

MAX_DIMENSION = 12


def dimensions(d: sp.Expr) -> IndexRange:
    """The range of the coordinates of a point."""
    return IndexRange("dimensions", d, ("j", "k", "l", "h", "i"))


def class_range(c: sp.Expr) -> IndexRange:
    """The range of the classes."""
    return IndexRange("classes", c, ("a", "b", "f", "g"))


def plus(i: Index) -> sp.Expr:
    """The mean of class +1."""
    return PLUS[i]


def minus(i: Index) -> sp.Expr:
    """The mean of class -1."""
    return MINUS[i]


def logit(left: Vector, over: IndexRange) -> sp.Expr:
    """``left' W q``."""
    return bilinear(left, lambda i, j: WEIGHTS[i, j], lambda j: QUERY[j], over.index("j"), over.size)


def likelihood(mean: Vector, body: sp.Expr, over: IndexRange) -> sp.Expr:
    """``E[body]`` for a query of the class with this mean, under the Gaussian of mean zero; ``mean' P mean`` is r."""
    law = Gaussian(QUERY, mean, lambda i, j: COVARIANCE[i, j], over.index("j"), over.size)
    node = centred(Expectation(body, law), lambda i, j: PRECISION[i, j])
    square = bilinear(mean, lambda i, j: PRECISION[i, j], mean, over.index("j"), over.size)
    return node.xreplace({square: NORM})


BINOMIAL, GAUSSIAN = "binomial", "gaussian"
"""Laws of the statistic p: as it is, with binomial label counts, or a Gaussian of the same mean and covariance."""


def statistic_laws(length: sp.Expr, over: IndexRange, labels: str = BINOMIAL) -> tuple[Law, ...]:
    """The law of ``p = (2/N) sum of y_i x_i`` given the means: binomial label counts, then a Gaussian.

    With ``labels="gaussian"`` instead the Gaussian of its mean and of its covariance
    ``((u + v)(u + v)' + 4 Lambda) / N``. The two differ where ``u + v`` is not 0, in fourth moments of order N^-3.
    """
    if labels == GAUSSIAN:
        return (
            Gaussian(
                STATISTIC,
                lambda i: PLUS[i] - MINUS[i],
                lambda i, j: ((PLUS[i] + MINUS[i]) * (PLUS[j] + MINUS[j]) + 4 * COVARIANCE[i, j]) / length,
                over.index("j"),
                over.size,
            ),
        )
    positive, negative = LABELS
    counts = Multinomial(length, ((positive, sp.Rational(1, 2)), (negative, sp.Rational(1, 2))))
    statistic = Gaussian(
        STATISTIC,
        lambda i: 2 * (positive * PLUS[i] - negative * MINUS[i]) / length,
        lambda i, j: 4 * COVARIANCE[i, j] / length,
        over.index("j"),
        over.size,
    )
    return counts, statistic


def mixture(d: sp.Expr, length: sp.Expr, *, id: str, title: str, labels: str = BINOMIAL) -> System:
    """The logistic loss of ``sigma(p' W q / 2)`` as a system that trains the d x d matrix W.

    ``length`` is the prompt length N, a number, a symbol or infinity (where ``p = mu_+ - mu_-``). The law of the means
    is left open, but for their equal norm.
    """
    over = dimensions(d)
    statistic: Callable[[Index], sp.Expr] = lambda i: STATISTIC[i]  # noqa: E731 (it stands beside the other case)
    laws: tuple[Law, ...] = ()
    if length is sp.oo:
        statistic = lambda i: PLUS[i] - MINUS[i]  # noqa: E731
    else:
        laws = statistic_laws(length, over, labels)
    score = logit(statistic, over) / 2
    given = sum(
        likelihood(mean, sp.log(1 + sp.exp(-sign * score)), over) / 2 for mean, sign in ((plus, 1), (minus, -1))
    )
    loss = averaged(given, Unspecified(PLUS, MINUS), *laws)
    return _system(loss, (over,), id, title)


def classes(c: sp.Expr, d: sp.Expr, *, id: str, title: str) -> System:
    """Softmax and log loss of c equally likely classes at infinite prompt length, with logits ``mu_a' W q / c``."""
    over, kinds = dimensions(d), class_range(c)

    def score(a: Index) -> sp.Expr:
        return logit(lambda i: CENTRES[a, i] / c, over)

    total = kinds.sum(lambda a: sp.exp(score(a)))
    a = kinds.index("a")
    one = likelihood(lambda i: CENTRES[a, i], sp.log(total) - score(a), over)
    assert isinstance(one, Expectation)
    body = kinds.sum(lambda b: one.body.xreplace({a: b})) / c
    loss = averaged(Expectation(body, one.law), Unspecified(CENTRES))
    return _system(loss, (kinds, over), id, title)


def _system(loss: sp.Expr, ranges: tuple[IndexRange, ...], id: str, title: str) -> System:
    over = ranges[-1]
    return System(
        id=id,
        title=title,
        loss=loss,
        objective=loss,
        coordinates=(Coordinate(WEIGHTS[over.index("j"), over.index("k")]),),
        ranges=ranges,
        symbols=SYMBOLS,
    )


@dataclass(frozen=True)
class MixtureData:
    """Exact data: Lambda (d x d), the pairs of means and their probabilities, the prompt length N, and W at the start.

    ``weights`` are positive and sum to 1; ``length`` is an integer or infinity; ``labels`` is the law of the label
    counts, "binomial" as they are, or "gaussian" (see ``statistic_laws``).
    """

    covariance: Array
    tasks: tuple[Task, ...]
    weights: tuple[sp.Rational, ...]
    length: sp.Expr
    start: Array | None = None
    labels: str = BINOMIAL

    @property
    def dimension(self) -> int:
        return len(self.covariance)

    @property
    def precision(self) -> sp.Matrix:
        """``Lambda^-1``, exact."""
        return sp.Matrix(self.covariance).inv()

    def differences(self) -> tuple[sp.Matrix, ...]:
        """``mu_+ - mu_-`` of each task, as columns."""
        return tuple(sp.Matrix(plus) - sp.Matrix(minus) for plus, minus in self.tasks)

    @property
    def rank(self) -> int:
        """The dimension of what the differences of the means span; below d the minimiser is not unique at N = inf."""
        return int(sp.Matrix.hstack(*self.differences()).rank())


def spanning(data: MixtureData, where: str) -> MixtureData:
    """The data, where the differences of the means span the space. Raises ``InputError`` for degenerate ones."""
    if data.rank < data.dimension:
        raise InputError(
            f"the differences of the means span {data.rank} of {data.dimension} dimensions: at N = inf the minimiser is"
            " not unique, and at finite N it does not tend to 2 Lambda^-1",
            where=where,
            remedy="add tasks until the differences span the space",
        )
    return data


def on_data(data: MixtureData, *, id: str, title: str, where: str = "") -> System:
    """The system at exact data; ``where`` is how errors name them.

    Raises ``InputError`` for a covariance that is none, for means of unequal norm, for N < 1.
    """
    data = checked(data, where or id)
    d = data.dimension
    system = mixture(sp.Integer(d), data.length, id=id, title=title, labels=data.labels)
    start = data.start or ((sp.S.Zero,) * d,) * d
    (coordinate,) = system.coordinates
    precision = data.precision
    arrays = (
        (COVARIANCE, data.covariance),
        (PRECISION, tuple(tuple(precision[i, j] for j in range(d)) for i in range(d))),
    )
    return replace(
        system, data=data, coordinates=(replace(coordinate, start=start),), arrays=arrays, warnings=_warnings(data)
    )


def _warnings(data: MixtureData) -> tuple[str, ...]:
    if data.rank == data.dimension:
        return ()
    kept = f"the differences of the means span {data.rank} of {data.dimension} dimensions"
    if data.length is sp.oo:
        return (f"{kept}: the minimiser is not unique, and training keeps what it cannot see at its start",)
    return (f"{kept}: the minimiser is unique at this prompt length, but does not tend to 2 Lambda^-1",)


def checked(data: MixtureData, where: str) -> MixtureData:
    """The data as exact numbers of the right shapes, with every assumption of the model. Raises ``InputError``."""
    covariance = _matrix("the covariance", data.covariance, where)
    d = len(covariance)
    if d > MAX_DIMENSION:
        raise InputError(f"{d} dimensions", where=where, remedy=f"at most {MAX_DIMENSION} are supported")
    _check_covariance(covariance, where)
    length = exact(data.length)
    if length is not sp.oo and not (length.is_Integer and length >= 1):
        raise InputError(f"the prompt length is {length}", where=where, remedy='give an integer >= 1, or "inf"')
    tasks = tuple((_vector("mu_+", a, d, where), _vector("mu_-", b, d, where)) for a, b in data.tasks)
    weights = tuple(exact(weight) for weight in data.weights)
    if not tasks or len(weights) != len(tasks):
        raise InputError(
            f"{len(tasks)} pairs of means with {len(weights)} weights", where=where, remedy="give each a weight"
        )
    if any(not (w.is_Rational and w > 0) for w in weights) or sum(weights) != 1:
        raise InputError(
            f"the weights {', '.join(map(str, weights))} are no probabilities", where=where, remedy="make them sum to 1"
        )
    precision = sp.Matrix(covariance).inv()
    for number, pair in enumerate(tasks, 1):
        _check_pair(precision, pair, f"{where}: task {number}")
    start = None if data.start is None else _matrix("the start", data.start, where)
    if start is not None and len(start) != d:
        raise InputError(f"the start is {len(start)} x {len(start)}", where=where, remedy=f"give a {d} x {d} matrix")
    if data.labels not in (BINOMIAL, GAUSSIAN):
        raise InputError(
            f"there is no law {data.labels!r} of labels", where=where, remedy='write "binomial" or "gaussian"'
        )
    return MixtureData(covariance, tasks, weights, length, start, data.labels)


def _matrix(name: str, given: Array, where: str) -> Array:
    d = len(given)
    if d == 0 or any(len(row) != d for row in given):
        raise InputError(f"{name} is not square", where=where, remedy="give a list of d rows of d numbers")
    return tuple(_vector(name, row, d, where) for row in given)


def _vector(name: str, given: Array, d: int, where: str) -> Array:
    if len(given) != d:
        raise InputError(f"{name} has {len(given)} numbers, not {d}", where=where, remedy="give one a dimension")
    numbers = tuple(exact(entry) for entry in given)
    for number in numbers:
        if not number.is_Rational:
            raise InputError(f"an entry of {name} is {number}", where=where, remedy="give finite numbers")
    return numbers


def _check_covariance(covariance: Array, where: str) -> None:
    matrix = sp.Matrix(covariance)
    if matrix != matrix.T:
        raise InputError("the covariance is not symmetric", where=where, remedy="give a symmetric matrix")
    for size in range(1, len(covariance) + 1):
        minor = matrix[:size, :size].det()
        if minor <= 0:
            raise InputError(
                f"the covariance is not positive definite: its leading {size} x {size} minor is {minor}",
                where=where,
                remedy="give a positive definite matrix",
            )


def _check_pair(precision: sp.Matrix, pair: Task, where: str) -> None:
    norms = [(sp.Matrix(mean).T * precision * sp.Matrix(mean))[0] for mean in pair]
    if norms[0] != norms[1]:
        raise InputError(
            "the model assumes means of equal norm mu' Lambda^-1 mu, and these have"
            f" {norms[0]} and {norms[1]}: without a bias, p' W q is then not the log odds at any W",
            where=where,
            remedy="move the origin or scale one mean, so that the norms agree",
        )
    if pair[0] == pair[1]:
        raise InputError("the two means are equal: labels say nothing", where=where, remedy="give two different means")
