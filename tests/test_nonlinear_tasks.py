"""Any task on any features: scores and losses are those of a layer whose matrix Q descends."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

import mpmath as mp
import pytest
import sympy as sp
from flint import arb
from hypothesis import given
from hypothesis import strategies as st

from symicl import DerivationError, Run, System, derive, exact, iterate, load_system, reduce_system, restrict
from symicl.algebra import identically_zero
from symicl.arithmetic import ARITHMETICS
from symicl.claims.pointwise import Point, value_at
from symicl.cli import cli
from symicl.evaluate import compile_expressions
from symicl.indices import SumOver, canonical
from symicl.scores import state_of_scores
from symicl.systems.base import FeatureSet
from symicl.systems.structured_features import (
    COUNTS,
    GRAM,
    MOMENTS,
    PROBABILITIES,
    QUERY,
    SCORES,
    TOKEN,
    feature_class,
    from_probabilities,
    general_gram,
    structured_features,
)
from symicl.testing import assert_reduction_commutes, assert_traces_agree, probability_vectors

R = sp.Rational
LAW = [R(1, 2), R(3, 10), R(1, 5)]
INNER = [[R(1), R(1, 2), R(1, 5)], [R(1, 2), R(1), R(-1, 3)], [R(1, 5), R(-1, 3), R(2)]]
SECOND = [[R(2), R(1, 3), R(-1, 2)], [R(1, 3), R(1), R(1, 4)], [R(-1, 2), R(1, 4), R(3, 2)]]
IDENTITY = [[R(int(m == n)) for n in range(3)] for m in range(3)]


@st.composite
def inner_products(draw: st.DrawFn, size: int) -> list[list[sp.Rational]]:
    """Inner products of small rational vectors, often of less than full rank, of size one or so."""
    rank = draw(st.integers(1, size))
    vectors = draw(st.lists(st.lists(st.integers(-2, 2), min_size=rank, max_size=rank), min_size=size, max_size=size))
    return [[R(sum(x * y for x, y in zip(a, b, strict=True)), 2 * rank) for b in vectors] for a in vectors]


@st.composite
def populations(draw: st.DrawFn) -> System:
    law = draw(probability_vectors(max_size=3, max_weight=3))
    length = draw(st.sampled_from([sp.oo, sp.Integer(1), sp.Integer(3)]))
    gram = draw(st.none() | inner_products(len(law)))
    return from_probabilities(law, length, gram=gram, kernel=draw(st.none() | inner_products(len(law))))


# ------------------------------------------------------------------------- the layer, by brute force in 60 digits


def prompts(law: Sequence[mp.mpf], length: int | None) -> Iterator[tuple[list[mp.mpf], mp.mpf]]:
    """Every vector of counts with its chance."""
    if length is None:
        yield list(law), mp.mpf(1)
        return
    for counts in product(range(length + 1), repeat=len(law)):
        if sum(counts) == length:
            chance = mp.factorial(length)
            for count, share in zip(counts, law, strict=True):
                chance *= share**count / mp.factorial(count)
            yield [mp.mpf(count) for count in counts], chance


def root(rows: Sequence[Sequence[sp.Rational]]) -> mp.matrix:
    """A matrix whose product with its transpose has these entries."""
    return mp.cholesky(mp.matrix([[mp.mpf(x.p) / x.q for x in row] for row in rows]))


def trained(length: int | None, steps: int, eta: mp.mpf) -> tuple[mp.matrix, mp.mpf]:
    """Scores and loss of the layer after some steps on Q itself: softmax over tokens, backward pass by hand."""
    places, tasks, size = root(INNER), root(SECOND), 3
    law = [mp.mpf(p.p) / p.q for p in LAW]
    Q = mp.zeros(size)
    for step in range(steps + 1):
        loss, slope = mp.mpf(0), mp.zeros(size)
        for (counts, chance), k in product(prompts(law, length), range(size)):
            scores = places * Q * places[k, :].T
            weights = [counts[n] * mp.exp(scores[n]) for n in range(size)]
            a = [w / sum(weights) for w in weights]
            error = [sum(a[n] * tasks[n, r] for n in range(size)) - tasks[k, r] for r in range(size)]
            loss += chance * law[k] * sum(e * e for e in error) / 2
            back = [sum(error[r] * tasks[n, r] for r in range(size)) for n in range(size)]
            mean = sum(x * y for x, y in zip(a, back, strict=True))
            for n in range(size):
                slope += chance * law[k] * a[n] * (back[n] - mean) * (places[n, :].T * places[k, :])
        if step < steps:
            Q = Q - eta * slope
    return places * Q * places.T, loss


@pytest.mark.parametrize("length", [None, 2])
def test_scores_of_a_full_kernel_and_gram_matrix_to_45_digits(length: int | None) -> None:
    """K = 3 with nothing special about it, six steps: derived in balls against brute force in 60 digits."""
    system = from_probabilities(LAW, sp.oo if length is None else sp.Integer(length), gram=INNER, kernel=SECOND)
    result = iterate(reduce_system(system), Run(exact("7/10"), steps=6, dps=50), "ball")
    with mp.workdps(60):
        scores, loss = trained(length, 6, mp.mpf(7) / 10)
        for (n, k), symbol in state_of_scores(system).items():
            assert abs(number(result.state(str(symbol))) - scores[n, k]) < mp.mpf(10) ** -45
        assert abs(number(result.loss) - loss) < mp.mpf(10) ** -45


def number(ball: arb) -> mp.mpf:
    return mp.mpf(ball.str(60, radius=False))


# ------------------------------------------------------------------------------------------- the derivation


@given(populations())
def test_derived_scores_are_those_of_the_simulated_layer(system: System) -> None:
    """Random kernels and Gram matrices of any rank, laws and prompt lengths; tolerance from rounding and growth."""
    assert_traces_agree(system, eta=R(1, 4), steps=4)


@given(populations())
def test_reducing_and_updating_commute(system: System) -> None:
    assert_reduction_commutes(system)


@pytest.mark.parametrize("length", [sp.oo, sp.Integer(3)])
def test_identity_matrices_are_the_linear_paper(length: sp.Expr) -> None:
    """Written out as matrices, or as formulas that happen to be the identity: the same updates, state by state."""
    plain = restrict(from_probabilities(LAW, length))
    written = restrict(from_probabilities(LAW, length, gram=IDENTITY, kernel=IDENTITY))
    assert [state.update for state in written.states] == [state.update for state in plain.states]
    same = structured_features(
        plain.system.features, length, id="same", title="same", kernel=sp.KroneckerDelta, gram=sp.KroneckerDelta
    )
    for mine, theirs in zip(restrict(same).states, plain.states, strict=True):
        assert mine.update == theirs.update


@pytest.mark.parametrize("length", [sp.oo, sp.Integer(2)])
def test_updates_of_classes_are_those_of_single_entries(length: sp.Expr) -> None:
    """The update derived for any K, M and Gamma, summed up entry by entry, is the one on the orbits of the features."""
    correlated = load_system("li2025.correlated")(K=3, N=length)
    system = from_probabilities(LAW, length, gram=INNER, kernel=SECOND)
    symmetric, where = restrict(system), state_of_scores(system)
    values = {str(s.symbol): R(i * i - 5 * i + 1, 4) for i, s in enumerate(symmetric.states)}
    scores = tuple(tuple(values[str(where[n, k])] for k in range(3)) for n in range(3))
    entries = {SCORES: scores, PROBABILITIES: tuple(LAW), MOMENTS: SECOND, GRAM: INNER, COUNTS: ()}
    general = {update.variable: update.expression for update in derive(correlated)}
    ball = ARITHMETICS["ball"]
    with ball.working(40):
        states = [state.symbol.name for state in symmetric.states]
        updates = [state.update.xreplace({system.step_size: sp.S.One}) for state in symmetric.states]
        code = compile_expressions(updates, [state.symbol for state in symmetric.states], ball, 40)
        derived = dict(zip(states, code(*(ball.number(values[name]) for name in states)), strict=True))
        for (n, k), symbol in where.items():
            variable = SCORES[QUERY, QUERY] if n == k else SCORES[TOKEN, QUERY]
            point = Point({correlated.step_size: R(1)}, entries, {TOKEN: n, QUERY: k})
            gap = value_at(general[variable], point) - derived[str(symbol)]
            assert gap.contains(0)
            assert float(abs(gap).upper()) < 1e-30


def test_w_S_is_conserved_where_gamma_w_is_one() -> None:
    """Found, not listed: the forms that reducing finds are w'S, column by column, up to scale."""
    recurrence = reduce_system(from_probabilities(LAW, sp.oo, gram=INNER, kernel=SECOND))
    w = sp.Matrix(INNER).LUsolve(sp.ones(3, 1))
    where = state_of_scores(recurrence.symmetric.system)
    for k in range(3):
        form = sum(w[n] * where[n, k] for n in range(3))
        assert any(identically_zero(form - w[k] * found) or proportional(form, found) for found in recurrence.conserved)
    assert len(recurrence.conserved) == 3


