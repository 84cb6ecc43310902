"""The names of a paper are put in and taken out again without changing a value, at any size and any indices.

Properties: folding and unfolding change no value at random points; the gradients and Hessians of softmax regression,
folded, are central differences of the loss in balls, equal free indices included.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
import sympy as sp
from flint import arb, fmpq
from hypothesis import given
from hypothesis import strategies as st

from symicl import SumOver, System, Verdict, arithmetic, check, claim, equal
from symicl.claims.pointwise import Point, value_at
from symicl.derive import derive, hessian
from symicl.indices import Index
from symicl.notation import fold, unfold
from symicl.systems.base import Definition
from symicl.systems.softmax_regression import (
    MATRIX,
    NORMALIZER,
    POINT,
    RESIDUAL,
    SOFTMAX,
    TARGET,
    WEIGHTS,
    softmax_regression,
)
from symicl.testing import assert_gradient_matches, points, rationals

BALL = arithmetic("ball")
N, D = sp.symbols("n d", integer=True, positive=True)


def regression(train: str = "x", *, regularized: bool = False) -> System:
    return softmax_regression(N, D, id="regression", title="", train=train, regularized=regularized)


IN_X, IN_A, REGULARIZED = regression(), regression("A"), regression(regularized=True)
SYSTEMS = (IN_X, IN_A, REGULARIZED)
ROWS, COLUMNS = IN_X.ranges
I1, I2, J, K = ROWS.index("i"), ROWS.index("l"), COLUMNS.index("j"), COLUMNS.index("k")


def same(left: arb, right: arb) -> bool:
    """Whether two balls may hold the same number, and are narrow enough for that to mean something."""
    wide = (1 + abs(left)) * arb(10) ** -30
    return bool(left.overlaps(right) and left.rad() < wide and right.rad() < wide)


def at(point: Point, data: st.DataObject) -> Point:
    """The point with a position for each of the free indices of this file, equal ones often."""
    n, d = int(point.symbols[N]), int(point.symbols[D])
    sizes = {I1: n, I2: n, J: d, K: d}
    drawn = {index: data.draw(st.integers(0, size - 1)) for index, size in sizes.items()}
    return replace(point, features={**point.features, **drawn})


def exponent(row: sp.Symbol) -> sp.Expr:
    return COLUMNS.sum(lambda j: MATRIX[row, j] * POINT[j])


@st.composite
def named(draw: st.DrawFn, depth: int = 2) -> sp.Expr:
    """Expressions in names and in what they stand for: exponentials of several rows, sums over either range."""
    u, v = exponent(I1), exponent(I2)
    leaves = [
        SOFTMAX[I1],
        SOFTMAX[I2],
        RESIDUAL[I2],
        TARGET[I1],
        MATRIX[I1, J],
        POINT[K],
        NORMALIZER,
        sp.KroneckerDelta(I1, I2),
        sp.exp(u),
        sp.exp(u + v),
        sp.exp(2 * u - v),
        sp.exp(-u + POINT[J] / 5),
        sp.exp(u / 2),
        1 / ROWS.sum(lambda i: sp.exp(exponent(i))),
        ROWS.sum(lambda i: sp.exp(2 * exponent(i)) * TARGET[i]),
        ROWS.sum(lambda i: sp.exp(exponent(i)), other_than=I1),
    ]
    if depth == 0:
        return draw(st.sampled_from(leaves))
    first, second = draw(named(depth - 1)), draw(named(depth - 1))
    kind = draw(st.sampled_from(["add", "mul", "square", "rows", "columns"]))
    if kind in ("rows", "columns"):
        index, size = draw(st.sampled_from([(I1, N), (I2, N)] if kind == "rows" else [(J, D), (K, D)]))
        left_out = {I1: (I2,), J: (K,)}.get(index, ()) if draw(st.booleans()) else ()
        return second * SumOver(first, index, size, left_out)
    return {"add": first + second, "mul": first * second, "square": first**2}[kind]


@given(st.data())
def test_folding_and_unfolding_change_no_value(data: st.DataObject) -> None:
    """In either order, names and their meanings mixed, wherever the free indices stand."""
    expression = data.draw(named())
    point = at(data.draw(points(IN_X)), data)
    folded = fold(IN_X, expression)
    with BALL.working(80):
        plain = value_at(unfold(IN_X, expression), point)
        assert same(plain, value_at(unfold(IN_X, folded), point))
        assert same(plain, value_at(unfold(IN_X, unfold(IN_X, expression)), point))


@given(named())
def test_folding_twice_is_folding_once(expression: sp.Expr) -> None:
    """A folded expression is in canonical form."""
    folded = fold(IN_X, expression)
    assert fold(IN_X, folded) == folded


@given(named())
def test_nothing_is_left_to_name(expression: sp.Expr) -> None:
    """No exponential of a whole multiple of a row's exponent is left, nor a target; unfolded, no name is."""
    folded, unfolded = fold(IN_X, expression), unfold(IN_X, expression)
    assert not folded.has(TARGET)
    for node in folded.atoms(sp.exp):
        assert all(
            not c.is_Integer for c, u in (t.as_coeff_Mul() for t in sp.Add.make_args(node.args[0])) if u.has(SumOver)
        )
    assert not unfolded.has(SOFTMAX, RESIDUAL, NORMALIZER)


