"""A rate is certified only where every step keeps it, and refuted at the first step that does not.

Properties: against a path computed in mpmath at many digits, the verdict of a bound is what comparing every step says,
and the step named is the first one; an asymptotic statement is at most supported; nothing undefined is decided.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import mpmath
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from symicl import InputError, Run, System, check, claim, exact, iterate, load_system, rate
from symicl.claims.base import Verdict
from symicl.claims.statements import STEP, Rate
from symicl.descent import process_of
from symicl.systems.normalized_descent import ClassificationData, on_data

LAST = 30


def data(rows: str, labels: str, start: str, objective: str = "normalized") -> ClassificationData:
    def vector(text: str) -> tuple[sp.Rational, ...]:
        return tuple(map(sp.Rational, text.split()))

    return ClassificationData(tuple(map(vector, rows.split(";"))), vector(labels), vector(start), objective)


FOUR = data("1 2; 2 1/2; -1 -3; 1 -1/3", "1 1 -1 1", "0 0")
SEPARABLE = on_data(FOUR, id="four", title="")
OPPOSITE = on_data(data("1 2; -1 -2; 2 1", "1 1 1", "0 0"), id="opposite", title="")
LINE = on_data(data("1; 2", "1 1", "1"), id="line", title="")


@lru_cache
def margins() -> tuple[Any, ...]:
    """The least margin over |w| after each step, in mpmath from the formula of the step alone."""
    rows = [
        [mpmath.mpf(y.p) * mpmath.mpf(x.p) / x.q for x in row] for y, row in zip(FOUR.labels, FOUR.points, strict=True)
    ]
    with mpmath.workdps(60):
        w, found = [mpmath.mpf(0)] * 2, []
        for _ in range(LAST):
            weights = [mpmath.exp(-mpmath.fdot(row, w)) for row in rows]
            total = mpmath.fsum(weights)
            w = [w[k] + mpmath.fsum(a * row[k] for a, row in zip(weights, rows, strict=True)) / total for k in range(2)]
            found.append(min(mpmath.fdot(row, w) for row in rows) / mpmath.norm(w))
        return tuple(found)


def verdict(system: System, *words: str, **options: Any) -> Verdict:
    return check(claim(rate(system, *words, **options))).verdict


def summary(system: System, *words: str, **options: Any) -> str:
    return check(claim(rate(system, *words, **options))).outcome.evidence.summary


# ------------------------------------------------------------------------------------------------ what is decided


@given(
    st.fractions("1/10", 1, max_denominator=50),
    st.integers(1, LAST),
    st.integers(0, LAST),
    st.sampled_from(["<=", ">="]),
)
def test_a_verdict_is_what_every_step_says(constant: Any, first: int, length: int, relation: str) -> None:
    """``gap <= c/step`` and ``gap >= c/step``: certified, or refuted at the first step that breaks it."""
    last = min(LAST, first + length)
    with mpmath.workdps(50):
        bound = mpmath.mpf(constant.numerator) / constant.denominator
        gaps = {step: 1 - margins()[step - 1] for step in range(first, last + 1)}
        broken = [step for step, gap in gaps.items() if (gap > bound / step) == (relation == "<=")]
    checked = check(claim(rate(SEPARABLE, "gap", relation, f"{constant}/step", start=first, to=last)))
    if broken:
        assert checked.verdict is Verdict.REFUTED
        assert checked.outcome.evidence.summary.startswith(f"broken at step {broken[0]}:")
    else:
        assert checked.verdict is Verdict.CERTIFIED


def test_the_ratios_say_how_loose_a_bound_is() -> None:
    """The largest and the least ratio to the bound, with their steps, against mpmath."""
    evidence = check(claim(rate(SEPARABLE, "gap", "<=", "2/step", start=3, to=LAST))).outcome.evidence
    ratios = {step: step * (1 - margins()[step - 1]) / 2 for step in range(3, LAST + 1)}
    for name, pick in (("largest ratio", max), ("least ratio", min)):
        found = re.fullmatch(r"\[(\S+) \+/- \S+\] at step (\d+)", dict(evidence.details)[name])
        assert found is not None
        step = pick(ratios, key=lambda step: ratios[step])
        assert int(found[2]) == step
        assert float(found[1]) == pytest.approx(float(ratios[step]), rel=1e-6)


def test_the_range_begins_where_it_says() -> None:
    """``gap <= 36/100/step`` fails at steps 1 to 5 and holds from 6 on: only the range given counts."""
    below = [step for step in range(1, LAST + 1) if (1 - margins()[step - 1]) * step <= mpmath.mpf(36) / 100]
    first = below[0]
    assert below == list(range(first, LAST + 1))
    assert verdict(SEPARABLE, "gap", "<=", "36/100/step", start=first, to=LAST) is Verdict.CERTIFIED
    assert verdict(SEPARABLE, "gap", "<=", "36/100/step", start=first - 1, to=LAST) is Verdict.REFUTED


def test_the_last_step_counts() -> None:
    """A bound broken at step n alone: certified to n - 1, refuted to n."""
    bound = "1/2 + abs(step - 20)"
    assert verdict(LINE, "w1/w1 + 0*loss", "<=", bound, start=0, to=19) is Verdict.CERTIFIED
    assert summary(LINE, "w1/w1 + 0*loss", "<=", bound, start=0, to=20).startswith("broken at step 20")


def test_equality_is_decided_where_the_numbers_are_exact() -> None:
    """At step 0 the loss of four points is 4 exactly: both relations hold there."""
    assert verdict(SEPARABLE, "loss", "<=", "4", start=0, to=0) is Verdict.CERTIFIED
    assert verdict(SEPARABLE, "loss", ">=", "4", start=0, to=0) is Verdict.CERTIFIED
    assert verdict(SEPARABLE, "loss", "<=", "4 - 1/10**30", start=0, to=0) is Verdict.REFUTED


@pytest.mark.parametrize("relation", ["<=", ">="])
def test_equality_of_balls_is_undecided(relation: str) -> None:
    """On a line the margin is 1 at every step: exactly at the start, later in balls that hold other numbers too."""
    assert verdict(LINE, "margin", relation, "1", start=0, to=0) is Verdict.CERTIFIED
    assert verdict(LINE, "margin", relation, "1", start=0, to=3) is Verdict.UNDECIDED
    off = "1 + 1/10**9" if relation == "<=" else "1 - 1/10**9"
    assert verdict(LINE, "margin", relation, off, start=0, to=3) is Verdict.CERTIFIED


@pytest.mark.parametrize("relation", ["<=", ">="])
@pytest.mark.parametrize("quantity", ["gap", "turn", "loss", "margin", "least", "w1*w2"])
def test_an_asymptotic_rate_is_at_most_supported(quantity: str, relation: str) -> None:
    """Refuted where a step breaks it, else supported; never certified."""
    found = verdict(SEPARABLE, quantity, relation, "1/step", start=1, to=20, asymptotic=True)
    plain = verdict(SEPARABLE, quantity, relation, "1/step", start=1, to=20)
    assert (plain, found) in {(Verdict.CERTIFIED, Verdict.SUPPORTED), (Verdict.REFUTED, Verdict.REFUTED)}


def test_the_step_size_is_the_one_given() -> None:
    """At eta = 1/2 the loss falls more slowly: a bound between the two tells them apart."""
    half = iterate(process_of(SEPARABLE), Run(exact("1/2"), steps=10), "float64").loss
    full = iterate(process_of(SEPARABLE), Run(exact(1), steps=10), "float64").loss
    between = str(sp.nsimplify((half + full) / 2, rational=True))
    assert verdict(SEPARABLE, "loss", "<=", between, start=10, to=10) is Verdict.CERTIFIED
    assert verdict(SEPARABLE, "loss", "<=", between, start=10, to=10, eta="1/2") is Verdict.REFUTED


def test_a_system_without_data_in_arrays() -> None:
    """States in their own order where coordinates are reduced: kappa and v of the trained layer are not mixed up."""
    training = load_system("zhang2026.training")(d=2, s=1, tau="1/2", m2=1)
    states = iterate(process_of(training), Run(exact("1/4"), steps=10), "float64")
    for name in ("kappa", "v"):
        near = sp.nsimplify(states.state(name), rational=True)
        for relation, factor in (("<=", "1001/1000"), (">=", "999/1000")):
            bound = f"{near}*{factor}"
            assert verdict(training, name, relation, bound, start=10, to=10, eta="1/4") is Verdict.CERTIFIED


# ------------------------------------------------------------------------------------------------ what is not


@pytest.mark.parametrize("bound", ["0", "-1", "log(step)", "1/step", "1/log(step)", "step - 1", "log(step - 1)"])
def test_a_bound_has_to_be_positive(bound: str) -> None:
    """Where the bound is zero, negative or undefined at a step of the range nothing is decided, by either relation."""
    for relation in ("<=", ">="):
        checked = check(claim(rate(SEPARABLE, "least", relation, bound, start=0, to=3)))
        assert checked.verdict is Verdict.UNDECIDED
        assert "not certainly positive at step" in checked.outcome.evidence.summary


def test_a_quantity_that_is_undefined_is_undecided() -> None:
    """The margin at w = 0, and the logarithm of a negative number."""
    assert verdict(SEPARABLE, "margin", "<=", "1", start=0, to=3) is Verdict.UNDECIDED
    assert verdict(SEPARABLE, "gap", ">=", "1/10**9", start=0, to=3) is Verdict.UNDECIDED
    assert verdict(OPPOSITE, "log(least)", "<=", "1", start=1, to=3) is Verdict.UNDECIDED


@pytest.mark.parametrize(
    ("words", "options", "problem"),
    [
        (("gap", "<", "1"), {}, "'<' is not a relation here"),
        (("gap", "==", "1"), {}, "'==' is not a relation here"),
        (("gap", "<=", "1"), {"start": 5, "to": 4}, "the range of steps is 5 to 4"),
        (("gap", "<=", "1"), {"start": -1}, "the range of steps is -1 to 10"),
        (("gap", "<=", "1"), {"to": 10.0}, "10.0 is no number of steps"),
        (("gap", "<=", "1"), {"start": True}, "True is no number of steps"),
        (("gap", "<=", "1"), {"to": "10"}, "'10' is no number of steps"),
        (("gap*step", "<=", "1"), {}, "unknown name 'step'"),
        (("gaps", "<=", "1"), {}, "unknown name 'gaps'"),
        (("gap", "<=", "w1"), {}, "unknown name 'w1'"),
        (("gap", "<=", "loss/step"), {}, "unknown name 'loss'"),
        (("gap", "<=", "__import__('os')"), {}, "__import__"),
        (("gap", "<=", "1"), {"eta": 0.5}, "0.5 is a float"),
    ],
)
def test_bad_statements_are_refused(words: tuple[str, str, str], options: dict[str, Any], problem: str) -> None:
    """When the claim is made, not when it is checked; the error names what is wrong."""
    with pytest.raises(InputError, match=re.escape(problem)):
        rate(SEPARABLE, *words, **{"start": 1, "to": 10, **options})


def test_there_is_no_gap_where_nothing_separates() -> None:
    """A system of data that are not separable reports no gap, and says what it reports."""
    with pytest.raises(InputError, match=r"unknown name 'gap'.*known names: .*least, loss, margin"):
        rate(OPPOSITE, "gap", "<=", "1", start=1, to=2)


@pytest.mark.parametrize(
    ("quantity", "bound"), [(sp.Float(0.5), sp.S.One), (sp.S.One, sp.Float(2.5)), (sp.S.One, STEP + 0.5)]
)
def test_floats_are_refused(quantity: sp.Expr, bound: sp.Expr) -> None:
    """A float anywhere in the statement forbids a certificate: it is refused."""
    with pytest.raises(InputError, match="has a float in it"):
        Rate(SEPARABLE, quantity, "<=", bound, sp.S.One, 1, 5)


@pytest.mark.parametrize("eta", [sp.S.Zero, sp.S.NegativeOne, sp.Float(0.5), sp.oo])
def test_an_impossible_step_size_decides_nothing(eta: sp.Expr) -> None:
    """Zero, negative, infinite or a float."""
    assert check(claim(Rate(SEPARABLE, sp.S.One, "<=", sp.Integer(2), eta, 1, 5))).verdict is Verdict.UNDECIDED


def test_decimals_in_text_are_exact() -> None:
    """``0.36/step`` is 36/100 over the step, not the nearest float."""
    statement = rate(SEPARABLE, "gap", "<=", "0.36/step", start=10, to=20)
    assert statement.bound == sp.Rational(9, 25) / STEP
    assert check(claim(statement)).verdict is Verdict.CERTIFIED