def proportional(form: sp.Expr, other: sp.Expr) -> bool:
    symbols = sorted(form.free_symbols | other.free_symbols, key=str)
    return sp.Matrix([[f.coeff(s) for s in symbols] for f in (form, other)]).rank() == 1


def test_one_query_alone_is_refused_where_features_are_correlated() -> None:
    classes = (feature_class("other", sp.Integer(3), R(1, 3)),)
    system = structured_features(
        FeatureSet(sp.Integer(3), classes, ((QUERY, "other"),)),
        sp.oo,
        id="alone",
        title="one query",
        gram=lambda m, n: (sp.KroneckerDelta(m, n) + 1) / 2,
    )
    with pytest.raises(DerivationError, match="every query moves all scores"):
        restrict(system)
    generic = structured_features(FeatureSet(sp.Integer(3)), sp.oo, id="all", title="all", gram=general_gram)
    assert len(derive(generic)) == 2


# ------------------------------------------------------------------------------------------- the command line

FILE = """
[features]
probabilities = ["1/4", "1/4", "1/2"]
prompt_length = 3
gram = [[1, "1/2", 0], ["1/2", 1, 0], [0, 0, 1]]
[task]
kernel = [[1, 1, -1], [1, 1, -1], [-1, -1, 1]]
"""


