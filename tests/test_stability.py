"""Rests on faces: the limit of a recurrence, the minimiser there, and the step size up to which it attracts."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
import sympy as sp
from command_line import answer, refusal, run
from flint import arb, fmpq
from hypothesis import given
from hypothesis import strategies as st

from symicl import (
    BudgetError,
    Coordinate,
    DerivationError,
    InputError,
    Recurrence,
    Rest,
    System,
    UndecidedError,
    compile_expressions,
    iterate,
    load_system,
    reduce_system,
    rest_of,
    two_cycle,
)
from symicl import stability as stability_module
from symicl.arithmetic import ARITHMETICS
from symicl.faces import face_of
from symicl.floor import loss_floor
from symicl.iterate import Run
from symicl.stability import flow_ends_at

ROOT = Path(__file__).resolve().parent.parent
RARE = "huang2024.underrepresented"
FOUR = """[features]
probabilities = ["2/5", "3/10", "1/5", "1/10"]
prompt_length = 6
gram = "orthonormal"
[task]
kernel = "linear"
"""
SIZES = [
    (3, 2, Fraction(1, 2)),
    (3, 12, Fraction(1, 20)),
    (8, 6, Fraction(1, 2)),
    (12, 9, Fraction(19, 20)),
    (5, 3, Fraction(1, 1000)),
    (64, 40, Fraction(2, 7)),
]


@cache
def rare(K: int, N: int, p1: Fraction) -> Recurrence:
    return reduce_system(load_system(RARE)(K=K, N=N, p1=sp.Rational(p1.numerator, p1.denominator)))


@cache
def rest_at(K: int, N: int, p1: Fraction = Fraction(1, 2)) -> Rest:
    return rest_of(rare(K, N, p1))


def holds(ball: arb, value: Fraction) -> bool:
    """Whether a ball holds an exact number."""
    with ARITHMETICS["ball"].working(200):
        return bool(ball.overlaps(arb(fmpq(value.numerator, value.denominator))))


def face_loss(K: int, N: int, p1: float) -> Callable[[float], float]:
    """The loss on the face A -> inf as a function of B1 - B, summed over prompts without v_k, by hand."""
    p, others = (1 - p1) / (K - 1), K - 2

    def loss(d: float) -> float:
        total = 0.0
        for n in range(N + 1):  # tokens v_1; the rest are rare
            m = N - n
            weight = math.comb(N, n) * p1**n * (others * p) ** m
            z = n * math.exp(d) + m
            squares = (n * math.exp(d)) ** 2 + m + m * (m - 1) / others
            total += weight * (1 + squares / z**2) / 2
        return total

    return loss


def by_hand(K: int, N: int, p1: float) -> tuple[float, float]:
    """The minimiser of the face's loss by golden section, and 2 over its curvature by finite differences."""
    loss, ratio = face_loss(K, N, p1), (math.sqrt(5) - 1) / 2
    low, high = -30.0, 30.0
    while high - low > 1e-7:
        a, b = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, b) if loss(a) < loss(b) else (a, high)
    d, h = (low + high) / 2, 1e-3
    second = (loss(d + h) - 2 * loss(d) + loss(d - h)) / h**2
    # B1 - B moves by p_k (1 + 1/(K-2)) times the slope: B is shared by K-2 scores.
    return d, 2 / ((1 - p1) / (K - 1) * (1 + 1 / (K - 2)) * second)


@pytest.mark.parametrize(("K", "N", "p1"), SIZES)
def test_the_rest_is_the_minimiser_that_brute_force_finds(K: int, N: int, p1: Fraction) -> None:
    """Place, loss and bound agree with a sum over prompts written by hand, and the balls are narrow."""
    rest = rest_at(K, N, p1)
    place, bound = by_hand(K, N, float(p1))
    assert float(rest.place[0]) == pytest.approx(place, abs=1e-6)  # a minimum: half the digits of its value
    assert float(rest.loss) == pytest.approx(face_loss(K, N, float(p1))(place), rel=1e-12)
    assert float(rest.bound) == pytest.approx(bound, rel=1e-4)  # second differences with h = 1e-3
    assert all(float(x.rad()) < 1e-29 * (1 + abs(float(x))) for x in (*rest.place, rest.loss, rest.bound))


