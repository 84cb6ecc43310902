"""Arrays compiled from index-level expressions hold the values of the expressions, in any number type.

Properties: at random expressions over two ranges, every entry of a compiled array is the value of the expression at its
indices, in balls; the arithmetics agree; a softmax overflows at no exponent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import product
from typing import Any
from unittest import mock

import numpy as np
import pytest
import sympy as sp
from flint import arb, fmpq
from hypothesis import given
from hypothesis import strategies as st
from index_strategies import FREE, SHAPES, D, M, N, U, V, arrays, expressions, plain_system

from symicl import Arithmetic, DerivationError, InputError, SumOver, System, arithmetic, entries
from symicl.claims.pointwise import Point, value_at
from symicl.derive import derive, hessian
from symicl.descent import Descent
from symicl.entries import array_of, compile_entries, stable_softmax
from symicl.indices import Index
from symicl.notation import unfold
from symicl.systems.base import IndexRange
from symicl.systems.softmax_regression import MATRIX, POINT, SOFTMAX, RegressionData, on_data

BALL, MP, FLOAT64 = (arithmetic(name) for name in ("ball", "mp", "float64"))
R1, R2, C1, C2 = FREE


@st.composite
def problems(draw: st.DrawFn) -> tuple[System, Point]:
    """The plain system at sizes 1 to 3 and exact arrays: u is trained, v and M are data."""
    n, d = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    sizes = {"rows": n, "columns": d}
    values = {base: draw(arrays([sizes[over] for over in shape])) for base, shape in SHAPES.items()}
    system = plain_system()
    ranges = tuple(IndexRange(each.name, sp.Integer(sizes[each.name]), each.letters) for each in system.ranges)
    data = tuple((base, values[base]) for base in (V, M))
    trained = tuple(replace(coordinate, start=values[U]) for coordinate in system.coordinates)
    at_sizes = {N: sp.Integer(n), D: sp.Integer(d)}
    loss = system.loss.xreplace(at_sizes)
    placed = replace(system, ranges=ranges, arrays=data, coordinates=trained, loss=loss, objective=loss)
    return placed, Point(at_sizes, values)


def compiled(system: System, outputs: Sequence[tuple[sp.Expr, tuple[Index, ...]]], chosen: Arithmetic) -> Any:
    """The arrays at the start of the trained ones."""
    return compile_entries(system, outputs, chosen)(array_of(system.coordinates[0].start, chosen))


def entries_of(array: Any, shape: Sequence[int]) -> dict[tuple[int, ...], Any]:
    """The numbers of a nested list by position; its shape is checked on the way."""
    if not shape:
        assert not isinstance(array, list)
        return {(): array}
    assert len(array) == shape[0]
    return {(i, *rest): x for i, row in enumerate(array) for rest, x in entries_of(row, shape[1:]).items()}


# ------------------------------------------------------------------------------------------------ values


@given(problems(), expressions(logs=True), st.permutations(FREE))
def test_every_entry_is_the_value_at_its_indices(
    problem: tuple[System, Point], expression: sp.Expr, order: Sequence[Index]
) -> None:
    """In balls, whatever the order of the indices, coinciding ones included; twice, so that parts are shared."""
    system, point = problem
    sizes = {each.name: int(each.size) for each in system.ranges}
    swapped = expression.xreplace({R1: R2, R2: R1, C1: C2, C2: C1})
    outputs = [(expression, tuple(order)), (swapped, tuple(order)), (expression * swapped, tuple(order))]
    with BALL.working(50):
        found = compiled(system, [(e.xreplace(dict(point.symbols)), indices) for e, indices in outputs], BALL)
        shape = [sizes[index.over] for index in order]
        plain, other, both = (entries_of(array, shape) for array in found)
        for place in product(*map(range, shape)):
            at = replace(point, features=dict(zip(order, place, strict=True)))
            value, mirrored = value_at(expression, at), value_at(swapped, at)
            assert plain[place].overlaps(value)
            assert other[place].overlaps(mirrored)
            assert both[place].overlaps(value * mirrored)
            assert plain[place].rad() < (1 + abs(value)) * arb(10) ** -30


@given(problems(), expressions(logs=True), st.permutations(FREE))
def test_loops_and_code_written_out_agree(
    problem: tuple[System, Point], expression: sp.Expr, order: Sequence[Index]
) -> None:
    """Arrays are written out up to a size, and beyond it as comprehensions: the same shapes, and balls that overlap."""
    system, point = problem
    output = [(expression.xreplace(dict(point.symbols)), tuple(order))]
    shape = [int(system.size_of(index.over)) for index in order]
    with BALL.working(50):
        straight = entries_of(compiled(system, output, BALL)[0], shape)
        with mock.patch.object(entries, "MOST_WRITTEN", 0):
            loops = entries_of(compiled(system, output, BALL)[0], shape)
        for place, value in straight.items():
            assert value.overlaps(loops[place])
            assert max(value.rad(), loops[place].rad()) < (1 + abs(value)) * arb(10) ** -30


@pytest.mark.parametrize("most", [0, 10**6])
@pytest.mark.parametrize("train", ["x", "A"])
def test_both_kinds_of_code_on_more_rows(most: int, train: str) -> None:
    """Forty rows and three columns, in x and in A: the loss and the slope of either, against NumPy."""
    random = np.random.default_rng(5)
    A, b, x = random.integers(-8, 9, (40, 3)) / 8, random.integers(0, 9, 40) / 8, random.integers(-8, 9, 3) / 8

    def exact(array: Any) -> Any:
        return tuple(map(exact, array)) if array.ndim else sp.Rational(*float(array).as_integer_ratio())

    system = on_data(RegressionData(exact(A), exact(b), exact(x), train=train), id="rows", title="")
    (update,) = derive(system)
    slope = (update.expression.xreplace({system.step_size: sp.S.One}), tuple(update.variable.indices))
    with mock.patch.object(entries, "MOST_WRITTEN", most), FLOAT64.working(15):
        loss, moves = compiled(system, [(system.loss, ()), slope], FLOAT64)
    f = np.exp(A @ x) / np.exp(A @ x).sum()
    to_scores = f * ((f - b) - f @ (f - b))
    assert loss == pytest.approx(((f - b) ** 2).sum() / 2, rel=1e-12)
    assert -np.array(moves) == pytest.approx(A.T @ to_scores if train == "x" else np.outer(to_scores, x), abs=1e-13)


def test_a_size_has_to_be_a_number() -> None:
    """A range of symbolic size has no positions to run over; the error names it."""
    with pytest.raises(InputError, match="plain has no number of rows"):
        compile_entries(plain_system(), [(SumOver(U[R1] ** 2, R1, N), ())], FLOAT64)


@given(problems(), expressions())
def test_arithmetics_agree(problem: tuple[System, Point], expression: sp.Expr) -> None:
    """Those of mpmath at 60 digits lie in the balls at 40; float64 within 4 radii of balls at 53 bits, step by step."""
    system, point = problem
    sizes = {each.name: int(each.size) for each in system.ranges}
    output = [(expression.xreplace(dict(point.symbols)), FREE)]
    shape = [sizes[index.over] for index in FREE]

    def at(chosen: Arithmetic, dps: int) -> dict[tuple[int, ...], Any]:
        with chosen.working(dps):
            return entries_of(compiled(system, output, chosen)[0], shape)

    reference, enclosure, rough, floats = at(MP, 60), at(BALL, 40), at(BALL, 15), at(FLOAT64, 15)
    for place, value in reference.items():
        with BALL.working(60), MP.working(60):
            text = MP.as_json(value, 60)["mid"]
            near = arb(f"{text} +/- {abs(value) * 1e-50 + 1e-60}")
            assert enclosure[place].overlaps(near)
            assert enclosure[place].rad() < (1 + abs(near)) * arb(10) ** -25
        assert abs(floats[place] - float(value)) <= 4 * float(rough[place].rad()) + 2.0**-50 * max(
            1.0, abs(float(value))
        )


def test_rational_arithmetic_is_exact() -> None:
    """Without exponentials the arrays are the exact values; with one, the error says so."""
    system = plain_system()
    ranges = tuple(replace(each, size=sp.Integer(2)) for each in system.ranges)
    start = (replace(system.coordinates[0], start=(sp.Rational(1, 3), sp.Rational(-2, 7))),)
    system = replace(system, ranges=ranges, coordinates=start, arrays=((V, (sp.S.One, sp.Rational(1, 5))),))
    rational = arithmetic("rational")
    output = (U[R1] ** 2 / (1 + V[C1] ** 2), (R1, C1))
    (array,) = compiled(system, [output], rational)
    assert array == [[fmpq(1, 18), fmpq(25, 234)], [fmpq(2, 49), fmpq(50, 637)]]
    with pytest.raises(DerivationError, match="not rational"):
        compiled(system, [(sp.exp(U[R1]), (R1,))], rational)


# ------------------------------------------------------------------------------------------------ softmax


exponents = st.lists(st.one_of(st.integers(-(10**400), 10**400), st.integers(-50, 50)), min_size=1, max_size=5)


@given(exponents, st.sampled_from([BALL, MP]))
def test_softmax_at_any_exponents(values: list[int], chosen: Arithmetic) -> None:
    """The shares are ``1 / sum of exp(u_l - u_i)`` and sum to 1, whatever the exponents, beyond float64 too."""
    with chosen.working(450):
        shares = stable_softmax([chosen.number(value) for value in values], chosen)
        total = sum(shares[1:], shares[0])
        assert abs(total - 1) < chosen.number(Fraction(1, 10**30))
        top = max(values)
        for value, share in zip(values, shares, strict=True):
            if top - value < 1000:
                ratio = share * sum((chosen.exp(chosen.number(v - value)) for v in values), chosen.number(0))
                assert abs(ratio - 1) < chosen.number(Fraction(1, 10**30))
            else:
                assert share < chosen.number(Fraction(1, 10**400))


@given(st.lists(st.floats(-1.7e308, 1.7e308), min_size=1, max_size=5))
def test_softmax_of_floats_is_finite(values: list[float]) -> None:
    """No finite exponents overflow; the largest one has the largest share, and the shares sum to 1."""
    shares = stable_softmax(values, FLOAT64)
    assert all(0 <= share <= 1 for share in shares)
    assert math.fsum(shares) == pytest.approx(1, abs=1e-15 * len(shares))
    assert shares[values.index(max(values))] == max(shares)


HUGE = RegressionData(
    ((10**6, 1), (1, 10**6), (-(10**6), sp.Rational(1, 3))), (sp.S.Half, sp.S.Half, 0), (sp.S.One, sp.Rational(1, 7))
)


@pytest.mark.parametrize("train", ["x", "A"])
@pytest.mark.parametrize("scale", [1, 10**20, 10**100])
def test_huge_entries_overflow_nowhere(train: str, scale: int) -> None:
    """Loss, gradient and Hessian stay finite in float64 and near the balls, where exp itself would overflow.

    Near: up to a rounding of each share, times the size of A for each derivative in x.
    """
    matrix = tuple(tuple(scale * sp.sympify(entry) for entry in row) for row in HUGE.matrix)
    system = on_data(replace(HUGE, matrix=matrix, train=train), id="huge", title="")
    (update,) = derive(system)
    indices = tuple(update.variable.indices)
    twin = update.variable.xreplace({index: Index(f"{index.name}_", index.over) for index in indices})
    second = (hessian(system, update.variable, twin), (*indices, *twin.indices))
    slope = (update.expression.xreplace({system.step_size: sp.S.One}), indices)
    outputs = [(system.loss, ()), slope, second, (SOFTMAX[Index("i", "rows")], (Index("i", "rows"),))]
    with FLOAT64.working(15):
        floats = compiled(system, outputs, FLOAT64)
    with BALL.working(300):
        balls = compiled(system, outputs, BALL)
    size = 1e6 * scale if train == "x" else 1.0
    for rough, sure, order in zip(map(flat, floats), map(flat, balls), (0, 1, 2, 0), strict=True):
        for number, ball in zip(rough, sure, strict=True):
            assert math.isfinite(number)
            assert abs(number - float(ball)) <= 1e-14 * size**order


def flat(array: Any) -> list[Any]:
    return [x for row in array for x in flat(row)] if isinstance(array, list | tuple) else [array]


# ------------------------------------------------------------------------------------------------ what has no code


SMALL = on_data(RegressionData(((1, 2), (3, 4)), (0, 1), (1, 1)), id="small", title="")


@pytest.mark.parametrize(
    ("expression", "error", "problem"),
    [
        (sp.IndexedBase("y")[Index("i", "rows")], InputError, "no values for y"),
        (sp.Symbol("beta"), InputError, "no value for beta"),
        (SMALL.step_size, InputError, "no value for eta"),
        (MATRIX[sp.Symbol("i", integer=True, positive=True), Index("j", "columns")], DerivationError, "i is no index"),
        (POINT[1], DerivationError, "1 is no index"),
        (POINT[Index("j", "columns")] ** sp.Rational(3, 2), DerivationError, "no code for Pow"),
        (sp.sin(POINT[Index("j", "columns")]), DerivationError, "no code for sin"),
        (sp.pi * POINT[Index("j", "columns")], DerivationError, "no code for Pi"),
        (SumOver(POINT[Index("j", "pages")] ** 2, Index("j", "pages"), sp.Integer(2)), InputError, "no range pages"),
    ],
)
def test_what_has_no_value_is_named(expression: sp.Expr, error: type[Exception], problem: str) -> None:
    """An error says which name has no value, or which operation no code; nothing is guessed."""
    free = tuple(s for s in expression.free_symbols if isinstance(s, Index))
    with pytest.raises(error, match=problem):
        compile_entries(SMALL, [(expression, free)], FLOAT64)


def test_no_name_of_an_expression_gets_into_the_source() -> None:
    """A symbol may be called anything: names are bound, never printed."""
    evil = sp.IndexedBase(sp.Symbol("x] or __import__('os').abort() or [", real=True))
    index = Index("] or 1/0 or [", "columns")
    system = replace(SMALL, arrays=(*SMALL.arrays, (evil, (sp.Integer(3), sp.Integer(5)))))
    (array,) = compiled(system, [(evil[index] * POINT[index], (index,))], FLOAT64)
    assert array == [3, 5]


def test_names_and_their_meanings_are_the_same_arrays() -> None:
    """The loss written in names, and unfolded."""
    descent = Descent(SMALL)
    i = Index("i", "rows")
    named = SumOver(SOFTMAX[i] ** 3, i, sp.Integer(2))
    with BALL.working(30):
        first, second = compiled(SMALL, [(named, ()), (unfold(SMALL, named), ())], BALL)
        assert first.overlaps(second)
        assert first.rad() < arb(10) ** -25
    assert [str(state) for state in descent.states] == ["x1", "x2"]
