"""Times and phases at several sizes: certified by steps, supported by leaps, never more than the runs show.

Properties: bounds that every stepped run keeps are certified and one that a stepped run breaks is refuted; leaps turn
the first into supported and the second into undecided; phases are supported where they are as claimed at every size,
and a claim with anything wrong in it (a number, a term, a leader, a constant, an exponent) is not.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from proofs.huang2024 import phases as phase_claims
from proofs.huang2024 import rare_time
from proofs.huang2024.systems import balanced, underrepresented
from symicl import InputError, Verdict, check, claim, load_claims, phases_at, steps_between
from symicl.claims.base import Outcome
from symicl.claims.check import kind_of, system_of

RARE = {"to": "loss <= 1/100", "p1": "1/2", "N": "inf"}


def times(low: str | None, high: str | None, *sizes: int) -> Outcome:
    return check(claim(steps_between(underrepresented, low, high, at=sizes, **RARE))).outcome


# Stepped: 15865 steps for 64 features, 50319 for 128. By leaps, and the series: 204259524 for 10^4.
@pytest.mark.parametrize(
    ("low", "high", "sizes", "verdict"),
    [
        ("3*K**2", "4*K**2", (64, 128), Verdict.CERTIFIED),
        ("2*K**2/(2*(1-p1))*eta", None, (64,), Verdict.CERTIFIED),
        ("15865*K/64", "15865*K/64", (64,), Verdict.CERTIFIED),
        (None, "15864*K/64", (64,), Verdict.REFUTED),
        ("15866*K/64", None, (64,), Verdict.REFUTED),
        ("7/2*K**2", "4*K**2", (64, 128), Verdict.REFUTED),
        ("2*K**2", "4*K**2", (64, 10**4), Verdict.SUPPORTED),
        ("2*K**2", "K**2*(2+1/100)", (10**4,), Verdict.UNDECIDED),
        ("K**2*(2+1/10)", None, (10**4,), Verdict.UNDECIDED),
        # Certainly broken at one size, whatever leaps say of the other.
        ("7/2*K**2", None, (128, 10**4), Verdict.REFUTED),
    ],
)
def test_times_are_what_runs_take(low: str | None, high: str | None, sizes: tuple[int, ...], verdict: Verdict) -> None:
    """The bounds are rounded inwards to whole steps, so the exact count is the boundary."""
    found = times(low, high, *sizes)
    assert found.verdict is verdict, found.evidence
    assert len(found.evidence.details) == len(sizes)


def test_the_evidence_says_how_loose_a_bound_is() -> None:
    """Ratios to both bounds: 15865 / (3 * 4096) and / (4 * 4096)."""
    text = dict(times("3*K**2", "4*K**2", 64).evidence.details)["K = 64"]
    assert f"{15865 / 12288:.6g} of low" in text and f"{15865 / 16384:.6g} of high" in text


def test_one_coordinate_is_certified_at_any_size() -> None:
    """Balanced features: K^2 + 177.04 K steps at K = 10^20 (a certified leap)."""
    statement = steps_between(balanced, "K**2 + 177*K", "K**2 + 178*K", at=(10**20,), to="loss <= 1/100", N="inf")
    assert check(claim(statement)).verdict is Verdict.CERTIFIED
    statement = steps_between(balanced, "K**2 + 178*K", None, at=(10**20,), to="loss <= 1/100", N="inf")
    assert check(claim(statement)).verdict is Verdict.REFUTED


@pytest.mark.slow
def test_targets_out_of_reach_leave_it_undecided() -> None:
    """Nothing meets the target, and that is said."""
    statement = steps_between(underrepresented, "K", None, at=(16,), to="loss <= -1", p1="1/2", N="inf")
    found = check(claim(statement))
    assert found.verdict is Verdict.UNDECIDED


# Phases.

SIZES = (10**3, 10**5)


def found(count: int = 5, **parts: object) -> Outcome:
    return check(claim(phases_at(underrepresented, count, at=SIZES, **RARE, **parts))).outcome  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "parts",
    [
        {"leads": ("B1", "A")},
        {"dominant": {2: {"A": "eta*(1-p1)*exp(A-B)/(K-2)**2"}}},
        {"ends": {3: ("K**2/(1-p1)", "9/10", "11/10")}},
        {"lengths": {1: ("K", 14, 15), 4: ("K**(3/2)", 2, 4)}},
        {"exponents": {1: ("99/100", "101/100"), 3: ("199/100", "201/100")}},
    ],
)
def test_phases_are_supported(parts: dict[str, object]) -> None:
    """A's lead, terms and times by dominant balance: 14.2 K, K^2/(1-p1) and 2 sqrt(2) K^1.5 steps."""
    outcome = found(**parts)
    assert outcome.verdict is Verdict.SUPPORTED, outcome.evidence
    assert "looked at" in outcome.evidence.summary


