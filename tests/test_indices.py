"""Indices that know their range: sums stay exact where indices coincide, and no index is taken for another.

Properties, at random expressions over two ranges whose indices have the same names: resolving and differentiating
change no value; what is proved at symbolic sizes is true at numbers, what is false is never proved.
"""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace

import pytest
import sympy as sp
from flint import arb
from hypothesis import given
from hypothesis import strategies as st
from index_strategies import COLUMNS, FREE, ROWS, D, M, N, U, V, expressions, places, plain_system

from symicl import (
    Coordinate,
    DerivationError,
    FeatureSet,
    Parameter,
    SumOver,
    System,
    Verdict,
    arithmetic,
    check,
    claim,
    equal,
    nonnegative,
)
from symicl.claims.points import sample_points
from symicl.claims.pointwise import Point, value_at
from symicl.indices import Index, partial, range_of, resolve
from symicl.systems.base import IndexRange

BALL = arithmetic("ball")
R1, R2, C1, C2 = FREE
"""Two indices over the rows, then two of the same names over the columns."""

SYSTEM = plain_system()


def rows(term: object, *, other_than: sp.Symbol | None = None) -> sp.Expr:
    return ROWS.sum(term, other_than=other_than)  # type: ignore[arg-type]


def columns(term: object, *, other_than: sp.Symbol | None = None) -> sp.Expr:
    return COLUMNS.sum(term, other_than=other_than)  # type: ignore[arg-type]


def verdict(left: sp.Expr | int, right: sp.Expr | int) -> Verdict:
    return check(claim(equal(SYSTEM, sp.sympify(left), sp.sympify(right)))).verdict


def same(left: arb, right: arb) -> bool:
    """Whether two balls may hold the same number, and are narrow enough for that to mean something."""
    wide = (1 + abs(left)) * arb(10) ** -30
    return bool(left.overlaps(right) and left.rad() < wide and right.rad() < wide)


# ------------------------------------------------------------------------------------------------ values


@given(expressions(), places())
def test_resolving_changes_no_value(expression: sp.Expr, point: Point) -> None:
    """Sums completed, split and collected are the sums that were written, wherever the free indices stand."""
    with BALL.working(60):
        assert same(value_at(expression, point), value_at(resolve(expression, ()), point))


@given(expressions(), places())
def test_the_sum_that_is_written_is_the_sum_of_its_terms(body: sp.Expr, point: Point) -> None:
    """Binding an index adds up the values at its positions, that of an index left out being left out."""
    n = int(point.symbols[N])
    values = [replace(point, features={**point.features, R1: position}) for position in range(n)]
    with BALL.working(60):
        terms = [value_at(body, at) for at in values]
        assert same(value_at(SumOver(body, R1, N), point), sum(terms, arb(0)))
        kept = [term for position, term in enumerate(terms) if position != point.features[R2]]
        assert same(value_at(SumOver(body, R1, N, (R2,)), point), sum(kept, arb(0)))


@given(expressions(), places(), st.sampled_from([U[R1], V[C1], M[R1, C1]]))
def test_partial_is_the_derivative(expression: sp.Expr, point: Point, entry: sp.Indexed) -> None:
    """Wherever its indices stand: central differences at 80 digits, their error read off from two widths."""
    step = sp.Rational(1, 10**12)

    def slope(by: sp.Rational) -> arb:
        ends = [value_at(expression, shifted(point, entry, sign * by)) for sign in (1, -1)]
        return (ends[0] - ends[1]) / value_at(2 * by, point)

    with BALL.working(80):
        derived, fine, coarse = value_at(partial(expression, entry), point), slope(step), slope(2 * step)
        gap = abs(derived - fine)
        assert gap.rad() < arb(10) ** -30
        assert not gap > abs(coarse - fine)  # D(h) errs by a third of D(2h) - D(h), to leading order


