"""Times as formulas: the bracket holds the number of steps, and the formulas are the quadratures they come from."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import mpmath
import pytest
import sympy as sp
from command_line import answer, run
from flint import arb
from hypothesis import given
from hypothesis import strategies as st

from proofs.huang2024.systems import balanced, dominant, underrepresented
from symicl import (
    Condition,
    DerivationError,
    FeatureSet,
    InputError,
    Parameter,
    Run,
    SystemFamily,
    iterate,
    parse_expression,
    reduce_system,
)
from symicl.asymptotics import leading_term
from symicl.hitting import TARGET, Z0, HittingFormula, Z, hitting_formula, limits
from symicl.leaping import leap
from symicl.process import LOSS
from symicl.systems.base import System
from symicl.systems.structured_features import QUERY, feature_class, structured_features
from symicl.tape import BALLS, compiled


def formula_of(system: System) -> HittingFormula:
    return hitting_formula(reduce_system(system))


def value(formula: HittingFormula, part: sp.Expr, system: System, eta: sp.Rational, target: sp.Rational) -> arb:
    point = {system.step_size: eta, TARGET: target}
    return arb(compiled(formula.in_target(part).xreplace(point), [], BALLS).value())


def rational(number: Fraction) -> sp.Rational:
    return sp.Rational(number.numerator, number.denominator)


sizes = st.integers(2, 40)
steps = st.fractions(Fraction(1, 20), 200, max_denominator=40)
shares = st.fractions(Fraction(1, 50), Fraction(19, 20), max_denominator=60)


class TestBracket:
    """``least <= n < most`` for the first step n with ``loss <= epsilon``, at any size, step size and target."""

    @given(sizes, steps, shares)
    def test_balanced(self, size: int, eta: Fraction, share: Fraction) -> None:
        system = balanced(K=size, N="inf")
        self.check(system, rational(eta), rational(share))

    @given(sizes, st.fractions(Fraction(1, 20), Fraction(19, 20), max_denominator=20), steps, shares)
    def test_dominant(self, size: int, p1: Fraction, eta: Fraction, share: Fraction) -> None:
        system = dominant(K=size, N="inf", p1=rational(p1))
        self.check(system, rational(eta), rational(share))

    def check(self, system: System, eta: sp.Rational, share: sp.Rational) -> None:
        formula = formula_of(system)
        # Not below 1/2000, where steps one by one take long.
        target = max(sp.Rational(formula.at_start) * share, sp.Rational(1, 2000))
        if not target < formula.at_start:
            return
        run = Run(eta, until=Condition(LOSS, "<=", target), dps=15, max_steps=200_000)
        reached = iterate(reduce_system(system), run, "ball")
        if reached.outcome == "reached":
            assert value(formula, formula.least, system, eta, target) <= reached.step
            assert value(formula, formula.most, system, eta, target) > reached.step

    @pytest.mark.parametrize("size", [10**6, 10**20, 10**40])
    def test_at_sizes_no_loop_can_reach(self, size: int) -> None:
        system, target = balanced(K=size, N="inf"), sp.Rational(1, 100)
        formula = formula_of(system)
        exact = leap(reduce_system(system), Run(sp.S.One, until=Condition(LOSS, "<=", target), dps=15)).low
        with BALLS.arithmetic.working(120):
            assert value(formula, formula.least, system, sp.S.One, target) <= exact
            assert value(formula, formula.most, system, sp.S.One, target) > exact
            # The first correction leaves O(eta) out, which is less than the rounding to whole steps.
            assert abs(value(formula, formula.count, system, sp.S.One, target) + arb("0.5") - exact) < 1


class TestFormula:
    """The formula is the integral of the flow, at symbolic parameters."""

    def test_time_is_the_integral_of_the_inverse_height(self) -> None:
        formula = formula_of(balanced(N="inf"))
        k = next(s for s in formula.flow.free_symbols if s.name == "K")
        time = sp.lambdify([k, Z, Z0], formula.flow.xreplace({balanced(N="inf").step_size: sp.S.One}), "mpmath")
        with mpmath.workdps(30):
            size, z = mpmath.mpf(9), mpmath.mpf(1) / 7
            # dz/dt = -K/(K-1)^2 z^3/(1+z)^3 in gradient flow
            by_quadrature = mpmath.quad(lambda v: (size - 1) ** 2 / size * (1 + v) ** 3 / v**3, [z, 1, size - 1])
            assert abs(time(size, z, size - 1) / by_quadrature - 1) < mpmath.mpf(10) ** -25

    @pytest.mark.parametrize(("size", "target", "flow"), [(32, "1/100", "2528.146"), (512, "1/1000", "424116.873")])
    def test_known_times(self, size: int, target: str, flow: str) -> None:
        system = balanced(K=size, N="inf")
        formula = formula_of(system)
        assert abs(value(formula, formula.flow, system, sp.S.One, sp.Rational(target)) - arb(flow)) < arb("0.001")

    def test_leading_terms(self) -> None:
        (k,) = (p.symbol for p in balanced.parameters if p.name == "K")
        eta = balanced().step_size
        found = limits(formula_of(balanced(N="inf")), balanced(N="inf").parameters)
        assert found == ((k, sp.oo, k**2 / eta), (TARGET, sp.S.Zero, (k - 1) / (4 * TARGET * eta)))

    def test_several_coordinates_have_none(self) -> None:
        with pytest.raises(DerivationError, match="one coordinate"):
            formula_of(underrepresented(N="inf"))


class TestLeadingTerms:
    """The quotient of an expression and its leading term tends to 1."""

    x = sp.Symbol("x", positive=True)

    @pytest.mark.parametrize(
        ("text", "to", "term"),
        [
            ("3*x**2 + 5*x*log(x)", sp.oo, "3*x**2"),
            ("5*x*log(x) - 7*x", sp.oo, "5*x*log(x)"),
            ("sqrt(x + 1) - sqrt(x)", sp.oo, "1/(2*sqrt(x))"),
            ("log(1 + x) - x", sp.S.Zero, "-x**2/2"),
            ("1/(exp(x) - 1)", sp.S.Zero, "1/x"),
            ("4", sp.oo, "4"),
        ],
    )
    def test_examples(self, text: str, to: sp.Expr, term: str) -> None:
        read = {"x": self.x}
        assert sp.simplify(leading_term(parse_expression(text, read), self.x, to) - parse_expression(term, read)) == 0

    def test_no_sign_is_assumed(self) -> None:
        """``log((1-p)^2)`` is not ``2 log(p-1)``, and no value of another symbol is taken for all."""
        p = sp.Symbol("p1", positive=True)
        found = leading_term(self.x * (sp.log(self.x * (p - 1) ** 2) - sp.log(self.x)), self.x, sp.oo)
        assert abs(sp.N((found / self.x).subs(p, sp.Rational(1, 3)) - 2 * sp.log(sp.Rational(2, 3)))) < 1e-12
        found = leading_term((p - sp.Rational(1, 7)) * self.x**2 + self.x, self.x, sp.oo)
        assert sp.expand(found - (p - sp.Rational(1, 7)) * self.x**2) == 0
        with pytest.raises(DerivationError, match="depends on other symbols"):
            leading_term((p - sp.Rational(97, 874)) * self.x**2 + self.x, self.x, sp.oo)  # a value that is tried
        twin = sp.Symbol("_x", positive=True)
        assert leading_term(twin * self.x**2 + self.x, self.x, sp.oo) == twin * self.x**2

    @pytest.mark.parametrize("text", ["exp(x)", "x**2 - x**2 + exp(-x)"])
    def test_what_has_none_is_refused(self, text: str) -> None:
        with pytest.raises(DerivationError):
            leading_term(parse_expression(text, {"x": self.x}), self.x, sp.oo)

    def test_only_at_zero_and_infinity(self) -> None:
        with pytest.raises(DerivationError, match="take 0 or infinity"):
            leading_term(self.x, self.x, sp.S.One)


class TestCommands:
    """``derive`` prints the formula in symicl's grammar, ``latex`` typesets it; other systems have none."""

    def test_derive(self) -> None:
        (found,) = answer("derive", "huang2024.balanced", "--set", "N=inf")["hitting_times"]
        names = {"K": sp.Symbol("K"), "eta": sp.Symbol("eta"), "epsilon": sp.Symbol("epsilon")}
        z, z0 = (parse_expression(each["expr"], names) for each in found["where"])
        flow = parse_expression(found["flow"]["expr"], {**names, "z": z, "z0": z0})
        at = flow.xreplace({names["K"]: 32, names["eta"]: 1, names["epsilon"]: sp.Rational(1, 100)})
        assert abs(sp.N(at) - sp.Rational("2528.146")) < sp.Rational(1, 1000)
        assert found["limits"][0]["expr"] == "K**2/eta"

    @pytest.mark.parametrize("system", ["huang2024.balanced", "huang2024.underrepresented"])
    def test_no_formula(self, system: str) -> None:
        values = ["--set", "N=6"] if system.endswith("balanced") else ["--set", "N=inf"]
        assert answer("derive", system, *values)["hitting_times"] == []

    def test_latex(self) -> None:
        text = run("latex", "huang2024.balanced").stdout
        assert r"T - R \le n < T + S" in text
        assert text.count(r"T \big|_{K \to \infty}") == 1
        assert r"T \big|" not in run("latex", "huang2024.underrepresented").stdout