@pytest.mark.parametrize(
    "parts",
    [
        {"count": 4},
        {"count": 6},
        {"leads": ("A", "B1")},
        {"leads": ("B1", "A", "B")},
        {"dominant": {2: {"A": "2*eta*(1-p1)*exp(A-B)/(K-2)**2"}}},
        {"dominant": {2: {"A": "eta*(1-p1)*exp(A-B)/(K-1)**2"}}},
        {"dominant": {3: {"A": "2*eta*p1*exp(A-2*B+B1)/(K-2)**2"}}},
        {"ends": {3: ("K**2", "9/10", "11/10")}},
        {"ends": {2: ("K**2/(1-p1)", "9/10", "11/10")}},
        {"lengths": {4: ("K", 1, 10)}},
        {"exponents": {1: ("19/10", "21/10")}},
        {"exponents": {3: ("1", "19/10")}},
    ],
)
def test_phases_that_are_not_there_are_not_supported(parts: dict[str, object]) -> None:
    """And not refuted either: leaps certify nothing."""
    outcome = found(**parts)  # type: ignore[arg-type]
    assert outcome.verdict is Verdict.UNDECIDED
    assert "the numbers speak against it" in outcome.evidence.summary


def test_a_bound_needs_room() -> None:
    """A constant read off the run itself is no bound that the run keeps with room to spare."""
    details = dict(found().evidence.details)
    assert set(details) == {"K = 1000", "K = 100000"} and "14117" in details["K = 1000"]
    exact = Fraction(14117, 1000)
    assert found(ends={1: ("K", str(exact), 100)}).verdict is Verdict.UNDECIDED
    assert found(ends={1: ("K", str(exact - Fraction(1, 1000)), 100)}).verdict is Verdict.SUPPORTED


def test_a_bound_too_large_to_write_down() -> None:
    """It ends neither the process nor the other claims."""
    statement = steps_between(balanced, None, "exp(exp(K))", at=[32], to="loss <= 1/100", N="inf")
    found = check(claim(statement))
    assert found.verdict is Verdict.UNDECIDED
    assert "too large" in found.outcome.evidence.summary


def test_a_run_that_ends_at_once_has_no_exponent() -> None:
    """A phase that ends at step 0 does not grow."""
    statement = phases_at(underrepresented, 1, at=(16, 32), to="loss <= 10", N="inf", p1="1/2", exponents={1: (0, 1)})
    found = check(claim(statement))
    assert found.verdict is Verdict.UNDECIDED
    assert "internal" not in found.outcome.evidence.method


def test_a_parameter_that_varies_has_no_value() -> None:
    """And a step is longer than nothing."""
    with pytest.raises(InputError, match="K varies"):
        steps_between(balanced, "K", "2*K", at=[32], to="loss <= 1/100", N="inf", K=5)
    for eta in (0, -1):
        with pytest.raises(InputError, match="step size"):
            steps_between(balanced, "K", "2*K", at=[32], to="loss <= 1/100", N="inf", eta=eta)


def test_bad_statements_are_refused() -> None:
    """Each with what was wrong."""
    with pytest.raises(InputError, match="no bound"):
        steps_between(underrepresented, None, None, at=(64,), **RARE)
    for sizes in ((), (64, 64), (128, 64)):
        with pytest.raises(InputError, match="sizes"):
            steps_between(underrepresented, "K", None, at=sizes, **RARE)
    with pytest.raises(InputError, match="unknown name"):
        steps_between(underrepresented, "Q**2", None, at=(64,), **RARE)
    with pytest.raises(InputError, match="spoken of"):
        phases_at(underrepresented, 3, at=SIZES, ends={4: ("K", 1, 2)}, **RARE)
    with pytest.raises(InputError, match="two sizes"):
        phases_at(underrepresented, 3, at=(64,), exponents={1: (1, 2)}, **RARE)
    with pytest.raises(InputError, match="no state"):
        phases_at(underrepresented, 3, at=SIZES, leads=("C",), **RARE)
    with pytest.raises(InputError, match="order"):
        phases_at(underrepresented, 3, at=SIZES, ends={1: ("K", 2, 1)}, **RARE)


def test_the_statements_are_ones_of_a_system() -> None:
    """As every claim is."""
    for statement, kind in (
        (steps_between(underrepresented, "K", None, at=(64,), **RARE), "times at sizes"),
        (phases_at(underrepresented, 5, at=SIZES, **RARE), "phases"),
    ):
        assert kind_of(claim(statement)) == kind
        assert system_of(statement).id == "huang2024.underrepresented"