FOLDED = {
    "a weight": (sp.exp(exponent(I1)), SOFTMAX[I1] * NORMALIZER),
    "a share": (sp.exp(exponent(I2)) / ROWS.sum(lambda i: sp.exp(exponent(i))), SOFTMAX[I2]),
    "a square": (sp.exp(2 * exponent(I1)), SOFTMAX[I1] ** 2 * NORMALIZER**2),
    "two rows": (sp.exp(exponent(I1) - exponent(I2)), SOFTMAX[I1] / SOFTMAX[I2]),
    "the residual": (sp.exp(exponent(I1)) / NORMALIZER - TARGET[I1], RESIDUAL[I1]),
    "all weights": (ROWS.sum(lambda i: sp.exp(exponent(i))), NORMALIZER),
    "half an exponent": (sp.exp(exponent(I1) / 2), sp.exp(exponent(I1) / 2)),
    "no row's exponent": (sp.exp(POINT[J]), sp.exp(POINT[J])),
    "an exponent of other entries": (
        sp.exp(COLUMNS.sum(lambda j: MATRIX[I1, j] * POINT[j] ** 2)),
        sp.exp(COLUMNS.sum(lambda j: MATRIX[I1, j] * POINT[j] ** 2)),
    ),
}


@pytest.mark.parametrize("name", FOLDED)
def test_what_folds_to_what(name: str) -> None:
    """Each case by itself, at any indices."""
    expression, expected = FOLDED[name]
    assert fold(IN_X, expression) == expected
    assert fold(IN_X, expression.xreplace({I1: I2, I2: I1})) == expected.xreplace({I1: I2, I2: I1})


def test_unfolding_captures_no_index() -> None:
    """A name inside a sum stands for sums of its own: ``sum over j of x_j f_i`` keeps the x_j of its own sum apart."""
    inside = SumOver(POINT[J] * SOFTMAX[I1], J, D)
    outside = SumOver(POINT[J], J, D) * SOFTMAX[I1]
    assert check(claim(equal(IN_X, inside, outside))).verdict is Verdict.PROVED
    swapped = SumOver(SumOver(SOFTMAX[I1] * SOFTMAX[I2] ** 2 * MATRIX[I1, J], I2, N), I1, N)
    renamed = SumOver(SumOver(SOFTMAX[I2] * SOFTMAX[I1] ** 2 * MATRIX[I2, J], I1, N), I2, N)
    assert unfold(IN_X, swapped) == unfold(IN_X, renamed)
    assert check(claim(equal(IN_X, swapped, renamed.xreplace({J: K})))).verdict is Verdict.REFUTED


def test_a_name_of_two_indices() -> None:
    """Definitions with several indices of one range are taken at both orders, and at equal indices."""
    pair = sp.IndexedBase(sp.Symbol("g", real=True))
    body = SOFTMAX[I1] * RESIDUAL[I2]
    system = replace(IN_X, definitions=(*IN_X.definitions, Definition(pair[I1, I2], body, (body, pair[I1, I2]))))
    assert unfold(system, pair[I2, I1]) == unfold(IN_X, SOFTMAX[I2] * RESIDUAL[I1])
    assert unfold(system, pair[I1, I1]) == unfold(IN_X, SOFTMAX[I1] * RESIDUAL[I1])
    assert unfold(system, SumOver(pair[I2, I1], I2, N)) == unfold(IN_X, SumOver(SOFTMAX[I2] * RESIDUAL[I1], I2, N))


# ------------------------------------------------------------------------------------------------ derivatives


@given(st.data(), st.sampled_from(SYSTEMS))
def test_updates_are_finite_differences(data: st.DataObject, system: System) -> None:
    """The derived gradient in x and in A, with the regularisation and without, at sizes 1 to 3."""
    assert_gradient_matches(system, data.draw(points(system)))


def test_a_wrong_update_of_a_typed_entry_does_not_match() -> None:
    """One part in 10**9 is seen, and so is a transposed index."""
    values = tuple(tuple(sp.Rational(i - 2 * j, 3) for j in range(2)) for i in range(2))
    entries = {MATRIX: values, POINT: (sp.S.One, sp.Rational(-1, 2)), TARGET: (sp.S.Half, sp.Rational(1, 3))}
    point = Point({N: sp.Integer(2), D: sp.Integer(2), IN_A.step_size: sp.S.One}, entries, {I1: 0, J: 1})
    assert_gradient_matches(IN_A, point)
    (update,) = derive(IN_A)
    for wrong in (update.expression * (1 + sp.Rational(1, 10**9)), update.expression.xreplace({POINT[J]: POINT[K]})):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("symicl.testing.derive", lambda _, wrong=wrong: [replace(update, expression=wrong)])
            with pytest.raises(AssertionError, match="finite differences"):
                assert_gradient_matches(IN_A, replace(point, features={I1: 0, J: 1, K: 0}))