class TestNames:
    """A parameter with a name that formulas use is refused: it would be put in for something else."""

    @pytest.mark.parametrize("name", ["z", "z0", "epsilon"])
    def test_refused(self, name: str) -> None:
        with pytest.raises(DerivationError, match="meaning of its own"):
            formula_of(self.family(name)())

    def test_another_name_is_fine(self) -> None:
        share, other = sp.Symbol("p1", positive=True), sp.Symbol("u", positive=True)
        known, renamed = formula_of(dominant(N="inf")), formula_of(self.family("u")())
        assert renamed.in_target(renamed.flow) == known.in_target(known.flow).xreplace({share: other})

    def test_the_step_size_is_no_parameter(self) -> None:
        with pytest.raises(InputError, match="name of the step size"):
            self.family("eta")()

    def family(self, name: str) -> SystemFamily:
        """A dominant query whose probability has this name."""
        size, share = sp.Symbol("K", integer=True, positive=True), sp.Symbol(name, positive=True)

        def build(v: Mapping[str, sp.Expr]) -> System:
            rest = (1 - v[name]) / (v["K"] - 1)
            classes = (feature_class("one", sp.S.One, v[name]), feature_class("rest", v["K"] - 1, rest))
            return structured_features(FeatureSet(v["K"], classes, ((QUERY, "one"),)), sp.oo, id="named", title="t")

        ranges = (Parameter(size, "size", minimum=2), Parameter(share, "share", above=sp.S.Zero, below=sp.S.One))
        return SystemFamily("named", "t", ranges, build)
