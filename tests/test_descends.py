"""Statements that a step does not raise the loss: proved where true, refuted by a step, never proved where false."""

from __future__ import annotations

from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from symicl import (
    Claim,
    Coordinate,
    Expectation,
    InputError,
    Multinomial,
    System,
    Verdict,
    check,
    claim,
    descends,
    load_system,
    parse_condition,
    reduce_system,
    stable_up_to,
)
from symicl import stability as stability_module
from symicl.claims.checkers import descends as checker
from symicl.monotone import HalfSpace, falls_at_every_step_size, falls_up_to, half_space

ROOT = Path(__file__).resolve().parent.parent
BALANCED, DOMINANT = load_system("huang2024.balanced"), load_system("huang2024.dominant")
RARE = load_system("huang2024.underrepresented")
SCORE = st.floats(-8, 8)


def decided(statement: object) -> tuple[Verdict, str, dict[str, str]]:
    outcome = check(claim(statement)).outcome
    return outcome.verdict, outcome.evidence.summary, dict(outcome.evidence.details)


def loss_after(scores: np.ndarray, p: np.ndarray, k: int, eta: float) -> tuple[float, float]:
    """The loss of query k at N = inf before and after a step on all K scores, from the softmax's own derivative."""

    def attention(s: np.ndarray) -> np.ndarray:
        weights = p * np.exp(s - s.max())
        return weights / weights.sum()

    error = attention(scores) - np.eye(len(p))[k]
    a = attention(scores)
    slope = a * error - a * (a @ error)
    moved = scores - eta * p[k] * slope
    return 0.5 * error @ error, 0.5 * np.sum((attention(moved) - np.eye(len(p))[k]) ** 2)


def law_of(K: int, p1: float) -> np.ndarray:
    return np.array([p1] + [(1 - p1) / (K - 1)] * (K - 1))


@pytest.mark.parametrize("system", [BALANCED(), BALANCED(N="inf"), DOMINANT(), DOMINANT(N="inf")], ids=lambda s: s.id)
def test_one_scalar_descends_at_every_step_size(system) -> None:
    """Slope and update have opposite signs at all pairs of states: any K, N, p1; with or without a region."""
    assert decided(descends(system))[0] is Verdict.PROVED
    assert decided(descends(system, where="A <= B"))[0] is Verdict.PROVED


def test_a_rare_query_descends_where_its_own_score_leads() -> None:
    """N = inf and A >= B: proved at symbolic K and p1; the evidence says that no step leaves the region."""
    verdict, summary, details = decided(descends(RARE(N="inf"), where="A >= B"))
    assert verdict is Verdict.PROVED and "at every step size" in summary
    assert any(name.startswith("no step leaves the region") for name in details)
    assert any(name.startswith("the loss falls along every ray") for name in details)


@given(st.integers(3, 40), st.floats(0.01, 0.99), SCORE, st.floats(0, 8), st.floats(-2, 9))
def test_brute_force_agrees_where_it_is_proved(K: int, p1: float, lead: float, own: float, decade: float) -> None:
    """Random K, p1, states with A >= B and step sizes to 10^9, on all K scores in float64: never a rise."""
    scores = np.zeros(K)
    scores[0], scores[1] = lead, own
    before, after = loss_after(scores, law_of(K, p1), 1, 10**decade)
    assert after <= before * (1 + 1e-12)


@given(st.integers(3, 40), st.floats(0.01, 0.99), SCORE, SCORE, st.floats(0.001, 1))
def test_brute_force_agrees_below_the_bound(K: int, p1: float, lead: float, own: float, share: float) -> None:
    """Any state, steps up to 2/p_k at N = inf, on all K scores in float64: never a rise."""
    scores = np.zeros(K)
    scores[0], scores[1] = lead, own
    before, after = loss_after(scores, law_of(K, p1), 1, share * 2 * (K - 1) / (1 - p1))
    assert after <= before * (1 + 1e-12)