def shifted(point: Point, entry: sp.Indexed, by: sp.Rational) -> Point:
    """The point with one entry changed."""

    def changed(values: object, place: list[int]) -> object:
        if not place:
            return values + by  # type: ignore[operator]
        assert isinstance(values, tuple)
        return tuple(changed(v, place[1:]) if at == place[0] else v for at, v in enumerate(values))

    place = [point.features[index] for index in entry.indices]
    return replace(point, entries={**point.entries, entry.base: changed(point.entries[entry.base], place)})


@given(expressions(), expressions(), places())
def test_what_is_proved_is_true(left: sp.Expr, right: sp.Expr, point: Point) -> None:
    """A proof at symbolic sizes holds at every point; an expression is proved equal to its resolved form."""
    assert verdict(left, resolve(left, ())) is Verdict.PROVED
    found = verdict(left, right)
    with BALL.working(60):
        if found is Verdict.PROVED:
            assert same(value_at(left, point), value_at(right, point))
        assert verdict(left, left + right**2 + 1) is not Verdict.PROVED


# ------------------------------------------------------------------------------------------------ true and false


TRUE = {
    "completion": (rows(lambda a: U[a], other_than=R1), rows(lambda a: U[a]) - U[R1]),
    "completion, of a matrix": (
        columns(lambda c: M[R1, c] * V[c], other_than=C1),
        columns(lambda c: V[c] * M[R1, c]) - M[R1, C1] * V[C1],
    ),
    "a constant": (rows(lambda a: U[R2], other_than=R1), (N - 1) * U[R2]),
    "differences": (rows(lambda a: U[a] - U[R1], other_than=R1), rows(lambda a: U[a]) - N * U[R1]),
    "a delta": (rows(lambda a: sp.KroneckerDelta(a, R1) * U[a] ** 2), U[R1] ** 2),
    "a delta beside an index left out": (
        rows(lambda a: sp.KroneckerDelta(a, R2) * U[a], other_than=R1),
        U[R2] - sp.KroneckerDelta(R1, R2) * U[R1],
    ),
    "two deltas": (rows(lambda a: sp.KroneckerDelta(a, R1) * sp.KroneckerDelta(a, R2)), sp.KroneckerDelta(R1, R2)),
    "a delta squared": (sp.KroneckerDelta(R1, R2) ** 2 * U[R1], sp.KroneckerDelta(R1, R2) * U[R1]),
    "a product of sums": (
        rows(lambda a: columns(lambda c: U[a] * V[c])),
        rows(lambda a: U[a]) * columns(lambda c: V[c]),
    ),
    "two sums exchanged": (rows(lambda a: columns(lambda c: M[a, c])), columns(lambda c: rows(lambda a: M[a, c]))),
    "a square of sums": (rows(lambda a: rows(lambda b: U[a] * U[b])), rows(lambda a: U[a]) ** 2),
    "an exponential of a sum": (
        rows(lambda a: sp.exp(2 * columns(lambda c: M[a, c]))),
        rows(lambda a: sp.exp(columns(lambda c: M[a, c])) ** 2),
    ),
    "the same letter twice": (SumOver(U[R1] * SumOver(U[R1], R1, N), R1, N), SumOver(U[R1], R1, N) ** 2),
    "one letter over two ranges": (
        SumOver(SumOver(U[R1] * V[C1], R1, N), C1, D),
        SumOver(U[R1], R1, N) * SumOver(V[C1], C1, D),
    ),
}

