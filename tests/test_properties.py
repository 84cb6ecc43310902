"""Every route to a number leads to the same number.

Properties, over random features, prompts, probabilities, step sizes and states: derived updates are finite differences
of the loss; restricting to symmetric states and reducing change nothing; traces in balls, in mpmath, in float64 and by
training the layer agree; expectations, moments, sums and linear algebra agree with their definitions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest
import sympy as sp
from flint import arb, fmpq
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from proofs.huang2024.systems import balanced, dominant, generic, underrepresented
from symicl import (
    Expectation,
    FeatureSet,
    Multinomial,
    Run,
    SumOver,
    System,
    SystemFamily,
    arithmetic,
    compile_expressions,
    iterate,
    reduce_system,
    restrict,
)
from symicl.algebra import factored, field_of, identically_zero, nullspace
from symicl.claims.pointwise import Point, value_at
from symicl.derive import derive
from symicl.expectation import exchangeable_moment
from symicl.indices import resolve
from symicl.scores import state_of_scores
from symicl.simulate import population_step, sampled_step
from symicl.systems.structured_features import (
    PROBABILITIES,
    QUERY,
    SCORES,
    TOKEN,
    from_probabilities,
)
from symicl.tables import multinomial_table
from symicl.testing import (
    assert_conserved,
    assert_gradient_matches,
    assert_reduction_commutes,
    assert_traces_agree,
    parameter_values,
    points,
    probability_vectors,
    rationals,
    simulation_of,
    states,
    step_sizes,
)

FAMILIES = (balanced, dominant, underrepresented)
BALL = arithmetic("ball")
families = st.sampled_from(FAMILIES)


def named_systems(spread: int = 2) -> st.SearchStrategy[System]:
    """A named system with a value for every parameter."""
    return families.flatmap(lambda family: parameter_values(family, spread=spread).map(lambda v: family(**v)))


def custom_systems(max_features: int = 3, max_tokens: int = 3) -> st.SearchStrategy[System]:
    """The whole population at random probabilities, equal ones included."""
    lengths = st.one_of(st.just(sp.oo), st.integers(1, max_tokens).map(sp.Integer))
    vectors = probability_vectors(max_size=max_features, max_weight=3)
    return st.tuples(vectors, lengths).map(lambda pair: from_probabilities(*pair))


def close(left: arb, right: arb) -> bool:
    """Whether two enclosures of the same number may be equal, and are narrow enough for that to say something."""
    return bool(left.overlaps(right) and left.rad() < arb(10) ** -20 and right.rad() < arb(10) ** -20)


# ------------------------------------------------------------------------------------------------ derivations


@settings(max_examples=8)
@given(st.data())
@pytest.mark.parametrize("length", ["symbolic", "inf"])
def test_updates_are_finite_differences_of_the_population_loss(length: str, data: st.DataObject) -> None:
    """At any law of the features and any scores, index by index, K and N being symbols until the point."""
    system = generic() if length == "symbolic" else generic(N="inf")
    assert_gradient_matches(system, data.draw(points(system, max_features=2 if length == "symbolic" else 3, spread=1)))


@settings(max_examples=10)
@given(st.data(), families, st.booleans())
def test_updates_are_finite_differences_of_one_querys_loss(
    data: st.DataObject, family: SystemFamily, infinite: bool
) -> None:
    """The same where the query is fixed; the features may then be more."""
    system = family(N="inf") if infinite else family()
    assert_gradient_matches(system, data.draw(points(system, max_features=4)))


def test_a_wrong_update_does_not_match() -> None:
    """The assertion tells the loss apart from its neighbours: one part in 10**9 is seen."""
    system = generic(N="inf")
    scores = tuple(tuple(sp.Integer(i - 2 * j) for j in range(2)) for i in range(2))
    point = Point(
        {system.features.size: sp.Integer(2), system.step_size: sp.Integer(1)},
        {SCORES: scores, PROBABILITIES: (sp.Rational(1, 3), sp.Rational(2, 3))},
        {QUERY: 0, TOKEN: 1},
    )
    assert_gradient_matches(system, point)
    found = [replace(u, expression=u.expression * (1 + sp.Rational(1, 10**9))) for u in derive(system)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("symicl.testing.derive", lambda _: found)
        with pytest.raises(AssertionError, match="finite differences"):
            assert_gradient_matches(system, point)


def symmetric_point(system: System, values: dict[sp.Symbol, sp.Rational], eta: sp.Rational) -> Point:
    """The full score matrix of a system at numbers, whose states have the given values; unused columns are zero."""
    data = system.data
    kinds = len(data.probabilities)
    names = state_of_scores(system)
    scores = tuple(
        tuple(values[names[n, q]] if (n, q) in names else sp.S.Zero for q in range(kinds)) for n in range(kinds)
    )
    features = {} if data.query is None else {QUERY: data.query}
    return Point({system.step_size: eta}, {SCORES: scores, PROBABILITIES: data.probabilities}, features)


def full_update(system: System, point: Point, n: int, k: int) -> arb:
    """The index-level update of one score at a full state, from the sums over all features and prompts."""
    unclassed = replace(system, features=FeatureSet(system.features.size, (), system.features.placed))
    own, other = sorted(derive(unclassed), key=lambda update: len(update.features))
    return value_at((own if n == k else other).expression, replace(point, features={QUERY: k, TOKEN: n}))


@settings(max_examples=12)
@given(st.data(), families, step_sizes())
def test_restricted_updates_are_the_updates_of_every_entry(
    data: st.DataObject, family: SystemFamily, eta: sp.Rational
) -> None:
    """Restricted at symbolic K, then at numbers: each state moves as each of its entries in the full matrix does."""
    values = data.draw(parameter_values(family, spread=2))
    system = family(**values)
    symbolic = restrict(family(**{name: v for name, v in values.items() if v is sp.oo}))
    numbers = {p.symbol: values[p.name] for p in family.parameters if values[p.name] is not sp.oo}
    place = data.draw(states(system))
    with BALL.working(60):
        full = symmetric_point(system, place, eta)
        reduced = Point({**place, **numbers, system.step_size: eta}, {})
        known = {state.symbol: value_at(state.update, reduced) for state in symbolic.states}
        for (n, k), symbol in state_of_scores(system).items():
            assert close(full_update(system, full, n, k), known[symbol]), (n, k)
        assert close(value_at(system.loss, full), value_at(symbolic.loss, reduced))


@settings(max_examples=10)
@given(st.data(), custom_systems(), step_sizes())
def test_restricted_population_is_the_population(data: st.DataObject, system: System, eta: sp.Rational) -> None:
    """The same for a whole population at concrete probabilities, all columns at once."""
    place = data.draw(states(system))
    restricted = restrict(system)
    with BALL.working(60):
        full, reduced = symmetric_point(system, place, eta), Point({**place, system.step_size: eta}, {})
        known = {state.symbol: value_at(state.update, reduced) for state in restricted.states}
        for (n, k), symbol in state_of_scores(system).items():
            assert close(full_update(system, full, n, k), known[symbol]), (n, k)
        assert close(value_at(system.loss, full), value_at(restricted.loss, reduced))


@given(st.one_of(named_systems(), custom_systems()))
def test_reduction_commutes_and_conserves(system: System) -> None:
    """Exactly, at every system of numbers; the conserved forms found are conserved."""
    assert_reduction_commutes(system)
    assert_conserved(system)


def test_reduction_commutes_and_conserves_at_symbols() -> None:
    """Once for all values of the parameters."""
    for family in FAMILIES:
        for system in (family(), family(N="inf")):
            assert_reduction_commutes(system)
            assert_conserved(system)


def test_what_is_not_conserved_is_not() -> None:
    """The assertion can fail."""
    with pytest.raises(AssertionError, match="does not conserve"):
        assert_conserved(balanced(), "A + K*B")


# ------------------------------------------------------------------------------------------------ traces


@settings(max_examples=12)
@given(st.one_of(named_systems(), custom_systems(max_features=4, max_tokens=4)), step_sizes(), st.integers(0, 25))
def test_traces_agree(system: System, eta: sp.Rational, steps: int) -> None:
    """Balls, mpmath, float64 and the layer itself, trained on every prompt."""
    assert_traces_agree(system, eta, steps)


def test_traces_of_different_systems_do_not_agree() -> None:
    """The comparison with the simulator sees a gradient that is wrong by one part in 10**9."""
    system = balanced(K=2, N=3)
    steeper = replace(system, objective=system.objective * (1 + sp.Rational(1, 10**9)))
    with pytest.raises(AssertionError, match="simulated"):
        assert_traces_agree(steeper, 1, 10)


@settings(max_examples=15)
@given(st.data(), st.one_of(named_systems(), custom_systems()), step_sizes())
def test_one_step_of_the_layer_is_one_derived_step(data: st.DataObject, system: System, eta: sp.Rational) -> None:
    """From any symmetric state, not only from those a run reaches, the layer on all its prompts moves as derived.

    A score changes by eta times a mean of terms of modulus at most 2 over at most 20 prompts and 4 features; float64
    rounds each of some tens of operations on them at 2**-53.
    """
    place = data.draw(states(system, size=2))
    experiment = simulation_of(system)
    names = state_of_scores(system)
    kinds = len(system.data.probabilities)
    before = np.zeros((kinds, kinds))
    for (n, k), symbol in names.items():
        before[n, k] = float(place[symbol])
    after, loss = population_step(experiment, before, float(eta))
    point = Point({**place, system.step_size: eta}, {})
    allowed = 2.0**-53 * 80 * 40 * max(1.0, float(eta))
    with BALL.working(30):
        for state in restrict(system).states:
            moved = float(value_at(state.symbol + state.update, point))
            for (n, k), symbol in names.items():
                if symbol == state.symbol:
                    assert abs(after[n, k] - moved) <= allowed + 2.0**-50 * abs(moved)
        assert abs(loss - float(value_at(restrict(system).loss, point))) <= allowed


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "system",
    [
        balanced(K=3, N=4),
        underrepresented(K=4, N=3, p1="1/2"),
        from_probabilities([sp.Rational(i, 6) for i in (1, 2, 3)], sp.Integer(3)),
    ],
    ids=lambda system: system.id,
)
def test_sampled_prompts_scatter_about_the_derived_step(system: System, seed: int) -> None:
    """Each entry lies within 5 standard errors of the derived one: wrong by chance once in 10**6 entries or so."""
    eta, experiment = 1.0, simulation_of(system)
    step = sampled_step(experiment, experiment.start(), eta, 20_000, np.random.default_rng(seed))
    one = iterate(reduce_system(system), Run(sp.Integer(1), steps=1, dps=15), "mp")
    derived = dict(zip(map(str, one.process.states), one.states, strict=True))
    scores = experiment.scores(step.Q)
    for (n, k), symbol in state_of_scores(system).items():
        allowed = 5 * eta * step.gradient_standard_error[n, k] + 1e-12
        assert abs(scores[n, k] - float(derived[str(symbol)])) <= allowed
    start = float(iterate(reduce_system(system), Run(sp.Integer(1), steps=0, dps=15), "mp").loss)
    assert abs(step.loss - start) <= 5 * step.loss_standard_error


# ------------------------------------------------------------------------------------------------ evaluation


@given(st.data(), named_systems())
def test_compiled_code_is_the_definition(data: st.DataObject, system: System) -> None:
    """Compiled updates and loss of the recurrence give the values of the expressions they came from."""
    recurrence = reduce_system(system)
    place = {y: data.draw(rationals(-4, 4)) for y in recurrence.coordinates}
    eta = data.draw(step_sizes())
    expressions = [e.xreplace({system.step_size: eta}) for e in (*recurrence.updates, recurrence.loss)]
    with BALL.working(40):
        function = compile_expressions(expressions, recurrence.coordinates, BALL, 40)
        values = function(*(BALL.number(v) for v in place.values()))
        for expression, value in zip(expressions, values, strict=True):
            assert close(arb(value), value_at(expression, Point(place, {})))


@given(st.data())
@pytest.mark.parametrize("name", ["ball", "mp", "float64"])
def test_compiled_means_are_means(name: str, data: st.DataObject) -> None:
    """Means of rational functions of the counts, plain terms and powers beside them, in every arithmetic.

    The relative error of float64 is that of sums and products of positive terms: some hundred roundings.
    """
    n_a, n_b = sp.symbols("n_a n_b", integer=True, nonnegative=True)
    x = sp.Symbol("x", real=True)
    share = data.draw(rationals("1/12", "11/12"))
    trials = data.draw(st.integers(1, 8))
    law = Multinomial(trials, ((n_a, share), (n_b, 1 - share)))
    weight = n_a * sp.exp(x) + n_b * sp.exp(x / 2)
    a, b, c = data.draw(st.tuples(*[st.integers(1, 3)] * 3))
    expression = 2 + sp.exp(-x) * Expectation((a + n_a**b * sp.exp(2 * x)) / weight**c, law) / 7
    value = data.draw(rationals(-2, 2))
    chosen = arithmetic(name)
    with chosen.working(30):
        compiled = compile_expressions([expression], [x], chosen, 30)(chosen.number(value))[0]
        shown = compiled if name == "ball" else float(compiled)
    with BALL.working(60):
        exact = value_at(expression, Point({x: value}, {}))
        if name == "ball":
            assert shown.overlaps(exact)
            assert shown.rad() < abs(shown) * arb(10) ** -25
        else:
            assert abs(shown - float(exact)) <= 2.0**-53 * 200 * float(exact)


@given(st.integers(1, 40), probability_vectors(min_size=2, max_size=3), st.integers(3, 12), st.integers(1, 3))
def test_a_window_of_prompts_is_complete_up_to_its_bound(
    trials: int, shares: Sequence[sp.Rational], dps: int, power: int
) -> None:
    """Binomial and trinomial windows: weights are right, their moments too, and what is missing is bounded."""
    assume(len(shares) == 2 or trials <= 15)
    complete = {o: Fraction(int(w.p), int(w.q)) for o, w in _table(trials, shares, "rational", dps)}
    assert sum(complete.values()) == 1
    with BALL.working(40):
        window = multinomial_table(trials, shares, BALL, dps)
        total, moment = arb(0), arb(0)
        for outcome, weight in zip(window.outcomes, window.weights, strict=True):
            exact = arb(fmpq(complete[outcome].numerator, complete[outcome].denominator))
            assert weight.overlaps(exact)
            total += exact
            moment += exact * outcome[0] ** power
        exact_moment = sum(w * o[0] ** power for o, w in complete.items())
        missing = 1 - total
        slack = arb(10) ** -35
        assert missing <= window.missing + slack
        assert abs(arb(fmpq(exact_moment.numerator, exact_moment.denominator)) - moment) <= (
            (window.missing + slack) * trials**power
        )
        assert len(set(window.outcomes)) == len(window.outcomes)


def _table(trials: int, shares: Sequence[sp.Rational], name: str, dps: int) -> Iterator[tuple[tuple[int, ...], Any]]:
    table = multinomial_table(trials, shares, arithmetic(name), dps)
    yield from zip(table.outcomes, table.weights, strict=True)


@given(
    st.integers(0, 4),
    st.integers(1, 4),
    st.lists(st.integers(0, 3), max_size=2),
    st.lists(st.integers(1, 3), max_size=2),
    st.data(),
)
def test_exchangeable_moments_are_means_over_all_sequences(
    total: int, size: int, powers: list[int], sums: list[int], data: st.DataObject
) -> None:
    """``total`` tokens, each of ``size`` kinds equally likely, listed one by one; exact.

    ``powers`` are of distinct kinds, of which the last ``inside`` take part in the sums of powers.
    """
    assume(len(powers) <= size)
    inside = data.draw(st.integers(0, len(powers)))
    kinds = range(size)
    summed = [j for j in kinds if j >= len(powers) - inside]
    mean = Fraction(0)
    for sequence in product(kinds, repeat=total):
        counts = [sequence.count(j) for j in kinds]
        value = math.prod(counts[i] ** power for i, power in enumerate(powers))
        mean += Fraction(value * math.prod(sum(counts[j] ** r for j in summed) for r in sums), size**total)
    K, M = sp.symbols("K M", positive=True)
    symbolic = exchangeable_moment(M, K, powers, sums, inside)
    assert symbolic.subs({K: size, M: total}) == sp.Rational(mean.numerator, mean.denominator)


# ------------------------------------------------------------------------------------------------ algebra

u, v = sp.symbols("u v", real=True)
P = sp.Symbol("P", integer=True, positive=True)
ATOMS = [u, v, sp.exp(u), sp.exp(v / 2), sp.exp(u - v), P, P**P, sp.Integer(2) ** P, sp.log(P + 1)]


def expressions(leaves: Sequence[sp.Expr] = ATOMS) -> st.SearchStrategy[sp.Expr]:
    """Sums, products and quotients of atoms and small rationals."""
    leaf = st.one_of(st.sampled_from(leaves), rationals(-2, 2))
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.tuples(inner, inner).map(lambda pair: pair[0] + pair[1]),
            st.tuples(inner, inner).map(lambda pair: pair[0] * pair[1]),
            st.tuples(inner, inner).map(lambda pair: pair[0] / (1 + pair[1] ** 2)),
            inner.map(lambda e: e**3),
        ),
        max_leaves=6,
    )


@given(expressions(), st.data())
def test_canonical_forms_have_the_same_values(expression: sp.Expr, data: st.DataObject) -> None:
    """Putting an expression in canonical form, or factoring it, changes no value where both are defined."""
    point = Point(
        {u: data.draw(rationals()), v: data.draw(rationals()), P: sp.Integer(data.draw(st.integers(1, 4)))}, {}
    )
    with BALL.working(60):
        before, after = value_at(expression, point), value_at(factored(expression), point)
        assume(before.is_finite())
        assert after.is_finite()
        assert before.overlaps(after)


@given(expressions(), expressions(), st.data())
def test_equal_means_equal_everywhere(left: sp.Expr, right: sp.Expr, data: st.DataObject) -> None:
    """What is identically zero is zero at every point, and a product written out is the product."""
    assert identically_zero(left * (right + 1) - left * right - left)
    point = Point(
        {u: data.draw(rationals()), v: data.draw(rationals()), P: sp.Integer(data.draw(st.integers(1, 4)))}, {}
    )
    if identically_zero(left - right):
        with BALL.working(60):
            assert value_at(left - right, point).contains(0)


@given(expressions())
def test_derivatives_of_the_field_are_derivatives(expression: sp.Expr) -> None:
    """The formal derivative by an atom that no other atom contains is SymPy's derivative by it."""
    t = sp.Symbol("t", positive=True)
    replaced = expression.xreplace({P**P: t})
    field = field_of([replaced, t])
    assert identically_zero(field(replaced).derivative(t).expression() - sp.diff(replaced, t))


