"""The separator is optimal by conditions that are checked here from scratch, in exact rationals.

Properties, at random rational rows: the weights are a mixture and mix the rows to the point (primal), no row lies
nearer to the origin along the point (dual), rows with weight lie on the margin (complementarity); so no direction has a
larger margin. Where the point is 0 the same weights show that no direction has a positive margin.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from symicl.errors import InputError
from symicl.separation import Separation, separate

Rows = tuple[tuple[Fraction, ...], ...]


@st.composite
def rows(draw: st.DrawFn, most: int = 7, dimensions: int = 4, *, positive: bool = False) -> Rows:
    """Rows of small fractions; many are collinear, zero or equal. With ``positive`` the first coordinate separates."""
    n, d = draw(st.integers(1, most)), draw(st.integers(1, dimensions))
    entry = st.fractions(-3, 3, max_denominator=4)
    drawn = [tuple(draw(entry) for _ in range(d)) for _ in range(n)]
    if positive:
        drawn = [(1 + abs(first), *rest) for first, *rest in drawn]
    return tuple(drawn)


def dot(left: tuple[Fraction, ...], right: tuple[Fraction, ...]) -> Fraction:
    return sum((a * b for a, b in zip(left, right, strict=True)), Fraction(0))


def fractions(values: tuple[sp.Rational, ...]) -> tuple[Fraction, ...]:
    return tuple(Fraction(int(value.p), int(value.q)) for value in values)


def check_optimal(given_rows: Rows, found: Separation) -> None:
    """The conditions of Karush, Kuhn and Tucker for the least norm in the convex hull; sufficient, as it is convex."""
    point, weights = fractions(found.point), fractions(found.weights)
    assert len(weights) == len(given_rows)
    assert sum(weights) == 1
    assert all(weight >= 0 for weight in weights)
    mixed = tuple(
        sum((w * row[k] for w, row in zip(weights, given_rows, strict=True)), Fraction(0)) for k in range(len(point))
    )
    assert mixed == point
    size = dot(point, point)
    assert Fraction(int(found.squared_margin.p), int(found.squared_margin.q)) == size
    assert found.separable == (size > 0)
    for weight, row in zip(weights, given_rows, strict=True):
        assert dot(row, point) >= size
        assert weight == 0 or dot(row, point) == size


@given(rows())
def test_the_point_is_the_nearest_of_the_hull(given_rows: Rows) -> None:
    """Whatever the rows: optimality, exactly."""
    check_optimal(given_rows, separate(given_rows))


@given(rows(positive=True))
def test_separable_rows_are_separated(given_rows: Rows) -> None:
    """The margin of the point is the one claimed, positive, and at least that of the direction known to separate."""
    found = separate(given_rows)
    check_optimal(given_rows, found)
    assert found.separable
    point = fractions(found.point)
    least = min(dot(row, point) for row in given_rows)
    assert least**2 / dot(point, point) == Fraction(int(found.squared_margin.p), int(found.squared_margin.q))
    assert min(row[0] for row in given_rows) ** 2 <= least


@given(rows(), st.data())
def test_no_other_direction_has_a_larger_margin(given_rows: Rows, data: st.DataObject) -> None:
    """Weak duality, at random directions u: the least y u'x is at most |u| times the margin, squares compared."""
    found = separate(given_rows)
    entry = st.fractions(-2, 2, max_denominator=6)
    u = tuple(data.draw(entry) for _ in given_rows[0])
    least = min(dot(row, u) for row in given_rows)
    margin = Fraction(int(found.squared_margin.p), int(found.squared_margin.q))
    assert least <= 0 or least**2 <= margin * dot(u, u)


@given(rows(), st.data())
def test_a_certificate_excludes_every_direction(given_rows: Rows, data: st.DataObject) -> None:
    """With the opposite of a mixture the weights mix to 0: for any u their mean of u'row is 0, and one is <= 0."""
    shares = data.draw(st.lists(st.integers(1, 4), min_size=len(given_rows), max_size=len(given_rows)))
    opposite = tuple(
        -sum((s * row[k] for s, row in zip(shares, given_rows, strict=True)), Fraction(0))
        for k in range(len(given_rows[0]))
    )
    found = separate([*given_rows, opposite])
    assert not found.separable
    assert not any(found.point)
    check_optimal((*given_rows, opposite), found)
    u = tuple(data.draw(st.fractions(-2, 2, max_denominator=6)) for _ in opposite)
    assert min(dot(row, u) for row in (*given_rows, opposite)) <= 0


@given(rows(), st.fractions(Fraction(1, 5), 5, max_denominator=5), st.randoms())
def test_scaling_and_order_change_nothing(given_rows: Rows, scale: Fraction, random: object) -> None:
    """The nearest point is unique: it scales with the rows and does not see their order or copies of them."""
    found = separate(given_rows)
    larger = separate([tuple(scale * x for x in row) for row in given_rows])
    assert fractions(larger.point) == tuple(scale * x for x in fractions(found.point))
    shuffled = [*given_rows, *given_rows]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert separate(shuffled).point == found.point