@pytest.mark.parametrize(("K", "N", "p1"), SIZES[:4])
def test_the_rest_is_no_lower_than_the_floor(K: int, N: int, p1: Fraction) -> None:
    """The certified lower bound of the loss over all states lies below the loss at rest, and close to it."""
    floor, rest = loss_floor(rare(K, N, p1)), rest_at(K, N, p1)
    assert floor is not None and floor.lower() <= rest.loss
    assert float(floor.lower()) > float(rest.loss) * 0.99


@pytest.mark.parametrize(("K", "p1"), [(3, Fraction(1, 2)), (4, Fraction(1, 2)), (9, Fraction(2, 7))])
def test_two_tokens_in_closed_form(K: int, p1: Fraction) -> None:
    """N = 2: only prompts of one v_1 and one rare token count; the minimiser is 0, the bound 8 (K-1)/(p1 (1-p1)^2)."""
    rest = rest_at(K, 2, p1)
    assert rest.place[0].contains(0) and holds(rest.bound, 8 * (K - 1) / (p1 * (1 - p1) ** 2))


def test_the_face_is_derived_at_symbolic_parameters() -> None:
    """With K, N and p1 open the face has one coordinate, no A, and at numbers it is the limit of the recurrence."""
    family = load_system(RARE)
    face = face_of(reduce_system(family()))
    (coordinate,) = face.coordinates
    assert list(face.escaping.values()) == [sp.oo]
    assert not set(face.escaping) & face.loss.free_symbols
    numbers = (sp.Integer(5), sp.Integer(4), sp.Rational(1, 3))
    values = {p.symbol: v for p, v in zip(family().parameters, numbers, strict=True)}
    recurrence = reduce_system(family(K=5, N=4, p1="1/3"))
    far = {recurrence.coordinates[1]: sp.Integer(300)}
    unit = {recurrence.symmetric.system.step_size: sp.S.One}
    ball = ARITHMETICS["ball"]
    with ball.working(150):
        limits = [face.loss.xreplace(values), face.updates[0].xreplace(values)]
        near = [recurrence.loss.xreplace(far), recurrence.updates[0].xreplace(far).xreplace(unit)]
        for y in (-2, 0, 3):
            both = [compile_expressions(e, [coordinate], ball, 150)(arb(y)) for e in (limits, near)]
            for limit, value in zip(*both, strict=True):
                assert abs(limit - value) < arb(10) ** -100  # e^-300 is 5e-131


@given(st.sampled_from([(8, 6), (3, 4), (4, 2)]), st.fractions(Fraction(1, 100), Fraction(99, 100)))
def test_below_the_bound_deviations_shrink(size: tuple[int, int], share: Fraction) -> None:
    """A multiplier is 1 - eta curvature: within (-1, 1) just below the bound, less than -1 above it."""
    rest = rest_at(*size)
    eta = sp.Rational(int(float(rest.bound) * 1000), 1000)
    below = eta * sp.Rational(share.numerator, share.denominator)
    assert rest.attracts(below) and all(abs(m) < 1 for m in rest.multipliers(below))
    assert not rest.attracts(eta + 1) and all(m < -1 for m in rest.multipliers(eta + 1))


def test_training_goes_where_the_certificate_says() -> None:
    """From zero: at 0.9 of the bound B1 - B ends at the rest, at 1.1 on the certified cycle of two steps."""
    system = load_system(RARE)(K=8, N=6, p1="1/2")
    rest = rest_of(reduce_system(system))

    def ends(eta: int, steps: int) -> list[float]:
        found = []
        run = Run(sp.Integer(eta), steps=steps)
        iterate(reduce_system(system), run, "float64", on_row=lambda row: found.append(row.states[1] - row.states[2]))
        return found[-2:]

    assert ends(668, 2000) == pytest.approx([float(rest.place[0])] * 2, abs=1e-3)
    cycle = two_cycle(rest, sp.Integer(817))
    assert abs(cycle.multipliers[0]) < 1
    # A still grows like log t, and what is left of the prompts with v_k moves the cycle by e^-(A - B).
    assert sorted(ends(817, 4000)) == pytest.approx(sorted(float(place[0]) for place in cycle.places), abs=2e-2)


@pytest.mark.parametrize(("K", "N", "p1"), SIZES)
def test_the_flow_ends_at_the_rest(K: int, N: int, p1: Fraction) -> None:
    """From B1 - B = 0, certified; the loss summed by hand falls all along the way, in float64."""
    rest = rest_at(K, N, p1)
    assert flow_ends_at(rest)
    end, loss = float(rest.place[0]), face_loss(K, N, float(p1))
    values = [loss(end * i / 50) for i in range(51)]
    assert abs(end) < 1e-20 or all(after < before for before, after in pairwise(values))


