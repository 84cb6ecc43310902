"""Phases are found where single steps find them, and times grow with K as the asymptotics say.

Properties: at a boundary the old and the new dominant term of an update change places from one step to the next; the
product of dominant terms is the update up to the number of terms; extrema are those of the stepped run.
"""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
import sympy as sp
from click.testing import CliRunner, Result

from proofs.huang2024.systems import balanced, underrepresented
from symicl.cli import cli
from symicl.errors import DerivationError
from symicl.grammar import parse_condition
from symicl.iterate import Row, Run, iterate
from symicl.phases import Course, course_of, growth_of_times
from symicl.process import LOSS
from symicl.reduce import reduce_system

HALF = sp.Rational(1, 2)
RUN = Run(sp.Integer(1), until=parse_condition("loss<=1/100", {"loss": LOSS}))
GENERAL = underrepresented(N=sp.oo)
FEATURES = 64
WORDS = ("huang2024.underrepresented", "--set", "p1=1/2", "--set", "N=inf", "--eta", "1", "--until", "loss<=1/100")


def course(features: int) -> Course:
    return course_of(underrepresented(N=sp.oo, K=features, p1=HALF), GENERAL, RUN)


@pytest.fixture(scope="module")
def stepped() -> list[Row]:
    rows: list[Row] = []
    system = underrepresented(N=sp.oo, K=FEATURES, p1=HALF)
    iterate(reduce_system(system), RUN, "float64", on_row=rows.append)
    return rows


def size(term: sp.Expr, states: tuple[float, ...]) -> float:
    """The absolute value of a dominant term at states A, B1, B."""
    values: dict[str, object] = dict(zip(("A", "B1", "B"), states, strict=True))
    values |= {"K": FEATURES, "p1": HALF, "eta": 1}
    return abs(float(term.subs({symbol: values[str(symbol)] for symbol in term.free_symbols})))


def test_dominant_terms_change_places_at_a_boundary(stepped: list[Row]) -> None:
    """Between the step before a boundary and the boundary, wherever the dominant part of an update changes."""
    phases = course(FEATURES).phases
    assert phases[0].start == 0 and phases[-1].end == len(stepped) - 1
    assert len(phases) > 2
    for before, after in pairwise(phases):
        assert before.end == after.start
        changes = [(a, b) for (_, a), (_, b) in zip(before.dominant, after.dominant, strict=True) if a != b]
        assert changes
        for old, new in changes:
            earlier, later = (
                size(old, stepped[n].states) - size(new, stepped[n].states) for n in (after.start - 1, after.start)
            )
            assert earlier * later <= 0


def test_dominant_terms_are_about_the_update(stepped: list[Row]) -> None:
    """The update of A has sums of at most seven terms above, the cube of one of three below: off by at most 7 * 27."""
    for phase in course(FEATURES).phases:
        n = (phase.start + phase.end) // 2
        moved = abs(stepped[n + 1].states[0] - stepped[n].states[0])
        assert 1 / 189 < moved / size(dict(phase.dominant)["A"], stepped[n].states) < 189


def test_extrema_are_those_of_the_steps(stepped: list[Row]) -> None:
    """B rises and then falls; B1 only falls: -0.636 log K at its least for 64 features."""
    found = {(each.state, each.kind): each for each in course(FEATURES).extrema}
    highest = max(range(len(stepped)), key=lambda n: stepped[n].states[2])
    assert abs(found["B", "greatest"].step - highest) <= 1
    assert found["B", "greatest"].value == pytest.approx(stepped[highest].states[2], rel=1e-9)
    assert found["B1", "least"].value / float(sp.log(FEATURES)) == pytest.approx(-0.636, abs=5e-4)


def test_times_grow_as_powers_of_the_number_of_features() -> None:
    """The lengths of phases grow like K, K^2, K^2, K^1.5 and K, and B1 falls like -log(n)/2 in the second and third.

    At K = 10**12 the corrections are of relative order K^-0.5 or 1/log K.
    """
    one, two = course(10**12), course(2 * 10**12)
    grown = growth_of_times(one, two, 2)
    assert [each and each[1] for each in grown] == pytest.approx([1, 2, 2, 1.5, 1], abs=0.01)
    assert [each and each[0] for each in grown] == pytest.approx([1, 2, 2, 2, 2], abs=0.01)
    assert [dict(phase.slopes)["B1"] for phase in one.phases[1:3]] == pytest.approx([-0.5, -0.5], abs=0.05)


def test_one_coordinate_has_two_phases() -> None:
    """Balanced features: the rate z^2/(1+z)^3 rises and falls, and z = 1 is where the denominator changes hands."""
    found = course_of(balanced(N=sp.oo, K=10**6), balanced(N=sp.oo), RUN)
    assert [len(found.phases), found.phases[0].start] == [2, 0]
    A, B = sp.symbols("A B", real=True)
    K, eta = (next(s for s in dict(found.phases[0].dominant)["A"].free_symbols if str(s) == n) for n in ("K", "eta"))
    first, second = (dict(phase.dominant)["A"] for phase in found.phases)
    assert sp.simplify(first / (eta * sp.exp(A - B) / (K - 1) ** 2)) == 1
    assert sp.simplify(second / (eta * (K - 1) * sp.exp(2 * B - 2 * A))) == 1


def test_means_over_prompts_have_no_terms() -> None:
    """At a finite prompt length an update is no quotient of sums, and that is said."""
    system = underrepresented(N=4, K=8, p1=HALF)
    with pytest.raises(DerivationError, match="closed form"):
        course_of(system, underrepresented(N=4), Run(sp.Integer(1), steps=10))


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, ["phases", *words])


def test_the_command_prints_what_is_found(tmp_path: Path) -> None:
    """JSON of the fixed shape, and a figure."""
    pytest.importorskip("matplotlib")
    figure = tmp_path / "phases.svg"
    result = run(*WORDS, "--set", "K=64", "--json", "--plot", str(figure))
    payload = json.loads(result.stdout)
    assert payload["guarantee"] == "supported"
    assert {"name", "start", "end", "dominant", "exponents"} <= set(payload["phases"][0])
    assert {"quantity", "value", "step"} <= set(payload["extrema"][0])
    assert payload["phases"][-1]["end"] == 15865
    assert figure.read_text().startswith("<?xml")


def test_the_command_prints_a_table() -> None:
    """The same for a reader."""
    text = run(*WORDS, "--set", "K=64").stdout
    assert "phase 1  steps 0 to" in text and "least B1/log(K)" in text


def test_budgets_of_steps_are_refused() -> None:
    """Leaps take no single steps that could be counted."""
    result = run(*WORDS, "--set", "K=64", "--max-steps", "5", "--json")
    assert result.exit_code == 2
    assert "--max-steps" in json.loads(result.stdout)["error"]["where"]