@pytest.mark.parametrize(
    "command", [["trace", "--eta", "1/2", "--steps", "2"], ["simulate", "--eta", "1/2", "--steps", "2"], ["derive"]]
)
def test_values_that_are_not_told_apart_are_a_warning(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It runs; stderr and the JSON say which features it is about."""
    path = tmp_path / "two_values.toml"
    path.write_text(FILE, encoding="utf-8")
    assert cli.main([command[0], str(path), *command[1:], "--json"], standalone_mode=False) == 0
    captured = capsys.readouterr()
    (warning,) = json.loads(captured.out)["warnings"]
    assert "features 0, 1 (from 0)" in warning
    assert captured.err.startswith("symicl: warning: features 0, 1")


def test_trace_and_simulate_agree_on_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nine scores from two programs that share no formula, to what float64 keeps of three steps."""
    path = tmp_path / "two_values.toml"
    path.write_text(FILE, encoding="utf-8")
    shown = []
    for command in ("trace", "simulate"):
        cli.main([command, str(path), "--eta", "1/2", "--steps", "3", "--json"], standalone_mode=False)
        shown.append(json.loads(capsys.readouterr().out))
    for n, k in product(range(3), repeat=2):
        mids = [float(each["scores"][n][k]["mid"]) for each in shown]
        assert mids[0] == pytest.approx(mids[1], abs=1e-13)


def test_a_sum_that_leaves_out_a_stranger_is_the_sum_less_a_term() -> None:
    """``sum_m x_m sum_(j != m) y_j = sum x sum y - sum x y`` is decided, also where two features are singled out."""
    m, j, k, n = sp.symbols("m j k n", integer=True, positive=True)
    size = sp.Symbol("K", integer=True, positive=True)
    x, y = sp.IndexedBase("x"), sp.IndexedBase("y")
    left = SumOver(x[m] * SumOver(y[j], j, size, (m,)), m, size)
    right = SumOver(x[m], m, size) * SumOver(y[m], m, size) - SumOver(x[m] * y[m], m, size)
    assert canonical(left - right, ()).is_zero
    assert canonical(left - right, (k, n)).is_zero
    assert not canonical(left - right + SumOver(x[m] * y[m], m, size), (k,)).is_zero