@given(
    st.integers(1, 3).flatmap(
        lambda columns: st.lists(
            st.lists(expressions([u, sp.exp(v), P]), min_size=columns, max_size=columns), min_size=1, max_size=3
        )
    )
)
@settings(max_examples=12)
def test_nullspaces_are_nullspaces(rows: list[list[sp.Expr]]) -> None:
    """Each basis vector is annihilated, starts with 1, and there are as many as the rank leaves."""
    columns = len(rows[0])
    basis = nullspace(rows, columns)
    for vector in basis:
        assert next(entry for entry in vector if entry != 0) == 1
        for row in rows:
            assert identically_zero(sp.Add(*(a * b for a, b in zip(row, vector, strict=True))))
    # At a random point the rank can only fall, and almost never does.
    point = Point({u: sp.Rational(17, 7), v: sp.Rational(-5, 11), P: sp.Integer(13)}, {})
    with BALL.working(60):
        matrix = np.array([[float(value_at(entry, point)) for entry in row] for row in rows])
    scaled = matrix / np.maximum(np.abs(matrix).max(axis=1, keepdims=True), 1e-300)
    assert np.linalg.matrix_rank(scaled, tol=1e-9) <= columns - len(basis)


# ------------------------------------------------------------------------------------------------ sums over features

f, g = sp.IndexedBase("f"), sp.IndexedBase(sp.Symbol("g", positive=True))
k, n, q = sp.symbols("k n q", integer=True, positive=True)
SIZE = sp.Symbol("K", integer=True, positive=True)