@pytest.mark.slow
def test_small_steps_descend_at_every_length() -> None:
    """Up to 1/p_k at symbolic N, 2/p_k at N = inf; 2 for the balanced query, by a Hessian of one entry."""
    assert decided(descends(RARE(), up_to="(K-1)/(1-p1)"))[0] is Verdict.PROVED
    assert decided(descends(RARE(N="inf"), up_to="2*(K-1)/(1-p1)"))[0] is Verdict.PROVED
    assert falls_up_to(reduce_system(BALANCED()), sp.Integer(2)) is not None


@pytest.mark.parametrize(
    ("statement", "state"),
    [
        (descends(RARE(N="inf")), None),
        (descends(RARE(N="inf"), where="A <= B"), "A <= B"),
        (descends(RARE(N="inf"), where="A >= B - 3"), "A >= B - 3"),
        (descends(RARE(N="inf"), up_to="200*(K-1)/(1-p1)"), None),
        (descends(RARE(), where="A >= B"), "A >= B"),
    ],
    ids=["everywhere", "below", "above -3", "200/p_k", "finite N"],
)
def test_what_is_false_is_refuted_by_a_step(statement, state) -> None:
    """The witness satisfies the assumptions, and the loss rises there by an independent computation where N = inf."""
    verdict, _, details = decided(statement)
    assert verdict is Verdict.REFUTED
    at = {name.removeprefix("at "): sp.Rational(text) for name, text in details.items() if name.startswith("at ")}
    if state is not None:
        condition = parse_condition(state, {name: sp.Symbol(name) for name in ("A", "B")})
        sides = [side.xreplace({sp.Symbol(n): at[n] for n in "AB"}) for side in (condition.left, condition.right)]
        assert sides[0] <= sides[1] if condition.relation == "<=" else sides[0] >= sides[1]
    K, eta = int(at["K"]), float(sp.Rational(details["step size"]))
    assert at["A"] + at["B1"] + (K - 2) * at["B"] == 0
    if "N" not in at:
        scores = np.array([float(at["B1"]), float(at["A"])] + [float(at["B"])] * (K - 2))
        before, after = loss_after(scores, law_of(K, float(at["p1"])), 1, eta)
        assert after > before
        if statement.up_to is not None:
            assert eta <= 200 * (K - 1) / (1 - float(at["p1"]))


@pytest.mark.parametrize("bound", ["K - 4", "p1 - 1/2", "(K - 4)/10", "1/(K - 3)", "K - 3"])
def test_a_bound_that_is_not_positive_everywhere_refutes_and_proves_nothing(bound: str) -> None:
    """True, as each is at most 1/p_k where it is above 0 and finite, and no step size is meant where it is not."""
    assert decided(descends(RARE(), up_to=bound))[0] in (Verdict.SUPPORTED, Verdict.UNDECIDED)


def test_steps_are_tried_within_the_bound_alone() -> None:
    """Rational, above 0 and no larger than the bound; none where that is not above 0."""
    for bound in (sp.Rational(3, 2), sp.sqrt(7), sp.Integer(10**4)):
        sizes = checker._step_sizes(bound)
        assert sizes and all(size.is_Rational and 0 < size <= bound for size in sizes)
    assert checker._step_sizes(sp.Integer(10) ** 400)  # the bound itself is no float
    assert not any(map(checker._step_sizes, (sp.S.Zero, sp.Integer(-1), sp.log(2) - 1, sp.oo, sp.zoo, sp.nan)))


def test_curvature_is_bounded_under_laws_alone() -> None:
    """The recurrence whose small steps are proved safe, with cells that are no law: negative shares, or a sum of 2."""
    recurrence = reduce_system(RARE(K=4, N=2, p1="1/2"))
    assert falls_up_to(recurrence, sp.Integer(6)) is not None
    for shares in ((2, -1), (1, 1)):
        assert falls_up_to(with_shares(recurrence, shares), sp.Integer(1)) is None