FALSE = {
    "leaving out changes nothing": (rows(lambda a: U[a], other_than=R1), rows(lambda a: U[a])),
    "a sum forgets its free index": (rows(lambda a: M[a, C1]), rows(lambda a: M[a, C2])),
    "indices never coincide": (sp.KroneckerDelta(R1, R2), 0),
    "indices always coincide": (sp.KroneckerDelta(R1, R2), 1),
    "entries are distinct": (rows(lambda a: sp.KroneckerDelta(a, R1) * sp.KroneckerDelta(a, R2)), 0),
    "a square of a sum is the sum of squares": (rows(lambda a: U[a]) ** 2, rows(lambda a: U[a] ** 2)),
    "all terms are equal": (rows(lambda a: U[a]), N * U[R1]),
    "ranges are of one size": (rows(lambda a: V[C1]), columns(lambda c: V[C1])),
    "exp of a sum is the sum of exp": (sp.exp(rows(lambda a: U[a])), rows(lambda a: sp.exp(U[a]))),
    "there are two rows": (rows(lambda a: 1), 2),
    "two left out are two terms less": (SumOver(1, FREE[0], N, (R1, R2)), N - 2),
    "captured by the sum outside": (SumOver(U[R1] * SumOver(U[R1], R1, N), R1, N), SumOver(U[R1] ** 2, R1, N) * N),
    "one name is one index": (M[R1, C1], M[R2, C1]),
    "a transposed sum": (rows(lambda a: M[a, C1] * U[R1]), rows(lambda a: M[R1, C1] * U[a])),
    "numbers stand for indices": (sp.KroneckerDelta(R1, 1), 1),
}


@pytest.mark.parametrize("name", TRUE)
def test_true_identities_are_proved(name: str) -> None:
    """At symbolic sizes, so for all; equal indices included."""
    assert verdict(*TRUE[name]) is Verdict.PROVED


@pytest.mark.parametrize("name", FALSE)
def test_false_identities_are_refuted(name: str) -> None:
    """By a point; most fail only where indices coincide, or only where they do not."""
    assert verdict(*FALSE[name]) is Verdict.REFUTED


@given(st.sampled_from(sorted(TRUE)), places())
def test_true_identities_are_true(name: str, point: Point) -> None:
    """The list above says what it should, by values alone."""
    left, right = (sp.sympify(side) for side in TRUE[name])
    with BALL.working(60):
        assert same(value_at(left, point), value_at(right, point))


def test_two_left_out_may_coincide() -> None:
    """A sum that leaves out two indices of a range has n - 1 or n - 2 terms: it is refused, not guessed."""
    assert SumOver(1, Index("a", "rows"), N, (R1, R2)).has(SumOver)
    with pytest.raises(DerivationError, match="may coincide"):
        resolve(rows(lambda a: SumOver(U[a] * U[Index("b", "rows")], Index("b", "rows"), N, (R1, R2))), ())


# ------------------------------------------------------------------------------------------------ which index is which


def test_an_index_is_its_name_and_its_range() -> None:
    """Indices of one name over two ranges are different, and different from the plain symbol of that name."""
    plain = sp.Symbol("i", integer=True, positive=True)
    assert len({R1, C1, plain, Index("i", "rows")}) == 3
    assert (range_of(R1), range_of(C1), range_of(plain), range_of(sp.Integer(1))) == ("rows", "columns", "", "")
    assert R1 - C1 != 0
    assert sp.KroneckerDelta(R1, C1) not in (0, 1)
    assert U[R1].xreplace({C1: R2}) == U[R1]


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda index: pickle.loads(pickle.dumps(index))])
def test_an_index_survives_copying(again: object) -> None:
    """Range included, inside expressions too."""
    expression = rows(lambda a: M[a, C1] * U[a], other_than=R1)
    assert again(R1) == R1  # type: ignore[operator]
    assert again(expression) == expression  # type: ignore[operator]
    assert again(C1).over == "columns"  # type: ignore[operator]


def test_a_sum_leaves_out_indices_of_its_own_range() -> None:
    """``sum over rows other than j`` with j a column has n terms where j > n: there is no such sum."""
    with pytest.raises(DerivationError, match="leaves out i, which does not run over its range"):
        rows(lambda a: U[a], other_than=C1)
    with pytest.raises(DerivationError, match="leaves out i"):
        SumOver(U[R1], R1, N, (sp.Symbol("i", integer=True, positive=True),))


def test_a_delta_across_ranges_is_left_alone() -> None:
    """``sum over rows of delta(a, j)`` is 1 or 0 with j a column: it is not the one term that a delta leaves."""
    across = rows(lambda a: sp.KroneckerDelta(a, C1) * U[a])
    assert across.has(SumOver)
    assert verdict(rows(lambda a: sp.KroneckerDelta(a, C1)), 1) is Verdict.REFUTED