@cache
def folded_hessian(system: System, first: sp.Indexed, second: sp.Indexed) -> sp.Expr:
    return fold(system, hessian(system, first, second))


@given(st.data(), st.sampled_from(SYSTEMS))
def test_folded_hessians_are_second_differences(data: st.DataObject, system: System) -> None:
    """``d^2 loss / d x_j d x_k`` and ``d^2 loss / d A_ij d A_lk`` at all positions, j = k and i = l included."""
    first, second = (POINT[J], POINT[K]) if system is not IN_A else (MATRIX[I1, J], MATRIX[I2, K])
    point = at(data.draw(points(system, max_features=2 if system is IN_A else 3)), data)
    if data.draw(st.booleans()):
        point = replace(point, features={**point.features, I2: point.features[I1], K: point.features[J]})
    derived = folded_hessian(system, first, second)
    assert not derived.has(sp.exp)
    with BALL.working(120):
        fine, coarse = (_second_difference(system, point, first, second, sp.Rational(1, m * 10**14)) for m in (2, 1))
        gap = abs(value_at(unfold(system, derived), point) - fine)
        assert gap.rad() < arb(10) ** -30
        assert not gap > abs(coarse - fine)  # the error of the finer one is a third of that, to leading order


def _second_difference(system: System, point: Point, first: sp.Indexed, second: sp.Indexed, h: sp.Rational) -> arb:
    def loss(one: int, two: int) -> arb:
        return value_at(system.objective, _moved(_moved(point, first, one * h), second, two * h))

    corners = loss(1, 1) - loss(1, -1) - loss(-1, 1) + loss(-1, -1)
    return corners / (4 * arb(fmpq(int(h.p), int(h.q))) ** 2)


def _moved(point: Point, entry: sp.Indexed, by: sp.Rational) -> Point:
    def changed(values: object, place: list[int]) -> object:
        if not place:
            return values + by  # type: ignore[operator]
        assert isinstance(values, tuple)
        return tuple(changed(v, place[1:]) if here == place[0] else v for here, v in enumerate(values))

    place = [point.features[index] for index in entry.indices]
    return replace(point, entries={**point.entries, entry.base: changed(point.entries[entry.base], place)})


def test_hessians_are_symmetric() -> None:
    """Proved at symbolic sizes, for any indices; in A for different rows and for one row."""
    for system, first, second in ((IN_X, POINT[J], POINT[K]), (IN_A, MATRIX[I1, J], MATRIX[I1, K])):
        both = hessian(system, first, second), hessian(system, second, first)
        assert check(claim(equal(system, *both))).verdict is Verdict.PROVED
        moved = both[1].xreplace({J: K, K: J})
        assert check(claim(equal(system, both[0], moved))).verdict is Verdict.PROVED


def test_the_gradient_is_that_of_the_paper() -> None:
    """``A' (diag f - f f') c`` (arXiv 2304.13276), proved; with the product left out, or at another column, refuted."""

    def formula(column: Index) -> sp.Expr:
        mean = ROWS.sum(lambda i: SOFTMAX[i] * RESIDUAL[i])
        return ROWS.sum(lambda i: MATRIX[i, column] * SOFTMAX[i] * (RESIDUAL[i] - mean))

    (update,) = derive(IN_X)
    slope = -update.expression / IN_X.step_size
    assert check(claim(equal(IN_X, slope, formula(J)))).verdict is Verdict.PROVED
    assert check(claim(equal(IN_X, slope, formula(K)))).verdict is Verdict.REFUTED
    diagonal = ROWS.sum(lambda i: MATRIX[i, J] * SOFTMAX[i] * RESIDUAL[i])
    assert check(claim(equal(IN_X, slope, diagonal))).verdict is Verdict.REFUTED


@given(rationals(-3, 3))
def test_names_are_universal_in_what_is_not_named(value: sp.Rational) -> None:
    """The shares sum to 1 and no other number; the residuals to 1 less the targets."""
    total = ROWS.sum(lambda i: SOFTMAX[i])
    expected = Verdict.PROVED if value == 1 else Verdict.REFUTED
    assert check(claim(equal(IN_X, total, value))).verdict is expected
    residual = ROWS.sum(lambda i: RESIDUAL[i])
    assert check(claim(equal(IN_X, residual, value - ROWS.sum(lambda i: TARGET[i])))).verdict is expected


def test_weights_are_no_name() -> None:
    """What has no definition stays: w is data."""
    expression = WEIGHTS[I1] ** 2 * exponent(I1)
    assert fold(REGULARIZED, expression) == expression
