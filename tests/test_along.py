"""What is read off two paths is what steps show, and what only leaps have seen is never certified nor refuted.

Properties: the first step that meets a condition and the worst place of one are those of the stepped run; the state
that moves fastest is overtaken where balls say so; statements about runs of several coordinates are certified within
the reach of steps, supported beyond it, and left undecided where the numbers speak against them.
"""

from __future__ import annotations

from itertools import pairwise

import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from proofs.huang2024.systems import balanced, dominant, underrepresented
from symicl import LOSS, InputError, Verdict, always, check, claim, first_step, reduce_system, sooner
from symicl.along import along, node_steps, two_paths
from symicl.claims.checkers.far import always_leans, first_step_leans
from symicl.claims.statements import Always
from symicl.errors import DerivationError
from symicl.grammar import Condition, parse_condition
from symicl.iterate import Row, Run, iterate
from symicl.leads import lead_changes, leader

ONE = sp.Integer(1)
FEATURES = 64
RARE = underrepresented(K=FEATURES, N="inf", p1="1/2")
NEAR = underrepresented(K=10**4, N="inf", p1="1/2")
FAR = underrepresented(K=10**5, N="inf", p1="1/2")
TIMEOUT = 60.0


def condition(text: str) -> Condition:
    names = {str(symbol): symbol for symbol in reduce_system(RARE).states} | {"loss": LOSS}
    return parse_condition(text, names)


END = condition("loss<=1/100")


@pytest.fixture(scope="module")
def stepped() -> list[Row]:
    rows: list[Row] = []
    iterate(reduce_system(RARE), Run(ONE, until=END), "float64", on_row=rows.append)
    return rows


@given(share=st.integers(5, 250))
def test_a_condition_is_met_where_steps_meet_it(stepped: list[Row], share: int) -> None:
    """B1 only falls on this run; float64 is good to 1e-12 here, and levels are hundredths."""
    level = sp.Rational(-share, 100)
    wanted = next(row.step for row in stepped if row.states[1] <= float(level))
    for path in along(RARE, ONE, END, 16, TIMEOUT):
        assert path.first(condition(f"B1<={level}")) == wanted
        assert path.first(condition(f"B1<={level}"), not_before=wanted + 7) == wanted + 7


@given(start=st.integers(0, 15_000))
def test_the_worst_place_is_that_of_the_steps(stepped: list[Row], start: int) -> None:
    """B rises and falls, so that its largest value lies inside the range or at an end of it."""
    wanted = max(row.states[2] for row in stepped[start:])
    for path in along(RARE, ONE, END, 16, TIMEOUT):
        place = path.worst(condition("B<=1"), start, path.path.end)
        assert float(place.value) == pytest.approx(1 - wanted, abs=1e-12)
        assert start <= place.step <= path.path.end


def test_places_are_steps_of_the_run() -> None:
    """In order, both ends included, also of a run that does not move."""
    path, _ = two_paths(reduce_system(RARE), Run(ONE, until=END, dps=16), 16)
    steps = node_steps(path, 8)
    assert steps == sorted(set(steps)) and (steps[0], steps[-1]) == (0, path.end)
    still, _ = two_paths(reduce_system(RARE), Run(ONE, steps=0, dps=16), 16)
    assert node_steps(still) == [0]


# Who leads.


@pytest.mark.parametrize("share", ["1/4", "1/2", "9/10"])
def test_the_lead_changes_where_steps_say_so(share: str) -> None:
    """The first step at which the increment of A is at least that of -B1 in size, read off stepped balls."""
    system = underrepresented(K=20, N="inf", p1=share)
    rows: list[Row] = []
    iterate(reduce_system(system), Run(ONE, until=END), "float64", on_row=rows.append)
    moves = [[abs(b - a) for a, b in zip(x.states, y.states, strict=True)] for x, y in pairwise(rows)]
    assert leader(system) == "B1"
    wanted = next(n for n, (a, b1, b) in enumerate(moves) if max(a, b) >= b1)
    assert iterate(reduce_system(system), Run(ONE, until=lead_changes(system), dps=20)).step == wanted
    assert [path.first(lead_changes(system)) for path in along(system, ONE, END, 16, TIMEOUT)] == [wanted, wanted]