def test_derivatives_across_ranges_are_refused() -> None:
    """``u[i]`` by ``u[j]`` with j a column is a mistake, not 0."""
    with pytest.raises(DerivationError, match="run over different ranges"):
        partial(rows(lambda a: U[a]), U[C1])


@given(expressions(depth=2), places())
def test_printed_sums_bind_a_name_of_their_own(expression: sp.Expr, point: Point) -> None:
    """The index that a sum shows is free nowhere in it, over whatever range, and the opened body has the same terms."""
    for node in expression.atoms(SumOver):
        index, body = node.opened()
        assert index.name not in {s.name for s in node.free_symbols if s.is_Symbol}
        assert SumOver(body, index, node.size, node.excluded) == node
    with BALL.working(60):
        assert value_at(expression, point).is_finite()


# ------------------------------------------------------------------------------------------------ beside features


K = sp.Symbol("K", integer=True, positive=True)
P = sp.IndexedBase(sp.Symbol("p", real=True))
G = sp.IndexedBase(sp.Symbol("g", real=True))
FEATURES = FeatureSet(K)
k, q = sp.symbols("k q", integer=True, positive=True)
MIXED = replace(SYSTEM, features=FEATURES)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (
            FEATURES.sum(lambda m: rows(lambda a: P[m] * U[a])),
            FEATURES.sum(lambda m: P[m]) * rows(lambda a: U[a]),
            True,
        ),
        (
            rows(lambda a: FEATURES.sum(lambda m: G[m, a] * U[a], other_than=(k,))),
            rows(lambda a: FEATURES.sum(lambda m: G[m, a] * U[a]) - G[k, a] * U[a]),
            True,
        ),
        (sp.KroneckerDelta(k, q) + sp.KroneckerDelta(R1, R2), sp.KroneckerDelta(R1, R2), True),
        (sp.KroneckerDelta(k, q), sp.KroneckerDelta(R1, R2), False),
        (FEATURES.sum(lambda m: 1, other_than=(k, q)), K - 2, True),
        (FEATURES.sum(lambda m: P[m]), rows(lambda a: P[k]), False),
        (rows(lambda a: FEATURES.sum(lambda m: G[m, a])), rows(lambda a: G[k, a]), False),
    ],
)
def test_features_are_distinct_and_other_indices_are_not(left: sp.Expr, right: sp.Expr, expected: bool) -> None:
    """In one statement: distinct feature symbols are distinct features, indices over ranges may be equal."""
    found = check(claim(equal(MIXED, left, right))).verdict
    assert found is (Verdict.PROVED if expected else Verdict.REFUTED)


@given(places(), st.integers(2, 3), st.data())
def test_resolving_beside_features_changes_no_value(point: Point, size: int, data: st.DataObject) -> None:
    """Sums over features inside sums over a range are not split at indices of that range."""
    n = int(point.symbols[N])
    g = tuple(tuple(sp.Integer(data.draw(st.integers(-3, 3))) for _ in range(n)) for _ in range(size))
    p = tuple(sp.Integer(data.draw(st.integers(-3, 3))) for _ in range(size))
    at = Point({**point.symbols, K: sp.Integer(size)}, {**point.entries, G: g, P: p}, {**point.features, k: 0, q: 1})
    inner = rows(lambda a: FEATURES.sum(lambda m: G[m, a] * P[m] * U[a], other_than=(k,)) ** 2 + P[q] * U[a])
    outer = FEATURES.sum(lambda m: rows(lambda a: sp.exp(G[m, a] / 4) * P[m], other_than=R1))
    with BALL.working(60):
        for expression in (inner, outer, inner * outer):
            assert same(value_at(expression, at), value_at(resolve(expression, (k, q)), at))
            assert same(value_at(expression, at), value_at(resolve(expression, (k, q, R1)), at))


# ------------------------------------------------------------------------------------------------ points and signs