def test_a_start_beyond_another_rest_is_not_certified() -> None:
    """The same face from the other side of a maximum, where the flow ends elsewhere: two minimisers, x = 1/2 and 4."""
    u = sp.Symbol("u", real=True)
    x = sp.exp(u)
    loss = (x - sp.Rational(1, 2)) ** 2 * (x - 4) ** 2 / (1 + x**4)
    starts = (sp.S.Zero, sp.Rational(1, 4))  # the maximum is at u = 0.165
    left, right = (
        rest_of(reduce_system(System("toy", "t", loss, loss, coordinates=(Coordinate(u, start=start),))))
        for start in starts
    )
    assert float(left.place[0]) == pytest.approx(-math.log(2)) and float(right.place[0]) == pytest.approx(math.log(4))
    assert flow_ends_at(left) and flow_ends_at(right)
    assert not flow_ends_at(replace(left, face=right.face)) and not flow_ends_at(replace(right, face=left.face))


@pytest.mark.parametrize(
    ("system", "values", "eta", "steps"),
    [
        (RARE, ("K=8", "N=6", "p1=1/2"), "10**5", "5"),
        (RARE, ("K=8", "N=600", "p1=1/2"), "10**5", "5"),
        ("huang2024.balanced", ("K=8", "N=6"), "10**5", "1"),
        ("huang2024.balanced", ("K=8", "N=6"), "1e400", "1"),
    ],
)
def test_scores_beyond_float64_end_in_a_clear_error(
    tmp_path: Path, system: str, values: tuple[str, ...], eta: str, steps: str
) -> None:
    """Division by zero, a score of 0, a loss that is no number: never a row of these, and what to do instead."""
    settings = [word for value in values for word in ("--set", value)]
    words = ("trace", system, *settings, "--eta", eta, "--steps", steps, "--arithmetic", "float64")
    found = refusal(*words, code=4)
    assert "smaller step size" in found and "ball" in found
    rows = tmp_path / "rows.csv"
    refusal(*words, "--out", str(rows), code=4)
    assert "nan" not in rows.read_text(encoding="utf-8") and "inf" not in rows.read_text(encoding="utf-8")


def test_proposals_survive_scores_beyond_float64() -> None:
    """Long prompts have quadrature for their means, which refuses scores that are 0 or too far apart: that is NaN."""
    recurrence = rare(8, 600, Fraction(1, 2))
    update = recurrence.updates[0].xreplace({recurrence.symmetric.system.step_size: sp.S.One})
    values = stability_module._floats([update], recurrence.coordinates)
    assert math.isfinite(values(0.0, 0.0)[0]) and math.isnan(values(-800.0, 800.0)[0])


@pytest.mark.parametrize(("K", "N", "eta"), [(4, 2, 211), (4, 2, 400), (8, 6, 820), (8, 6, 2000), (3, 4, 231)])
def test_a_cycle_is_one(K: int, N: int, eta: int) -> None:
    """One step of the face takes each point to the other: the balls overlap, and the points are certainly two."""
    rest = rest_at(K, N)
    cycle = two_cycle(rest, sp.Integer(eta))
    ball = ARITHMETICS["ball"]
    (y,), (update,) = rest.face.coordinates, rest.face.updates
    (first,), (second,) = cycle.places
    with ball.working(60):
        step = compile_expressions([y + eta * update], [y], ball, 60)
        assert step(first)[0].overlaps(second) and step(second)[0].overlaps(first)
        assert not first.overlaps(second)


def test_a_step_size_inside_the_ball_is_undecided() -> None:
    """192 is the bound at K = 4, N = 2, and no ball can say on which side of itself it lies."""
    rest = rest_at(4, 2)
    with pytest.raises(UndecidedError):
        rest.attracts(sp.Integer(192))
    with pytest.raises(InputError, match="attracts"):
        two_cycle(rest, sp.Integer(100))


@pytest.mark.parametrize(
    ("family", "values", "kind"),
    [
        ("huang2024.balanced", {"K": 4, "N": 5}, DerivationError),
        (RARE, {"K": 4, "N": "inf", "p1": "1/2"}, DerivationError),
        (RARE, {"K": 4, "N": 1, "p1": "1/2"}, DerivationError),
        (RARE, {"K": 4, "N": 10**7, "p1": "1/2"}, BudgetError),
        (RARE, {"K": 4}, DerivationError),
    ],
)
def test_what_has_no_rest_is_refused(family: str, values: dict, kind: type[Exception]) -> None:
    """One scalar, infinite prompts, single tokens, prompts too long to weigh, open parameters."""
    with pytest.raises(kind):
        rest_of(reduce_system(load_system(family)(**values)))