def with_shares(recurrence, shares):
    """The recurrence with other shares of its cells, further ones having none."""
    laws = {node.law for node in recurrence.loss.atoms(Expectation)}
    others = {
        law: Multinomial(law.trials, [(n, s) for (n, _), s in zip_longest(law.cells, shares, fillvalue=0)])
        for law in laws
    }

    def changed(expression):
        return expression.replace(lambda e: isinstance(e, Expectation), lambda e: Expectation(e.body, others[e.law]))

    return replace(recurrence, loss=changed(recurrence.loss), updates=tuple(map(changed, recurrence.updates)))


def test_many_coordinates_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 9^n states at most the limit is tried, the same ones each time, and the evidence says so."""
    monkeypatch.setattr(checker, "MOST_STATES", 500)
    for width, count in ((2, 81), (3, 500), (12, 500)):
        states = list(checker._states(width))
        assert len(states) == count and states == list(checker._states(width))
        assert all(len(state) == width and set(state) <= set(checker.SCORES) for state in states)
    scores = sp.symbols("u v w", real=True)
    flat = sum(sp.exp(s) / (1 + sp.exp(s)) ** 2 for s in scores)
    verdict, _, details = decided(descends(toy(flat, *scores), up_to=1))
    assert verdict is Verdict.SUPPORTED and details["states"] == "a sample of 500 out of 9^3"


def toy(loss: sp.Expr, *scores: sp.Symbol, start: sp.Expr = sp.S.Zero) -> System:
    return System(
        id="toy", title="t", loss=loss, objective=loss, coordinates=tuple(Coordinate(s, start=start) for s in scores)
    )


@pytest.mark.parametrize("bound", ["-1", "-log(2)", "-1/100"])
def test_a_larger_region_is_not_proved(bound: str) -> None:
    """A >= B + c with c < 0: false for c < -log 2 at K = 3, unproved between; never proved here."""
    assert decided(descends(RARE(N="inf"), where=f"A >= B + {bound}"))[0] is not Verdict.PROVED


def mutated() -> list:
    rare, balanced = reduce_system(RARE(N="inf")), reduce_system(BALANCED())
    found = []
    for recurrence in (rare, balanced):
        found.append(replace(recurrence, updates=tuple(-u for u in recurrence.updates)))
        found.append(replace(recurrence, loss=-recurrence.loss))
    y = rare.coordinates
    found.append(replace(rare, updates=tuple(reversed(rare.updates))))
    found.append(replace(rare, updates=(rare.updates[0] + sp.exp(y[0]), rare.updates[1])))
    return found


@pytest.mark.parametrize("recurrence", mutated())
def test_a_recurrence_that_does_not_descend_is_not_proved(recurrence) -> None:
    """Steps uphill, a loss upside down, updates that belong to other coordinates or lead up: no certificate."""
    region = HalfSpace(recurrence.coordinates[-1], sp.S.Zero, 1)
    assert falls_at_every_step_size(recurrence) is None
    assert falls_at_every_step_size(recurrence, region) is None
    assert falls_up_to(recurrence, sp.S.One) is None


def test_longer_updates_need_a_lower_bound() -> None:
    """With updates a times as long the bound is a times lower; the one for the original ones is not proved."""
    factor, recurrence = 3, reduce_system(RARE(N="inf"))
    (size, share) = (p.symbol for p in RARE(N="inf").parameters)
    longer = replace(recurrence, updates=tuple(factor * u for u in recurrence.updates))
    bound = 2 * (size - 1) / (1 - share)
    assert falls_up_to(longer, bound / factor) is not None
    assert falls_up_to(longer, bound) is None


def test_one_state() -> None:
    """Certified where the loss falls, refuted where it rises; a state off the conserved quantity is not decided."""
    rare = RARE(K=3, N="inf", p1="1/2")
    high = {"A": "-37/15", "B1": "127/30", "B": "-53/30"}
    assert decided(descends(rare, eta=10**8, at=high))[0] is Verdict.REFUTED
    assert decided(descends(rare, eta=1, at=high))[0] is Verdict.CERTIFIED
    verdict, summary, _ = decided(descends(rare, eta=1, at={"A": 1, "B1": 0, "B": 0}))
    assert verdict is Verdict.UNDECIDED and "all along training" in summary


def test_the_threshold_at_three_features() -> None:
    """K = 3: at A - B = -69/100, above -log 2, the steps that fail at -7/10 do not raise the loss."""
    rare = RARE(K=3, N="inf", p1="1/2")
    for lead in (6, 9):
        b = -sp.Rational(lead) / 3 + sp.Rational(23, 100)
        at = {"A": b - sp.Rational(69, 100), "B1": b + lead, "B": b}
        assert decided(descends(rare, eta=10**8, at=at))[0] is Verdict.CERTIFIED


def test_equal_losses_are_no_rise() -> None:
    """Single tokens teach nothing, so no step changes the loss; u^2/2 steps from 3 to -3 at eta = 2: all exact."""
    rare = RARE(K=4, N=1, p1="1/2")
    assert decided(descends(rare, eta=100, steps=5))[0] is Verdict.PROVED
    assert decided(descends(rare, eta=100, at={"A": 1, "B1": -2, "B": "1/2"}))[0] is Verdict.PROVED
    assert decided(descends(rare))[0] is Verdict.PROVED
    u = sp.Symbol("u", real=True)
    assert decided(descends(toy(u**2 / 2, u), eta=2, at={"u": 3}))[0] is Verdict.PROVED
    assert decided(descends(toy(u**2 / 2, u), eta=1, steps=3))[0] is Verdict.PROVED  # starts at rest
    assert decided(descends(toy(u**2 / 2, u), eta="2.1", at={"u": 3}))[0] is Verdict.REFUTED
    assert decided(descends(RARE(K=4, N=2, p1="1/2"), eta=1, steps=3))[0] is Verdict.CERTIFIED


def test_the_longest_numbers_are_shown_rounded() -> None:
    """Python refuses to print an integer of more than 4300 digits."""
    tiny = 1 / sp.Integer(10) ** 13000
    at = {"A": 1, "B1": -3, "B": 1}
    verdict, _, details = decided(descends(RARE(K=4, N=1, p1="1/2"), eta=tiny, at=at))
    assert verdict is Verdict.PROVED and details["step size"] == "about 1.00000000000e-13000"
    with pytest.raises(InputError, match="about -1"):
        descends(RARE(K=4, N=1, p1="1/2"), eta=-1 / tiny, steps=1)


def rises(K: int, N: int, eta: float, steps: int) -> int | None:
    """The first step that raises the loss at p1 = 1/2, in float64, by enumerating prompts and by finite differences."""
    p1, others = 0.5, K - 2
    pk = (1 - p1) / (K - 1)
    counts = np.array([(i, j, N - i - j) for i in range(N + 1) for j in range(N + 1 - i)], dtype=float)
    logs = np.array([sum(np.log(np.arange(1, int(n) + 1)).sum() for n in row) for row in counts])
    weight = np.exp(np.log(np.arange(1, N + 1)).sum() - logs + counts @ np.log([pk, p1, others * pk]))

    def loss(y: np.ndarray) -> float:
        own, first, rest = (counts * np.exp([y[1], y[0], 0.0])).T
        z = own + first + rest
        squares = (own / z - 1) ** 2 + (first / z) ** 2 + (rest + rest * (rest - 1) / others) / z**2
        return float(weight @ squares / 2)

    y, h = np.zeros(2), 1e-5
    before = loss(y)
    for step in range(1, steps + 1):
        slope = np.array([(loss(y + h * e) - loss(y - h * e)) / (2 * h) for e in np.eye(2)])
        y = y - eta * pk * (slope + slope.sum() / others)
        after = loss(y)
        if after > before * (1 + 1e-11):
            return step
        before = after
    return None


@pytest.mark.parametrize(("K", "N", "eta", "step"), [(8, 6, 820, 10), (4, 2, 211, 7), (4, 2, 768, 1), (3, 4, 231, 6)])
def test_above_the_bound_the_first_rise_is_where_brute_force_has_it(K: int, N: int, eta: int, step: int) -> None:
    """Refuted at the step that finite differences of a hand-written loss find too."""
    verdict, summary, details = decided(descends(RARE(K=K, N=N, p1="1/2"), eta=eta, steps=40))
    assert verdict is Verdict.REFUTED and f"step {step} " in summary and details["step"] == str(step)
    assert rises(K, N, eta, 40) == step


@pytest.mark.parametrize("eta", [1, 100, 700])
def test_below_the_bound_no_step_rises(eta: int) -> None:
    """Certified from zero for 40 steps, as brute force has it."""
    assert decided(descends(RARE(K=8, N=6, p1="1/2"), eta=eta, steps=40))[0] is Verdict.CERTIFIED
    assert rises(8, 6, eta, 40) is None


@pytest.mark.parametrize(
    ("K", "p1", "eta"),
    [(3, "1/2", 1), (16, "1/10", 10), (64, "9/10", 100), (3, "1/2", 10**4), (64, "1/2", 10**6), (16, "1/10", 10**8)],
)
def test_infinite_prompts_at_points(K: int, p1: str, eta: int) -> None:
    """What the theorem says of all step sizes, step by step in balls."""
    assert decided(descends(RARE(K=K, N="inf", p1=p1), eta=eta, steps=15))[0] is Verdict.CERTIFIED


def test_falls_far_below_the_first_precision_are_decided() -> None:
    """A loss that tends to its least value like 16^-2t: the run starts again with more digits, and skips no step."""
    space: dict = {"__name__": "example"}
    exec(compile((ROOT / "examples" / "linear_attention.py").read_text(encoding="utf-8"), "example", "exec"), space)
    layer = space["linear_attention"](K=4, N=6)
    verdict, _, details = decided(descends(layer, eta=40, steps=60))
    assert verdict is Verdict.CERTIFIED and "e-1" in details["least fall"]
    assert decided(descends(layer, eta=86, steps=5))[0] is Verdict.REFUTED  # the bound is 85.3
    assert decided(descends(layer, eta=85, steps=5))[0] is Verdict.CERTIFIED


def test_the_bound_of_a_rest() -> None:
    """Certified inside, refuted outside, undecided where an end of the interval lies in the ball."""
    at = RARE(K=4, N=2, p1="1/2")
    assert decided(stable_up_to(at, 191, 193))[0] is Verdict.CERTIFIED
    assert decided(stable_up_to(at, 193, 1000))[0] is Verdict.REFUTED
    assert decided(stable_up_to(at, 0, "191.9"))[0] is Verdict.REFUTED
    assert decided(stable_up_to(at, 192, 193))[0] is Verdict.UNDECIDED
    assert decided(stable_up_to(BALANCED(K=4, N=2), 0, 1))[0] is Verdict.UNDECIDED


X = sp.exp(sp.Symbol("u", real=True))
TWO_MINIMA = (X - sp.Rational(1, 2)) ** 2 * (X - 4) ** 2 / (1 + X**4)


@pytest.mark.parametrize(("start", "bound"), [("-3", "17/49"), ("0", "17/49"), ("1/5", "257/196"), ("6", "257/196")])
def test_of_two_minimisers_the_one_where_flow_ends_is_meant(start: str, bound: str) -> None:
    """At x = 1/2 and 4, with a maximum at x = e^0.165 between; the bounds by hand: 2/((log x)-second derivative)."""
    u = sp.Symbol("u", real=True)
    system = toy(TWO_MINIMA, u, start=sp.Rational(start))
    value, margin = sp.Rational(bound), sp.Rational(1, 10**9)
    other = sp.Rational(257, 196) + sp.Rational(17, 49) - value
    assert decided(stable_up_to(system, value - margin, value + margin))[0] is Verdict.CERTIFIED
    assert decided(stable_up_to(system, other - margin, other + margin))[0] is Verdict.REFUTED


def test_a_point_at_which_flow_may_not_end_decides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two coordinates, or where the search jumps to the other minimiser: inside is supported, outside undecided."""
    u, v = sp.symbols("u v", real=True)
    cases = [(toy((u - 1) ** 2 / 2 + v**2 / 4, u, v), (1.0, 0.0), 2), (toy(TWO_MINIMA, u), (1.386,), 1)]
    for system, point, bound in cases:
        monkeypatch.setattr(stability_module, "_proposed", lambda face, point=point: point)
        assert decided(stable_up_to(system, bound - 1, bound + 1))[0] is Verdict.SUPPORTED
        assert decided(stable_up_to(system, bound + 1, bound + 2))[0] is Verdict.UNDECIDED


