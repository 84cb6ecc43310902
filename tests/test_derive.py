"""Derivation: the updates are those of MATH-free first principles, at any K, and cost the same at every K."""

import time
from fractions import Fraction

import pytest
import sympy as sp

from symicl import DerivationError, InputError, derive, restrict, update
from symicl.algebra import identically_zero
from symicl.claims.loader import load_systems, paper_folders
from symicl.expectation import integrands
from symicl.indices import SumOver, partial, resolve
from symicl.systems.base import FeatureClass, FeatureSet
from symicl.systems.structured_features import PROBABILITIES, QUERY, from_probabilities, structured_features

systems = {family.id.split(".")[1]: family for family in load_systems(paper_folders()["huang2024"])}
K = sp.Symbol("K", integer=True, positive=True)
j, k, n, m = sp.symbols("j k n m", integer=True, positive=True)
w = sp.IndexedBase("w")


def test_sums_stay_sums_and_split_at_distinguished_features():
    total = SumOver(w[j], j, K)
    assert resolve(total, (k,)) == w[k] + SumOver(w[j], j, K, (k,))
    assert resolve(SumOver(w[j] ** 2, j, K, (k,)), (k, n)) == w[n] ** 2 + SumOver(w[j] ** 2, j, K, (k, n))
    assert SumOver(sp.S.One, j, K, (k,)) == K - 1


def test_a_product_of_sums_does_not_capture_indices():
    """The square of a sum has K^2 terms: differentiating it once and again finds the off-diagonal ones."""
    square = SumOver(w[j], j, K) ** 2
    assert partial(partial(square, w[k]), w[n]) == 2
    nested = SumOver(w[j] * SumOver(w[m] * sp.KroneckerDelta(m, j), m, K), j, K)
    assert nested == SumOver(w[j] ** 2, j, K)


def test_two_names_for_one_feature_are_one_feature():
    assert resolve(sp.KroneckerDelta(k, n), (k, n)) == 0
    assert partial(w[j], w[j]) == 1


@pytest.mark.parametrize("name", ["balanced", "dominant", "underrepresented"])
@pytest.mark.parametrize("length", [{}, {"N": "inf"}])
def test_symmetric_updates_are_the_gradient_of_the_symmetric_loss(name, length):
    """Members * update = -eta p_k dL/dstate: the derivative of the restricted loss, taken another way, agrees."""
    system = systems[name](**length)
    symmetric = restrict(system)
    query_class = dict(system.features.placed)[QUERY]
    weight = dict(system.features.named(query_class).values)[PROBABILITIES]
    for state in symmetric.states:
        gap = state.members * state.update + system.step_size * weight * partial(symmetric.loss, state.symbol)
        plain, merged = integrands(gap)
        assert identically_zero(plain)
        assert all(identically_zero(body) for body in merged.values())


def test_the_first_step_of_a_balanced_system_by_hand():
    """At Q = 0 and N = inf all attentions are 1/K: alpha = (1/K)(1/K)((K-1)/K^2 + ((K-1)/K)^2) = (K-1)/K^3."""
    step = update(systems["balanced"](N="inf"), "A").xreplace(
        {sp.Symbol("A", real=True): 0, sp.Symbol("B", real=True): 0}
    )
    assert identically_zero(step - sp.Symbol("eta", positive=True) * (K - 1) / K**3)


def test_cost_does_not_grow_with_the_number_of_features():
    def seconds(**values):
        start = time.perf_counter()
        restrict(systems["underrepresented"](**values))
        return time.perf_counter() - start

    symbolic, large = seconds(), seconds(K=10**6)
    assert large < 20 * symbolic + 1  # not a benchmark: K = 10**6 entries one by one would take hours


def test_orbits_of_a_concrete_vector_are_found():
    """Equal probabilities are exchangeable: K=3 with two equal features has 2 + 3 orbits instead of 9 entries."""
    tied = from_probabilities([sp.Rational(2, 5), sp.Rational(2, 5), sp.Rational(1, 5)], sp.oo)
    states = restrict(tied).states
    assert sum(int(state.members) for state in states) == 9
    assert len(states) == 5
    assert len(restrict(from_probabilities([sp.Rational(1, 3)] * 3, sp.oo)).states) == 2


def test_inconsistent_systems_are_refused():
    short = FeatureSet(sp.Integer(3), (FeatureClass("all", sp.Integer(2), ((PROBABILITIES, sp.Rational(1, 2)),)),))
    with pytest.raises(InputError, match="do not have 3 features"):
        restrict(structured_features(short, sp.oo, id="short", title="short"))
    with pytest.raises(InputError, match="sum to"):
        restrict(from_probabilities([sp.Rational(1, 2), sp.Rational(1, 3)], sp.oo))
    with pytest.raises(DerivationError, match="not in classes"):
        restrict(systems["generic"]())


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("balanced", {"K": 1}),
        ("balanced", {"N": 0}),
        ("balanced", {"K": Fraction(5, 2)}),
        ("underrepresented", {"K": 2}),
        ("underrepresented", {"p1": 1}),
        ("underrepresented", {"p1": "0"}),
        ("balanced", {"K": 0.5}),
        ("balanced", {"q": 1}),
        ("balanced", {"K": "inf"}),
    ],
)
def test_bad_parameters_are_refused_with_a_remedy(name, values):
    with pytest.raises(InputError) as caught:
        systems[name](**values)
    assert caught.value.exit_code == 2
    assert caught.value.remedy


def test_generic_updates_hold_their_sums():
    updates = derive(systems["generic"]())
    assert len(updates) == 2
    assert all(item.expression.atoms(SumOver) for item in updates)