@given(rows(most=5, dimensions=2))
def test_in_the_plane_by_looking_at_all_pairs(given_rows: Rows) -> None:
    """The nearest point of a polygon is a corner or lies on an edge, or the origin is inside."""
    found = separate(given_rows)
    if not found.separable:
        assert found.squared_margin == 0
        return
    candidates = [dot(row, row) for row in given_rows]
    for p in given_rows:
        for q in given_rows:
            along = tuple(b - a for a, b in zip(p, q, strict=True))
            if any(along) and 0 < (t := -dot(p, along) / dot(along, along)) < 1:
                foot = tuple(a + t * b for a, b in zip(p, along, strict=True))
                candidates.append(dot(foot, foot))
    assert Fraction(int(found.squared_margin.p), int(found.squared_margin.q)) == min(candidates)


# ------------------------------------------------------------------------------------------------ degenerate


@pytest.mark.parametrize(
    ("given_rows", "point", "separable"),
    [
        ([(3, 4)], (3, 4), True),  # one point
        ([(0, 0)], (0, 0), False),  # one point at the origin
        ([(5,)], (5,), True),  # one dimension
        ([(5,), (-1,)], (0,), False),
        ([(1, 1), (1, 1), (1, 1)], (1, 1), True),  # copies
        ([(1, 0), (2, 0), (5, 0)], (1, 0), True),  # collinear with the origin, on one side
        ([(1, 0), (-2, 0), (5, 0)], (0, 0), False),  # on both sides
        ([(1, -1), (1, 0), (1, 3)], (1, 0), True),  # collinear, not with the origin
        ([(0, 0), (1, 1)], (0, 0), False),  # a zero row is on no side
        ([(1, 0), (0, 1)], (sp.Rational(1, 2), sp.Rational(1, 2)), True),
        ([(1, 0, 0), (0, 1, 0), (0, 0, 1)], (sp.Rational(1, 3),) * 3, True),
        ([(1, 2), (-1, -2), (2, 1)], (0, 0), False),  # two opposite points
        ([(1, 0), (-1, 1), (-1, -1)], (0, 0), False),  # the origin inside
        ([(1, 1), (-1, 1), (0, 3)], (0, 1), True),
    ],
)
def test_degenerate_rows(given_rows: list[tuple[int, ...]], point: tuple[object, ...], separable: bool) -> None:
    """Known answers, with the conditions of optimality beside them."""
    found = separate(given_rows)
    assert found.point == point
    assert found.separable == separable
    check_optimal(tuple(tuple(map(Fraction, row)) for row in given_rows), found)


def test_no_size_is_too_small() -> None:
    """A margin of 10^-200 is a margin; float64 would see none."""
    tiny = Fraction(1, 10**200)
    found = separate([(tiny, Fraction(1)), (tiny, Fraction(-1))])
    assert found.separable
    assert found.squared_margin == sp.Rational(1, 10**400)
    assert not separate([(tiny, Fraction(1)), (-tiny, Fraction(-1))]).separable


@pytest.mark.parametrize("labels", [1, None])
def test_many_points_in_few_dimensions(labels: int | None) -> None:
    """2,000 points in three dimensions, separable or not, rest on at most four of them."""
    random = np.random.default_rng(1)
    drawn = random.integers(-50, 50, (2000, 3))
    if labels:
        drawn[:, 0] = np.abs(drawn[:, 0]) + 1
    given_rows = tuple(tuple(Fraction(int(x), 7) for x in row) for row in drawn)
    found = separate(given_rows)
    assert found.separable == bool(labels)
    check_optimal(given_rows, found)
    assert sum(weight != 0 for weight in found.weights) <= 4


@pytest.mark.parametrize("bad", [[], [[]], [(1, 2), (1,)], [(), (1,)]])
def test_what_is_no_list_of_rows_is_refused(bad: list[tuple[int, ...]]) -> None:
    """No rows, empty ones, and rows of different lengths."""
    with pytest.raises(InputError, match="rows of equal length"):
        separate(bad)


def test_floats_are_no_exact_numbers() -> None:
    """A float is refused, not read as the dyadic number that it is."""
    with pytest.raises(TypeError, match="not an exact number"):
        separate([(0.5, 1.0)])  # type: ignore[list-item]


@given(rows(most=8))
def test_more_rows_never_widen_the_margin(given_rows: Rows) -> None:
    """The hull grows, so its distance from the origin does not."""
    margins = [separate(given_rows[: k + 1]).squared_margin for k in range(len(given_rows))]
    assert all(after <= before for before, after in pairwise(margins))