@pytest.mark.parametrize(
    "given_wrong",
    [
        lambda: descends(RARE(), eta=1, steps=3),
        lambda: descends(RARE(K=3, N=2, p1="1/2"), eta=1),
        lambda: descends(RARE(K=3, N=2, p1="1/2"), eta=0, steps=3),
        lambda: descends(RARE(K=3, N=2, p1="1/2"), eta=0.5, steps=3),
        lambda: descends(RARE(K=3, N=2, p1="1/2"), eta=1, steps=0),
        lambda: descends(RARE(K=3, N=2, p1="1/2"), eta=1, steps=True),
        lambda: descends(RARE(K=3, N=2, p1="1/2"), steps=3),
        lambda: descends(RARE(K=3, N=2, p1="1/2"), eta=1, at={"A": 0}),
        lambda: descends(RARE(K=3, N=2, p1="1/2"), eta=1, at={"A": "inf", "B1": 0, "B": 0}),
        lambda: descends(RARE(), where="A >= B", up_to="K"),
        lambda: descends(RARE(), where="A >= B", eta=1, steps=2),
        lambda: descends(RARE(), up_to="K*A"),
        lambda: descends(RARE(), up_to=0.5),
        lambda: descends(RARE(), up_to=-1),
        lambda: descends(RARE(), up_to="0"),
        lambda: descends(RARE(), up_to="sqrt(2) - 2"),
        lambda: descends(RARE(), up_to=sp.oo),
        lambda: descends(RARE(), up_to=1 / sp.Integer(10) ** 13000),
        lambda: descends(RARE(), where="A"),
        lambda: stable_up_to(RARE(), 2, 1),
        lambda: stable_up_to(RARE(), 1, "inf"),
    ],
)
def test_what_is_no_statement_is_refused(given_wrong) -> None:
    """Missing or contradictory parts, floats, unknown names."""
    with pytest.raises(InputError):
        given_wrong()


@pytest.mark.parametrize("text", ["A >= B1 + B", "A + B1 >= B", "exp(A) >= 1", "A >= A", "A*B >= 0"])
def test_a_region_is_a_bound_on_one_coordinate(text: str) -> None:
    """Others end undecided with the reason."""
    recurrence = reduce_system(RARE(N="inf"))
    names = {str(s): s for s in recurrence.states}
    with pytest.raises(InputError, match="no bound on one coordinate"):
        half_space(recurrence, parse_condition(text, names))


def test_the_claims_of_the_paper_have_reasons() -> None:
    """Each claim of the file is a claim with an expected verdict; the slower checks are those of `symicl check`."""
    space = __import__("proofs.huang2024.step_size", fromlist=["step_size"])
    claims = {name: value for name, value in vars(space).items() if isinstance(value, Claim)}
    assert {"rare_infinite", "rare_small_steps", "bound_K8_N6"} <= set(claims)
    assert {each.expected for each in claims.values()} == {Verdict.PROVED, Verdict.CERTIFIED, Verdict.REFUTED}