def test_a_quadratic_loss_without_faces() -> None:
    """Linear attention, whose loss is quadratic: rest at A = p/q, B = 0, bound 2/(p q); both rates are equal."""
    space: dict = {"__name__": "example"}
    exec(compile((ROOT / "examples" / "linear_attention.py").read_text(encoding="utf-8"), "example", "exec"), space)
    rest = rest_of(reduce_system(space["linear_attention"](K=4, N=6)))
    p = Fraction(1, 4)
    q = p**2 + p * (1 - p) / 6
    assert rest.face.escaping == {}
    assert [float(y) for y in rest.place] == pytest.approx([float(p / q), 0], abs=1e-20)
    assert holds(rest.bound, 2 / (p * q))


@pytest.mark.slow
def test_several_queries_with_a_face_each(tmp_path: Path) -> None:
    """Four features of their own: each query's own score escapes, eight differences rest; the least loss by descent."""
    file = tmp_path / "four.toml"
    file.write_text(FOUR, encoding="utf-8")
    found = answer("stability", str(file))
    assert len(found["escaping"]) == 4 and len(found["minimiser"]) == 8
    below = answer("trace", str(file), "--eta", "300", "--steps", "300", "--arithmetic", "float64")
    assert float(below["loss"]["mid"]) == pytest.approx(float(found["loss"]["mid"]), rel=1e-3)


def test_the_command_prints_what_the_library_finds() -> None:
    """Place, curvature, bound; with a step size above the bound also the cycle."""
    words = ("stability", RARE, "--set", "K=8", "--set", "N=6", "--set", "p1=1/2")
    found = answer(*words, "--eta", "820", "--dps", "40")
    rest = rest_at(8, 6)
    assert found["step_size_bound"]["mid"].startswith("742.77270036775030971772127640")
    assert float(found["curvature"]["mid"]) == pytest.approx(float(rest.curvature), rel=1e-15)
    assert (found["guarantee"], found["attracts"], found["cycle"]["attracts"]) == ("certified", False, True)
    assert found["digits"] >= 39 and found["escaping"] == {"A - B": "inf"}
    shown = run(*words).stdout
    assert "step size bound  742.772" in shown and "repels" not in shown
    assert answer(*words, "--eta", "700")["attracts"] is True


@pytest.mark.parametrize(
    ("words", "code", "part"),
    [
        (("--set", "K=8", "--set", "N=1", "--set", "p1=1/2"), 2, "two tokens"),
        (("--set", "K=8", "--set", "N=inf", "--set", "p1=1/2"), 2, "does not move"),
        (("--set", "K=8", "--set", "N=0", "--set", "p1=1/2"), 2, "N"),
        (("--set", "K=8", "--set", "N=6"), 2, "p1"),
        (("--set", "K=8", "--set", "N=6", "--set", "p1=1"), 2, "p1"),
        (("--set", "K=8", "--set", "N=10**8", "--set", "p1=1/2"), 4, "too long"),
        (("--set", "K=8", "--set", "N=6", "--set", "p1=1/2", "--eta", "0"), 2, "--eta"),
        (("--set", "K=8", "--set", "N=6", "--set", "p1=1/2", "--eta", "inf"), 2, "--eta"),
        (("--set", "K=8", "--set", "N=6", "--set", "p1=1/2", "--dps", "2"), 2, "--dps"),
        (("--set", "K=8", "--set", "N=6", "--set", "p1=1/2", "--dps", "x"), 2, "--dps"),
        (("--set", "K=4", "--set", "N=2", "--set", "p1=1/2", "--eta", "192"), 4, "cannot be told"),
    ],
)
def test_bad_input_ends_in_a_clear_error(words: tuple[str, ...], code: int, part: str) -> None:
    """One line that names the option or the parameter."""
    assert part in refusal("stability", RARE, *words, code=code)


def test_other_systems_are_refused() -> None:
    """One scalar, an open law, arrays instead of orbits, no such system."""
    assert "falls along every coordinate" in refusal("stability", "huang2024.balanced", "--set", "K=8", "--set", "N=6")
    assert "law" in refusal("stability", "huang2024.generic", "--set", "K=8", "--set", "N=6")
    assert "no such system" in refusal("stability", "huang2024.nothing")
