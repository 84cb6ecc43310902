"""From which K on: brackets that are there are supported, brackets that are not there never are.

Properties: a bracket is supported where runs at its ends bear it out; certain runs refute it; numbers that speak
against it leave it undecided; and the search finds the bracket that dominant balance predicts.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import answer, refusal, run

from proofs.huang2024 import window_from
from proofs.huang2024.systems import balanced, underrepresented
from symicl import InputError, Verdict, check, claim, from_on, load_claims, threshold
from symicl.claims.base import Outcome
from symicl.claims.check import kind_of, system_of
from symicl.errors import BudgetError

TO = "loss <= 1/100"
RARE = {"to": TO, "p1": "1/2", "N": "inf"}
WORDS = ("phases", "huang2024.underrepresented", "--set", "N=inf", "--eta", "1", "--until", "loss<=1/100")


def judged(conditions: str, low: int, high: int, *beyond: int, since: str | None = "lead changes") -> Outcome:
    statement = from_on(underrepresented, conditions, low=low, high=high, beyond=beyond, since=since, **RARE)
    return check(claim(statement)).outcome


def test_a_bracket_is_supported_and_no_more() -> None:
    """B1/log K at its least is -0.728 at K = 16 and -0.636 at 64 (both stepped), and rises towards -1/2."""
    found = judged("B1 >= -0.65*log(K)", 16, 64, 10**5)
    assert found.verdict is Verdict.SUPPORTED
    assert "broken (certainly) at K = 16" in found.evidence.summary
    assert "nothing is proved of the values between and beyond" in found.evidence.summary
    texts = [text for name, text in found.evidence.details if name.startswith("at K")]
    assert [text.partition(":")[0] for text in texts] == ["refuted", "certified", "supported"]
    assert "found and not declared" in dict(found.evidence.details)["steps"]


@pytest.mark.parametrize(
    ("conditions", "low", "high", "beyond"),
    [
        ("B1 >= -0.6*log(K)", 16, 64, ()),  # broken at the upper end
        ("B1 >= -0.65*log(K)", 64, 80, ()),  # holds at the lower end
        ("B1 <= -0.3*log(K)", 16, 64, ()),  # holds at both
        ("A <= 6", 16, 32, (64, 128)),  # holds at the upper end, broken beyond it: A ends at 6.7 for K = 128
    ],
)
def test_certain_runs_refute(conditions: str, low: int, high: int, beyond: tuple[int, ...]) -> None:
    """Every one of these false brackets is within the reach of steps."""
    found = judged(conditions, low, high, *beyond)
    assert found.verdict is Verdict.REFUTED, found.evidence
    assert "certainly" in found.evidence.summary


@pytest.mark.parametrize(
    ("conditions", "low", "high"),
    [
        ("B1 >= -0.51*log(K)", 10**4, 10**5),  # broken at both ends
        ("B1 >= -0.6*log(K)", 10**4, 10**5),  # holds at both ends
        ("A <= log(K)", 10**4, 10**5),  # broken at both: A ends near log K + 1.8
    ],
)
def test_numbers_alone_neither_support_nor_refute_a_false_bracket(conditions: str, low: int, high: int) -> None:
    """Both ends are beyond the reach of steps."""
    found = judged(conditions, low, high)
    assert found.verdict is Verdict.UNDECIDED
    assert "the numbers speak against it" in found.evidence.summary


def test_runs_without_an_answer_leave_it_undecided() -> None:
    """Nothing meets the start of the range, so there is no step to look at."""
    found = judged("B1 >= -10", 16, 20, since="A >= 100")
    assert found.verdict is Verdict.UNDECIDED and "no answer" in found.evidence.summary


def test_the_search_ends_in_a_bracket_that_checks() -> None:
    """-0.728 at 16 and -0.636 at 64: the level -0.65 lies between; what is found is supported as a claim."""
    found = threshold(underrepresented, "B1 >= -0.65*log(K)", since="lead changes", most=100, within="1/2", **RARE)
    assert found.low is not None and found.high is not None
    assert 16 <= found.low < found.high <= 64 and found.high <= 1.5 * found.low
    assert [each.holds for each in found.looks] == [each.value >= found.high for each in found.looks]
    assert all(each.certain for each in found.looks)
    assert found.statement is not None and check(claim(found.statement)).verdict is Verdict.SUPPORTED


def test_what_always_or_never_holds_has_no_bracket() -> None:
    """The ends that were looked at are reported instead."""
    always = threshold(underrepresented, "B1 <= 1", most=64, **RARE)
    assert (always.low, always.high, always.statement) == (None, 16, None)
    never = threshold(underrepresented, "B1 >= 1", most=64, **RARE)
    assert (never.low, never.high, never.statement) == (64, None, None)


def test_one_coordinate_is_looked_at_too() -> None:
    """A ends near log K + 1.8, 5.9 at K = 64: above 5 there, and below it at K = 16."""
    found = check(
        claim(
            from_on(balanced, "A >= 5", low=16, high=64, beyond=(10**4, 10**20), since="loss <= 1/100", to=TO, N="inf")
        )
    )
    assert found.verdict is Verdict.SUPPORTED
    found = check(claim(from_on(balanced, "A <= 5", low=64, high=65, beyond=(), to=TO, N="inf")))
    assert found.verdict is Verdict.REFUTED


def test_bad_statements_are_refused() -> None:
    """Each with what was wrong."""
    for low, high, beyond in ((64, 64, ()), (64, 32, ()), (16, 32, (20,))):
        with pytest.raises(InputError, match="bracket"):
            from_on(underrepresented, "B1 >= -1", low=low, high=high, beyond=beyond, **RARE)
    with pytest.raises(InputError, match="positive integer"):
        from_on(underrepresented, "B1 >= -1", low=0, high=3, **RARE)
    with pytest.raises(InputError, match="no condition"):
        from_on(underrepresented, (), low=16, high=32, **RARE)
    with pytest.raises(InputError, match="unknown name"):
        from_on(underrepresented, "C >= 0", low=16, high=32, **RARE)
    with pytest.raises(InputError, match="within"):
        threshold(underrepresented, "B1 >= -1", within=0, **RARE)
    with pytest.raises(BudgetError, match="the time is up"):
        threshold(underrepresented, "B1 >= -1", timeout=0.0, **RARE)
    with pytest.raises(BudgetError, match="no answer"):
        threshold(underrepresented, "B1 >= -1", since="A >= 100", most=17, **RARE)


def test_the_statement_is_one_of_a_system() -> None:
    """As every claim is: its system has the parameter left open."""
    item = claim(from_on(underrepresented, "B1 >= -1", low=16, high=32, **RARE))
    assert kind_of(item) == "from which value on"
    assert [each.name for each in system_of(item.statement).parameters] == ["K"]


# The window of the paper.


@pytest.mark.slow
def test_the_published_window_holds_from_two_to_the_fifty_on() -> None:
    """The claims of the file, and the bracket found by search around 2^50 = 1.126e15."""
    for item in load_claims(Path(window_from.__file__)):
        assert check(item).as_expected, item.id
    found = threshold(
        underrepresented, window_from.LOWER, since="lead changes", least=10**15, most=2 * 10**15, within="1/20", **RARE
    )
    assert found.low is not None and found.high is not None
    assert found.low < 2**50 < found.high <= 1.05 * found.low


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sides", "share", "balance"),
    [
        (window_from.UPPER, "1/2", 1.5**50),
        (window_from.UPPER, "1/4", 13.5**50),
        (window_from.LOWER, "3/4", 18.0**50),
        (window_from.LOWER, "9/10", 162.0**50),
        (window_from.LOWER, "12/25", (2 * (12 / 13) ** 2) ** 50),
        (window_from.UPPER, "12/25", (1.5 * (13 / 12) ** 2) ** 50),
    ],
)
def test_how_the_window_depends_on_the_share(sides: str, share: str, balance: float) -> None:
    """Each side holds from (2 r^2)^50 or (3/(2 r^2))^50 on, r = p1/(1-p1): brackets of 1 % either way."""
    low, high = int(balance * 0.99), int(balance * 1.01)
    found = check(claim(window_from.holds_from(sides, low, high, beyond=(), share=share)))
    assert found.verdict is Verdict.SUPPORTED, found.outcome.evidence


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sides", "share", "first"),
    [(window_from.LOWER, "1/4", 256), (window_from.UPPER, "3/4", 16), (window_from.UPPER, "9/10", 16)],
)
def test_the_other_side_holds_at_any_size(sides: str, share: str, first: int) -> None:
    """(2/9)^50, (1/6)^50 and (1/54)^50 are below 1; K = 16 has a tie at the start for p1 = 1/4."""
    found = threshold(
        underrepresented, sides, since="lead changes", most=10**10, within="1/2", to=TO, p1=share, N="inf"
    )
    assert (found.low, found.high) == (None, first)


@pytest.mark.slow
def test_the_window_holds_in_the_decades_beyond() -> None:
    """At p1 = 1/2, looked at up to K = 10^40."""
    beyond = (10**17, 10**20, 10**25, 10**30, 10**35, 10**40)
    sides = (window_from.LOWER, window_from.UPPER)
    assert check(claim(window_from.holds_from(sides, 10**15, 2 * 10**15, beyond=beyond))).verdict is Verdict.SUPPORTED


# The command.


def test_the_command_finds_the_bracket() -> None:
    """JSON of a fixed shape, and lines for a reader."""
    words = (*WORDS, "--set", "p1=1/2", "--from", "B1>=-0.65*log(K)", "--up-to", "100", "--within", "1")
    payload = answer(*words, "--since", "lead changes")
    found = payload["from"]
    assert payload["guarantee"] == "supported" and found["parameter"] == "K"
    assert 16 <= found["low"] < found["high"] <= 64
    assert {"K", "holds", "guarantee"} == set(found["looks"][0])
    text = run(*words).stdout
    assert f"broken at K = {found['low']}, holds from {found['high']} on" in text
    holds = run(*WORDS, "--set", "p1=1/2", "--from", "B1<=1", "--up-to", "20").stdout
    assert "holds at every K looked at" in holds


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--set", "p1=1/2", "--set", "K=8", "--from", "B1>=-1"), "all have one"),
        (("--from", "B1>=-1"), "one parameter that counts"),
        (("--set", "p1=1/2", "--from", "B1>=-Q"), "unknown name"),
        (("--set", "p1=1/2", "--from", "B1>=-1", "--since", "later"), "not a condition"),
        (("--set", "p1=1/2", "--from", "B1>=-1", "--up-to", "3"), "values from 16 on"),
        (("--set", "p1=1/2", "--from", "B1>=-1", "--within", "0"), "not a relative width"),
        (("--set", "p1=1/2", "--from", "B1>=-1", "--plot", "x.svg"), "draws nothing"),
        (("--set", "p1=1/2", "--set", "K=8", "--since", "lead changes"), "nothing to look for"),
    ],
)
def test_bad_words_are_refused(words: tuple[str, ...], problem: str) -> None:
    """Exit code 2, one line, what is wrong."""
    assert problem in refusal(*WORDS, *words)