def test_points_reach_the_smallest_sizes_and_equal_indices() -> None:
    """A search that never tries one row, or equal indices, misses what is false only there."""
    points = list(sample_points(SYSTEM, M[R1, C1] + U[R2]))
    assert {1, 2} <= {int(point.symbols[N]) for point in points}
    assert {1, 2} <= {int(point.symbols[D]) for point in points}
    assert {True, False} == {point.features[R1] == point.features[R2] for point in points}


def test_entries_at_numbers_have_the_shape_of_their_quantity() -> None:
    """``u[1]`` beside a sum over u: there are points to try, and the statement is refuted."""
    assert verdict(rows(lambda a: U[a]), U[1]) is Verdict.REFUTED
    assert verdict(U[1], U[2]) is Verdict.REFUTED


@pytest.mark.parametrize("index", [Index("m", "rows"), sp.Symbol("m", integer=True, positive=True)])
def test_a_bound_index_is_no_parameter_of_its_name(index: sp.Symbol) -> None:
    """A parameter m >= 5 says nothing about the index m of a sum: ``sum of (m - 4)`` is -3 at one term."""
    parameter = Parameter(sp.Symbol("m", integer=True, positive=True), "a number", minimum=5)
    features = FeatureSet(N)
    system = replace(SYSTEM, parameters=(parameter,), features=features)
    form = SumOver(index - 4, index, N)
    assert check(claim(nonnegative(system, form, because=form))).verdict is Verdict.REFUTED
    squares = SumOver((index - 4) ** 2, index, N)
    assert check(claim(nonnegative(system, squares, because=squares))).verdict is Verdict.PROVED


def test_a_system_with_equal_sizes() -> None:
    """Two ranges of one symbolic size: a square matrix, whose trace is a sum over one of them."""
    square = IndexRange("rows", N, ("i",)), IndexRange("columns", N, ("j",))
    system = System("square", "", U[R1], U[R1], (Coordinate(U[R1]),), ranges=square)
    both = SumOver(SumOver(M[R1, C1], C1, N), R1, N)
    assert check(claim(equal(system, both, both + 1))).verdict is Verdict.REFUTED
    assert check(claim(equal(system, SumOver(1, R1, N), SumOver(1, C1, N)))).verdict is Verdict.PROVED


x = sp.Symbol("x", real=True)
SIGNLESS = {
    "a number of any sign": x,
    "the square of a root": sp.sqrt(U[R1]) ** 4 / U[R1],
    "a reciprocal": 1 / rows(lambda a: U[a]),
    "a power of an odd number": (-1) ** N,
    "fewer terms than one": N - 2,
    "an index from its second value": rows(lambda a: a - 2),
    "a sum of products": rows(lambda a: U[a] * U[R2]),
    "minus a delta": -sp.KroneckerDelta(R1, R2),
    "a product of neighbours": (N - 1) * (N - 3),
    "squares less one": rows(lambda a: U[a] ** 2 - 1),
    "a square times what is not one": rows(lambda a: U[a] ** 2 * V[C1]),
}


@pytest.mark.parametrize("name", SIGNLESS)
def test_a_form_shows_no_sign_that_it_has_not(name: str) -> None:
    """Given as its own reason, an expression that is negative somewhere is refuted; so is the negative of a square."""
    form = SIGNLESS[name]
    assert check(claim(nonnegative(SYSTEM, form, because=form))).verdict is Verdict.REFUTED


@given(expressions(depth=2), places())
def test_shown_signs_are_signs(expression: sp.Expr, point: Point) -> None:
    """Squares, and sums and products of them, show their sign; whatever else is proved nonnegative is so."""
    squares = rows(lambda a: expression**2) + SumOver(sp.exp(U[R2]) * expression**2, R2, N) * U[R1] ** 2
    assert check(claim(nonnegative(SYSTEM, squares, because=squares))).verdict is Verdict.PROVED
    found = check(claim(nonnegative(SYSTEM, expression, because=expression))).verdict
    with BALL.working(60):
        value = value_at(expression, point)
        if found is Verdict.PROVED:
            assert not value < 0
        if value < 0:
            assert found is not Verdict.PROVED
