"""Reduction: conserved quantities and invariances are found, and reducing commutes with updating, exactly."""

import pytest
import sympy as sp
from sympy.abc import x, y

from symicl import Coordinate, System, commutation_defects, reduce_system
from symicl.algebra import identically_zero
from symicl.claims.loader import load_systems, paper_folders
from symicl.expectation import integrands
from symicl.systems.structured_features import from_probabilities

systems = {family.id.split(".")[1]: family for family in load_systems(paper_folders()["huang2024"])}
A, B, B1 = (sp.Symbol(name, real=True) for name in ("A", "B", "B1"))
K = sp.Symbol("K", integer=True, positive=True)


def vanishes(expression):
    plain, merged = integrands(expression)
    return identically_zero(plain) and all(identically_zero(body) for body in merged.values())


@pytest.mark.parametrize(
    ("name", "form"),
    [("balanced", A + (K - 1) * B), ("dominant", A + (K - 1) * B), ("underrepresented", A + B1 + (K - 2) * B)],
)
@pytest.mark.parametrize("length", [{}, {"N": "inf"}, {"N": 3}])
def test_conserved_quantities_are_found(name, form, length):
    recurrence = reduce_system(systems[name](**length))
    (found,) = recurrence.conserved
    assert identically_zero(found - form)
    assert len(recurrence.coordinates) == len(recurrence.states) - 1
    assert all(vanishes(defect) for defect in commutation_defects(recurrence))


def test_each_query_of_a_full_system_keeps_its_own_sum():
    recurrence = reduce_system(
        from_probabilities([sp.Rational(1, 2), sp.Rational(1, 3), sp.Rational(1, 6)], sp.Integer(2))
    )
    assert len(recurrence.conserved) == 3
    assert len(recurrence.coordinates) == 6
    assert all(vanishes(defect) for defect in commutation_defects(recurrence))


def plain(loss, *symbols):
    return System("plain", "plain", loss, loss, tuple(Coordinate(symbol) for symbol in symbols))


def test_a_system_without_symmetry_is_left_as_it_is():
    recurrence = reduce_system(plain(1 / (1 + sp.exp(-x)) ** 2 + x**2, x))
    assert recurrence.readings == (x,)
    assert recurrence.conserved == ()


def test_a_logarithm_in_the_loss_is_no_obstacle():
    recurrence = reduce_system(plain(sp.log(1 + sp.exp(-x)) + x**2 / 8, x))
    assert all(vanishes(defect) for defect in commutation_defects(recurrence))


def test_a_difference_in_the_loss_gives_one_coordinate_and_one_law():
    recurrence = reduce_system(plain(sp.exp(x - 2 * y), x, y))
    assert len(recurrence.coordinates) == 1
    (form,) = recurrence.conserved
    assert identically_zero(form - (x + y / 2))
    assert all(vanishes(defect) for defect in commutation_defects(recurrence))


def test_independent_parts_do_not_mix():
    recurrence = reduce_system(plain(sp.exp(-x) + y**2, x, y))
    assert recurrence.readings == (x, y)


def test_a_quantity_that_never_moves_is_conserved():
    recurrence = reduce_system(plain(x**2, x, y))
    assert recurrence.conserved == (y,)
    assert all(vanishes(defect) for defect in commutation_defects(recurrence))