def test_ties_and_means_have_no_leader() -> None:
    """Balanced K = 2 has a tie by symmetry, K = 16 with p1 = 1/4 by numbers; means over prompts are no quotients."""
    with pytest.raises(DerivationError, match="A and B move equally fast"):
        leader(balanced(K=2, N="inf"))
    with pytest.raises(DerivationError, match="A and B1 move equally fast"):
        leader(underrepresented(K=16, N="inf", p1="1/4"))
    with pytest.raises(DerivationError, match="closed form"):
        leader(underrepresented(K=4, N=3, p1="1/2"))
    with pytest.raises(DerivationError, match="exact number"):
        leader(underrepresented(N="inf", p1="1/2"))
    with pytest.raises(InputError, match="no start"):
        Always(RARE, END, ONE, 5, 0, "some day")


# Statements.


@pytest.mark.parametrize(
    ("statement", "verdict"),
    [
        (first_step(FAR, "loss <= 1/100", "<=", 3 * 10**10), Verdict.SUPPORTED),
        (first_step(FAR, "loss <= 1/100", ">=", 2 * 10**10), Verdict.SUPPORTED),
        (first_step(FAR, "loss <= 1/100", ">=", 3 * 10**10), Verdict.UNDECIDED),
        (first_step(FAR, "loss <= 1/100", "<=", 2 * 10**10), Verdict.UNDECIDED),
        (first_step(FAR, "loss <= 1/100", "<=", 10**5), Verdict.REFUTED),
        (first_step(FAR, "loss <= 1/100", ">=", 10**5), Verdict.CERTIFIED),
        (always(FAR, "B1 >= -7", to="loss <= 1/100"), Verdict.SUPPORTED),
        (always(FAR, "B1 >= -6", to="loss <= 1/100"), Verdict.UNDECIDED),
        (always(FAR, "B1 >= -5", to=10**9), Verdict.SUPPORTED),
        (always(FAR, "B1 >= -5", to=10**10), Verdict.UNDECIDED),
        # Broken within the reach of steps, and the range goes on beyond it: a certain witness.
        (always(FAR, "A <= 1/10**6", to="loss <= 1/100"), Verdict.REFUTED),
        (always(RARE, "B1 >= -2.7", since="lead changes", to="loss <= 1/100"), Verdict.CERTIFIED),
        (always(RARE, "B1 >= -2.6", since="lead changes", to="loss <= 1/100"), Verdict.REFUTED),
        (sooner(dominant(K=10**5, N="inf", p1="1/2"), FAR, "loss <= 1/20"), Verdict.CERTIFIED),
        (sooner(NEAR, FAR, "loss <= 1/20"), Verdict.SUPPORTED),
        (sooner(FAR, NEAR, "loss <= 1/20"), Verdict.UNDECIDED),
    ],
)
def test_leaps_support_and_never_decide(statement: object, verdict: Verdict) -> None:
    """T = 2.0106e10 by the series of rare_time; B1 is -log(n/K)/2 at first and falls to -(log K + log 2)/2 = -6.1."""
    found = check(claim(statement))
    assert found.verdict is verdict, found.outcome.evidence


@pytest.mark.slow
def test_the_exact_step_is_supported_at_best() -> None:
    """Both orders of the flow name the same step, and a wrong last digit is not supported."""
    step = 20105608128
    assert first_step_leans(FAR, condition("loss<=1/100"), ONE, "==", step).holds is True
    assert first_step_leans(FAR, condition("loss<=1/100"), ONE, "==", step + 1).holds is False
    assert check(claim(first_step(FAR, "loss <= 1/100", "==", step))).verdict is Verdict.SUPPORTED
    assert check(claim(first_step(FAR, "loss <= 1/100", "==", step + 1))).verdict is Verdict.UNDECIDED


def test_close_comparisons_say_nothing() -> None:
    """A margin that is exactly 0 somewhere is no margin, and an empty range holds nothing."""
    leaning, broken = always_leans(FAR, condition("A>=0"), ONE, 0, condition("loss<=1/100"))
    assert (leaning.holds, broken) == (None, None)
    empty, _ = always_leans(FAR, condition("A>=0"), ONE, condition("A>=1000"), condition("loss<=1/100"))
    assert empty.holds is None and "empty" in empty.summary
    assert leaning.outcome().verdict is Verdict.UNDECIDED
