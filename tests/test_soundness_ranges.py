"""Ways to a wrong verdict through laws, names and ranges: each is refused, or the false statement is not proved."""

import pytest
import sympy as sp

from symicl import (
    Coordinate,
    DerivationError,
    Expectation,
    IndexRange,
    InputError,
    Parameter,
    SumOver,
    System,
    check,
    claim,
    conserved,
    equal,
    multinomial_mean,
    nonnegative,
    update,
)
from symicl.gaussian import Gaussian, averaged, stein
from symicl.gaussian_vector import GaussianVector

w = sp.Symbol("w", real=True)
d = sp.Symbol("d", integer=True, positive=True)
RANGE = IndexRange("coordinates", d, ("i", "j", "k"))
i, j, k = (RANGE.index(letter) for letter in "ijk")
W, x, y, m = (sp.IndexedBase(sp.Symbol(name, real=True)) for name in "Wxym")


def norm(base):
    return RANGE.sum(lambda r: base[r] ** 2)


PLAIN = System("plain", "plain", norm(W), norm(W), (Coordinate(W[i]),), ranges=(RANGE,))


def test_a_law_that_depends_on_what_is_trained_is_refused():
    """``E[n_a^2]`` over three draws, each a with probability w, is 3w + 6w^2: its derivative is not the body's."""
    a, b = sp.symbols("n_a n_b", integer=True, nonnegative=True)
    mean = multinomial_mean(a**2, sp.Integer(3), {a: w, b: 1 - w})
    system = System("s", "s", mean, mean, (Coordinate(w, start=sp.Rational(1, 3)),))
    with pytest.raises(DerivationError, match="depends on w"):
        update(system, w)
    assert check(claim(conserved(system, w))).verdict.value == "undecided"


def test_a_gaussian_law_that_depends_on_what_is_trained_is_refused():
    law = Gaussian(x, lambda q: W[q], sp.KroneckerDelta, i, d)
    mean = RANGE.sum(lambda r: Expectation(x[r] ** 2, law))
    system = System("s", "s", mean, mean, (Coordinate(W[i]),), ranges=(RANGE,))
    with pytest.raises(DerivationError):
        update(system, W[i])


def test_means_over_a_vector_that_a_law_inside_depends_on_are_refused():
    outer = Gaussian(x, lambda q: m[q], sp.KroneckerDelta, i, d)
    inner = Gaussian(y, lambda q: x[q], sp.KroneckerDelta, i, d)
    with pytest.raises(DerivationError):
        stein(Expectation(x[j] * Expectation(y[k], inner), outer), j)
    with pytest.raises(DerivationError):
        GaussianVector(x, i, d, lambda q: m[q], sp.S.One).mean(x[i] * Expectation(y[k], inner))


def test_two_laws_that_bind_one_vector_are_not_joined():
    law = Gaussian(x, lambda q: m[q], sp.KroneckerDelta, i, d)
    with pytest.raises(DerivationError, match="bind the same"):
        averaged(x[j] * Expectation(x[k], law), law)


def test_names_made_up_for_a_proof_are_nobody_elses():
    """2p >= q is false for positive p and q, whatever q is called."""
    p, q = sp.Symbol("p", positive=True), sp.Symbol("p_above", positive=True)
    parameters = (Parameter(p, "", above=sp.Integer(0)), Parameter(q, ""))
    system = System("s", "s", w**2, w**2, (Coordinate(w),), parameters=parameters)
    assert check(claim(nonnegative(system, 2 * p - q))).verdict.value == "refuted"


def test_reserved_names_and_part_of_a_range_are_refused():
    with pytest.raises(InputError, match="reserved"):
        equal(PLAIN, sp.Symbol("_0", integer=True, positive=True) * norm(W), 0)
    with pytest.raises(InputError, match="goes to d - 1"):
        equal(PLAIN, SumOver(W[j] ** 2, j, d - 1), norm(W))


def test_a_gaussian_law_can_be_rebuilt():
    """Renaming an index in a law gives the law at that index."""
    law = Gaussian(x, lambda q: m[j], sp.KroneckerDelta, i, d)
    assert law.xreplace({j: k}).mean(i) == m[k]


def gaussian_square(covariance):
    """``E (x_j - m_j)^2`` under a covariance: nonnegative only where that is one."""
    law = Gaussian(x, lambda q: m[q], covariance, i, d)
    return check(claim(nonnegative(PLAIN, Expectation((x[j] - m[j]) ** 2, law))))


def test_a_covariance_that_may_be_none_keeps_no_signs():
    """A multiple of the identity has to be nonnegative; entries are assumed to be a covariance, and that is said."""
    s, positive = sp.Symbol("s", real=True), sp.Symbol("v", positive=True)
    entries = sp.IndexedBase(sp.Symbol("C", real=True))
    for wrong in (s * sp.KroneckerDelta(i, j), -sp.KroneckerDelta(i, j), s, sp.KroneckerDelta(i, j) - 2):
        assert gaussian_square(lambda a, b, c=wrong: c.xreplace({i: a, j: b})).verdict.value != "proved"
    assert gaussian_square(lambda a, b: positive * sp.KroneckerDelta(a, b)).verdict.value == "proved"
    assumed = gaussian_square(lambda a, b: entries[a, b])
    assert assumed.verdict.value == "proved"
    assert "positive semidefinite" in dict(assumed.outcome.evidence.details)["assumed"]