def bodies(indices: tuple[sp.Symbol, ...]) -> st.SearchStrategy[sp.Expr]:
    """Terms over entries at the given indices, with deltas, denominators and exponentials."""
    index = st.sampled_from(indices)
    leaf = st.one_of(
        index.map(lambda i: f[i]),
        index.map(lambda i: g[i]),
        index.map(lambda i: sp.exp(f[i])),
        st.tuples(index, index).map(lambda pair: SCORES[pair]),
        st.tuples(index, index).map(lambda pair: sp.KroneckerDelta(*pair)),
        st.integers(-2, 2).map(sp.Integer),
    )
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.tuples(inner, inner).map(lambda pair: pair[0] + pair[1]),
            st.tuples(inner, inner).map(lambda pair: pair[0] * pair[1]),
            st.tuples(inner, index).map(lambda pair: pair[0] / g[pair[1]]),
        ),
        max_leaves=4,
    )


def exclusions(*features: sp.Symbol) -> st.SearchStrategy[list[sp.Symbol]]:
    return st.lists(st.sampled_from(features), unique=True)


@st.composite
def nested_sums(draw: st.DrawFn) -> tuple[sp.Expr, Any]:
    """A sum over i with a sum over j inside, as an expression, and as a function that adds it up at a point."""
    i, j = sp.Dummy("i", integer=True, positive=True), sp.Dummy("j", integer=True, positive=True)
    inner, outer = draw(bodies((i, j, k, n))), draw(bodies((i, k, n)))
    without_j, without_i = draw(exclusions(i, k, n)), draw(exclusions(k, n))
    total = SumOver(outer * SumOver(inner, j, SIZE, without_j) + outer, i, SIZE, without_i)

    def added(point: Point, size: int) -> arb:
        result = arb(0)
        for at_i in range(size):
            here = {**point.features, i: at_i}
            if any(here[e] == at_i for e in without_i):
                continue
            inside = arb(0)
            for at_j in range(size):
                if all(here[e] != at_j for e in without_j):
                    inside += value_at(inner, replace(point, features={**here, j: at_j}))
            factor = value_at(outer, replace(point, features=here))
            result += factor * inside + factor
        return result

    return total, added


@settings(max_examples=40)
@given(nested_sums(), st.integers(2, 4), st.data())
def test_sums_over_features_are_sums(pair: tuple[sp.Expr, Any], size: int, data: st.DataObject) -> None:
    """A symbolic sum, and the same resolved at distinct features, is what adding up its terms gives.

    Nested sums with exclusions that refer to each other, Kronecker deltas and denominators included.
    """
    expression, added = pair
    entry = rationals(-2, 2, max_denominator=3)
    at_k, at_n = data.draw(st.permutations(range(size)))[:2]
    point = Point(
        {SIZE: sp.Integer(size)},
        {
            f: tuple(data.draw(entry) for _ in range(size)),
            g: tuple(data.draw(rationals(1, 3)) for _ in range(size)),
            SCORES: tuple(tuple(data.draw(entry) for _ in range(size)) for _ in range(size)),
        },
        {k: at_k, n: at_n},
    )
    with BALL.working(60):
        expected = added(point, size)
        assert value_at(expression, point).overlaps(expected)
        assert value_at(resolve(expression, (k, n)), point).overlaps(expected)
        assert expected.rad() < arb(10) ** -30
