"""Exact matrices: semidefinite or not is decided, exchangeable features are those whose exchange changes nothing."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from symicl.errors import DerivationError, InputError
from symicl.pairs import PairValues, SymmetricBase
from symicl.systems.matrices import Rows, checked, interchangeable, negative_eigenvalue, not_told_apart

SMALL = st.integers(-3, 3)


@st.composite
def symmetric(draw: st.DrawFn, most: int = 4) -> Rows:
    size = draw(st.integers(1, most))
    lower = {(m, n): sp.Integer(draw(SMALL)) for m in range(size) for n in range(m + 1)}
    return tuple(tuple(lower[max(m, n), min(m, n)] for n in range(size)) for m in range(size))


@given(symmetric())
def test_an_eigenvalue_is_reported_exactly_where_one_is_negative(rows: Rows) -> None:
    """Against float64 eigenvalues, which err by some 1e-14 here; integer entries keep the least one off such sizes."""
    least = float(np.linalg.eigvalsh(np.array(rows, dtype=float))[0])
    found = negative_eigenvalue(rows)
    assert (found is not None) == (least < -1e-9)
    if found is not None:
        assert float(found) == pytest.approx(least, rel=1e-9)


@given(st.lists(st.lists(SMALL, min_size=2, max_size=2), min_size=2, max_size=5))
def test_inner_products_are_semidefinite_at_any_rank(vectors: list[list[int]]) -> None:
    """A matrix of rank two at most has eigenvalues that are zero exactly: no rounding may make them negative."""
    rows = tuple(tuple(sp.Rational(sum(x * y for x, y in zip(a, b, strict=True)), 7) for b in vectors) for a in vectors)
    assert checked(rows, len(rows), "here") == rows


def test_irrational_entries_are_compared_numerically() -> None:
    root = sp.sqrt(2) / 2
    assert checked(((1 + root, root), (root, 1 + root)), 2, "here")
    with pytest.raises(InputError, match=r"least eigenvalue is -0\.4142"):
        checked(((sp.Integer(1), sp.sqrt(2)), (sp.sqrt(2), sp.Integer(1))), 2, "here")


@given(symmetric(), st.data())
def test_exchangeable_features_are_those_whose_exchange_changes_nothing(rows: Rows, data: st.DataObject) -> None:
    """Every pair is tried by permuting the matrix."""
    size = len(rows)
    law = data.draw(st.lists(st.sampled_from([sp.Integer(1), sp.Integer(2)]), min_size=size, max_size=size))
    groups = interchangeable(law, rows)
    assert sorted(feature for group in groups for feature in group) == list(range(size))
    for m, n in permutations(range(size), 2):
        order = [n if i == m else m if i == n else i for i in range(size)]
        moved = [[rows[i][j] for j in order] for i in order]
        same = law[m] == law[n] and moved == [list(row) for row in rows]
        assert same == any(m in group and n in group for group in groups)


def test_features_without_a_gap_are_grouped() -> None:
    signs = (1, -1, 1, -1, 1)
    rank_one = tuple(tuple(sp.Integer(a * b) for b in signs) for a in signs)
    assert not_told_apart(rank_one) == [[0, 2, 4], [1, 3]]


def test_a_symmetric_entry_is_one_object_whatever_its_indices_become() -> None:
    m, n, k = sp.symbols("m n k", integer=True, positive=True)
    entry = SymmetricBase("M")[n, m]
    assert entry == SymmetricBase("M")[m, n]
    assert entry.xreplace({m: k}) == SymmetricBase("M")[k, n] == SymmetricBase("M")[n, k]
    assert entry != SymmetricBase("Gamma")[m, n]


def test_values_of_pairs_are_found_in_either_order() -> None:
    values = PairValues(SymmetricBase("M"), (("a", sp.Integer(1)),), ((("a", "b"), sp.Integer(2)),))
    assert values.value("a", "a", same=True) == 1
    assert values.value("b", "a", same=False) == values.value("a", "b", same=False) == 2
    with pytest.raises(DerivationError, match="no value on the classes a, a"):
        values.value("a", "a", same=False)
