"""Times over ranges of parameters: certified statements are true at every point tried, false ones never certified."""

from __future__ import annotations

from fractions import Fraction

import pytest
import sympy as sp
from flint import arb
from hypothesis import given
from hypothesis import strategies as st

from proofs.huang2024.systems import balanced, dominant, underrepresented
from symicl import Condition, InputError, Run, Verdict, check, claim, duration, iterate, reduce_system
from symicl.claims.durations import Duration
from symicl.process import LOSS
from symicl.scales import tamed, tamed_share
from symicl.tape import BALLS, compiled

NARROW = {"K": (2, 30), "epsilon": ("1/1000", "1/10"), "eta": ("1/10", 1)}


def verdict(statement: Duration) -> Verdict:
    return check(claim(statement)).verdict


class TestTrueAndFalse:
    """A bound that holds with room is certified; one that fails anywhere is refuted, and the witness is real."""

    @pytest.mark.parametrize(
        ("form", "at_least", "at_most", "expected"),
        [
            ("(K**2 + K/(4*epsilon))/eta", "1/20", 2, Verdict.CERTIFIED),
            ("K/(4*epsilon*eta)", None, 4, Verdict.REFUTED),
            ("(K**2 + K/(4*epsilon))/eta", None, 1, Verdict.REFUTED),
            ("(K**2 + K/(4*epsilon))/eta", 1, None, Verdict.REFUTED),
            ("K**2*log(K)/eta", "1", None, Verdict.REFUTED),
            ("K**2/eta", None, 1000, Verdict.CERTIFIED),
            ("K**2", None, 500, Verdict.REFUTED),
        ],
    )
    def test_balanced(self, form: str, at_least: object, at_most: object, expected: Verdict) -> None:
        statement = duration(balanced(N="inf"), form, over=NARROW, at_least=at_least, at_most=at_most)
        assert verdict(statement) is expected

    def test_with_a_range_of_probabilities(self) -> None:
        over = {"K": (2, 1000), "p1": ("1/4", "1/2"), "epsilon": ("1/1000", "1/20"), "eta": 1}
        system = dominant(N="inf")
        assert verdict(duration(system, "1/(p1*epsilon*eta)", over=over, at_most=3)) is Verdict.CERTIFIED
        assert verdict(duration(system, "1/(4*p1*epsilon*eta)", over=over, at_most=1)) is Verdict.REFUTED

    def test_a_witness_is_counted(self) -> None:
        over = {"K": 32, "epsilon": "1/100", "eta": 1}
        checked = check(claim(duration(balanced(N="inf"), "2528*K/32", over=over, at_most="2527/2528")))
        assert checked.verdict is Verdict.REFUTED
        assert dict(checked.outcome.evidence.details)["steps"] == "2528"
        far = duration(balanced(N="inf"), "K**2", over={**over, "K": 10**20}, at_most="1/2")
        assert dict(check(claim(far)).outcome.evidence.details)["steps"].startswith("from 1.0000000")

    def test_at_the_edge_nothing_is_said(self) -> None:
        """The bracket is a few steps wide: a bound that true counts just meet is left undecided."""
        over = {"K": 32, "epsilon": "1/100", "eta": 1}
        assert verdict(duration(balanced(N="inf"), "2528*K/32", over=over, at_most=1)) is Verdict.UNDECIDED

    def test_a_target_met_at_the_start(self) -> None:
        over = {**NARROW, "epsilon": ("1/1000", "1/2")}
        assert verdict(duration(balanced(N="inf"), "K**4/epsilon/eta", over=over, at_most=10**9)) is Verdict.UNDECIDED

    @pytest.mark.parametrize("form", ["K**2 - 100", "log(K/8)", "-K**2/eta"])
    def test_a_form_that_is_not_positive(self, form: str) -> None:
        assert verdict(duration(balanced(N="inf"), form, over=NARROW, at_most=10**9)) is not Verdict.CERTIFIED

    def test_several_coordinates(self) -> None:
        over = {"K": (3, 9), "p1": "1/2", "epsilon": "1/100", "eta": 1}
        assert verdict(duration(underrepresented(N="inf"), "K**2", over=over, at_most=100)) is Verdict.UNDECIDED


@given(
    st.integers(2, 30),
    st.fractions(Fraction(1, 1000), Fraction(1, 10), max_denominator=1000),
    st.fractions(Fraction(1, 10), 1, max_denominator=10),
)
def test_certified_constants_hold_at_every_point(size: int, target: Fraction, eta: Fraction) -> None:
    """What the first example above certifies, counted step by step."""
    condition = Condition(LOSS, "<=", sp.Rational(target.numerator, target.denominator))
    run = Run(sp.Rational(eta.numerator, eta.denominator), until=condition, dps=10, max_steps=200_000)
    reached = iterate(reduce_system(balanced(K=size, N="inf")), run, "ball")
    form = (size**2 + size / (4 * target)) / eta
    assert reached.outcome == "reached"
    assert form / 20 <= reached.step <= 2 * form


class TestScales:
    """Taming rewrites an expression; its value stays."""

    t, s = sp.symbols("t s", real=True)

    @pytest.mark.parametrize(
        "text",
        [
            "exp(t)/(2*exp(t) - 1)",
            "log((2*exp(t) - 1)*(3*exp(s/2) - 1))",
            "sqrt(exp(t)/(2*exp(t) - 1))*exp(-s)",
            "exp(1/(exp(t) + 1))",
            "exp(2*t) + exp(t + s) - 3",
        ],
    )
    @given(st.floats(0, 5), st.floats(0, 5))
    def test_the_same(self, text: str, t: float, s: float) -> None:
        expression = sp.sympify(text, locals={"t": self.t, "s": self.s})
        whole = 1 + sp.exp(self.t)
        forms = [
            expression,
            tamed(expression, [self.t, self.s]),
            tamed_share(expression, whole, [self.t, self.s]) * whole,
        ]
        with BALLS.arithmetic.working(40):
            known, *others = (compiled(each, [self.t, self.s], BALLS).value(arb(t), arb(s)) for each in forms)
            for other in others:
                assert other.overlaps(known)
                assert abs(other - known) < arb(10) ** -25 * (1 + abs(known))

    def test_one_exponential_is_left(self) -> None:
        assert tamed(sp.exp(self.t) / (2 * sp.exp(self.t) - 1), [self.t]) == 1 / (2 - sp.exp(-self.t))


class TestBadStatements:
    """What is no statement is refused, with the reason."""

    @pytest.mark.parametrize(
        ("change", "match"),
        [
            ({"over": {"K": (2, 9)}}, "give one each for"),
            ({"over": {**NARROW, "p1": "1/2"}}, "p1 is no parameter"),
            ({"over": {**NARROW, "K": (1, 9)}}, "K = 1 is not allowed"),
            ({"over": {**NARROW, "K": (9, 2)}}, "order them"),
            ({"over": {**NARROW, "epsilon": (0, "1/10")}}, "above 0"),
            ({"at_most": None}, "no constant"),
            ({"form": "N*K"}, "N"),
            ({"over": {"K": (2, 9), "epsilon": "1/10"}}, "give one each for"),
            ({"form": "K**"}, "K"),
        ],
    )
    def test_refused(self, change: dict[str, object], match: str) -> None:
        given_ = {"form": "K**2/eta", "over": NARROW, "at_most": 9, **change}
        form = given_.pop("form")
        with pytest.raises(InputError, match=match):
            duration(balanced(N="inf"), form, **given_)