# The paper.


@pytest.mark.slow
@pytest.mark.parametrize("module", [phase_claims, rare_time])
def test_the_claims_of_the_paper_are_as_expected(module: object) -> None:
    """Verdicts of the files, here under pytest."""
    for item in load_claims(Path(str(module.__file__))):  # type: ignore[attr-defined]
        assert check(item).as_expected, item.id


@pytest.mark.slow
@pytest.mark.parametrize("share", ["1/4", "1/2", "3/4"])
def test_the_series_of_the_time_holds_over_the_decades(share: str) -> None:
    """Constants included: the remainder is of order sqrt(K) log(K) from K = 10^5 to 10^20, at 40 digits of the time."""
    low, high = (f"{rare_time.series()} {sign} {rare_time.REMAINDER}" for sign in "-+")
    sizes = (10**5, 10**7, 10**9, 10**12, 10**15, 10**20)
    outcome = check(claim(rare_time.takes(low, high, at=sizes, share=share))).outcome
    assert outcome.verdict is Verdict.SUPPORTED, outcome.evidence
    # Without the remainder the bounds are too narrow, and with 4 log K replaced by 7/2 log K the place is wrong.
    tight = [f"{rare_time.series()} {sign} {rare_time.REMAINDER}/100" for sign in "-+"]
    assert check(claim(rare_time.takes(*tight, at=(10**9,), share=share))).verdict is Verdict.UNDECIDED
    wrong = [side.replace("4*log(K)", "7/2*log(K)") for side in (low, high)]
    assert check(claim(rare_time.takes(*wrong, at=(10**9,), share=share))).verdict is Verdict.UNDECIDED


@pytest.mark.slow
@pytest.mark.parametrize(("loss", "step"), [("1/10", 1), ("1/1000", 1), ("1/100", "1/10"), ("1/100", 100)])
def test_the_series_of_the_time_holds_at_other_losses_and_steps(loss: str, step: object) -> None:
    """The loss enters by the last phase alone, the step size as a factor; coarse steps of 100 included."""
    low, high = (f"{rare_time.series(loss)} {sign} {rare_time.REMAINDER}" for sign in "-+")
    outcome = check(claim(rare_time.takes(low, high, at=(10**6, 10**9), loss=loss, step=step))).outcome
    assert outcome.verdict is Verdict.SUPPORTED, outcome.evidence


@pytest.mark.slow
def test_the_quadratic_law_holds_to_ten_to_the_forty() -> None:
    """Theta with constants 1 and 2, and sqrt(2) K^1.5 with K log K behind it."""
    quadratic = rare_time.takes("K**2/(1-p1)", "2*K**2/(1-p1)", at=(100, 10**3, 10**5, 10**10, 10**15, 10**40))
    assert check(claim(quadratic)).verdict is Verdict.SUPPORTED
    second = "(K**2 + sqrt(2)*K**(3/2))/(1-p1)"
    rest = rare_time.takes(second, f"{second} + 10*K*log(K)/(1-p1)", at=(10**3, 10**5, 10**10, 10**15))
    assert check(claim(rest)).verdict is Verdict.SUPPORTED


@pytest.mark.slow
def test_the_phases_are_the_same_over_the_decades() -> None:
    """K = 10^3 .. 10^20, found anew at each: five phases at p1 = 1/2."""
    statement = phases_at(
        underrepresented, 5, at=(10**3, 10**4, 10**6, 10**8, 10**10, 10**15, 10**20), leads=("B1", "A"), **RARE
    )
    assert check(claim(statement)).verdict is Verdict.SUPPORTED


@pytest.mark.slow
@pytest.mark.parametrize(("share", "count"), [("1/4", 4), ("1/2", 5), ("3/4", 6)])
def test_the_lead_changes_at_a_third_of_the_time(share: str, count: int) -> None:
    """K^2/(3 (1-p1)) steps, by the balance of w^2 = 1/(2s) and x = 1/(K-s); K^2/(1-p1) in all; off by O(K^-1/2).

    Before that B1 falls by log(2r), r = p1/(1-p1), which terms tell apart as one phase more from 2r > 1, two at r = 3.
    """
    setting = RARE | {"p1": share}
    turn = count - 3
    ends = {turn: ("K**2/(3*(1-p1))", "999/1000", "1001/1000"), turn + 1: ("K**2/(1-p1)", "999/1000", "1001/1000")}
    statement = phases_at(underrepresented, count, at=(10**8, 10**12), leads=("B1", "A"), ends=ends, **setting)
    assert check(claim(statement)).verdict is Verdict.SUPPORTED
