"""Number types: what goes in is exact, what comes out is exact, enclosed or correctly rounded, and nothing leaks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from unittest import mock

import flint
import mpmath
import numpy as np
import pytest
import sympy
from flint import arb, fmpq, fmpz
from hypothesis import given
from hypothesis import strategies as st

from symicl.arithmetic import (
    ARITHMETICS,
    EXACT_DIGITS,
    MAX_DPS,
    Arithmetic,
    BallArithmetic,
    Float64Arithmetic,
    Guarantee,
    MpArithmetic,
    RationalArithmetic,
    arithmetic,
    check_dps,
)
from symicl.errors import DerivationError, InputError, SymiclError, UndecidedError

RATIONAL, BALL, MP, FLOAT64 = RationalArithmetic(), BallArithmetic(), MpArithmetic(), Float64Arithmetic()
EVERY = pytest.mark.parametrize("numbers", ARITHMETICS.values(), ids=ARITHMETICS.keys())

LOG10_2 = Fraction("0.30102999566398119521373889472449302676818988146211")

rationals = st.builds(Fraction, st.integers(-(10**40), 10**40), st.integers(1, 10**40))
dyadics = st.builds(lambda m, e: arb(m) * arb(2) ** e, st.integers(-(2**50), 2**50), st.integers(-500, 500))
balls = st.builds(lambda mid, rad: arb(mid, abs(rad).mid()), dyadics, dyadics)


@pytest.fixture(autouse=True)
def default_precision() -> Iterator[None]:
    """Every test starts from, and leaves, flint's default precision."""
    assert flint.ctx.prec == 53
    yield
    assert flint.ctx.prec == 53


def exact(x: arb) -> Fraction:
    """The value of an exact ball, without any rounding."""
    m, e = (int(part) for part in x.man_exp())
    return Fraction(m) * Fraction(2) ** e


def ends(x: arb) -> tuple[Fraction, Fraction]:
    """Both ends of a ball, exactly."""
    return exact(x.mid()) - exact(x.rad()), exact(x.mid()) + exact(x.rad())


def contains(ball: arb, value: Fraction) -> bool:
    """Whether the exact value lies in the ball, decided in exact arithmetic."""
    low, high = ends(ball)
    return low <= value <= high


def from_mpf(x: mpmath.mpf) -> Fraction:
    """The exact value of an mpmath float."""
    sign, m, e, _ = x._mpf_  # man_exp drops the sign
    return Fraction(-int(m) if sign else int(m)) * Fraction(2) ** int(e)


# -- exact in -------------------------------------------------------------------------------------------------------


@EVERY
@pytest.mark.parametrize(
    "value", [0.1, 1.0, "1/10", None, True, 1j, Decimal("0.1"), sympy.Float("0.1"), sympy.pi, sympy.Symbol("p"), arb(1)]
)
def test_what_is_not_exact_is_refused(numbers: Arithmetic, value: object) -> None:
    """A float, text, a truth value or a symbol never becomes a number silently."""
    with pytest.raises(TypeError, match=r"not an exact number: .*Fraction\(1, 10\)"):
        numbers.number(value)


@EVERY
@pytest.mark.parametrize("value", [Fraction(-7, 4), fmpq(-7, 4), sympy.Rational(-7, 4)])
def test_every_exact_type_gives_the_same_number(numbers: Arithmetic, value: object) -> None:
    """-7/4 fits every arithmetic, whichever type brings it."""
    assert numbers.number(value) * 4 == -7


@EVERY
@pytest.mark.parametrize("value", [12, fmpz(12), sympy.Integer(12), np.int64(12)])
def test_every_integer_type_gives_the_same_number(numbers: Arithmetic, value: object) -> None:
    """Integers of every library are exact values too."""
    assert numbers.number(value) == 12


@given(rationals)
def test_balls_enclose_the_exact_value(value: Fraction) -> None:
    """The ball of p/q contains p/q and loses no more than the last of 53 bits."""
    ball = BALL.number(value)
    assert contains(ball, value)
    assert exact(ball.rad()) <= abs(value) / 2**51


@given(rationals, st.integers(1, 60))
def test_mp_and_float64_round_correctly(value: Fraction, dps: int) -> None:
    """No float of the same precision is nearer than half a unit in the last place; the rational is the value."""
    assert Fraction(int((r := RATIONAL.number(value)).p), int(r.q)) == value
    assert FLOAT64.number(value) == float(value)
    with MP.working(dps):
        x = MP.number(value)
        assert abs(from_mpf(x) - value) <= abs(value) / 2 ** mpmath.libmp.dps_to_prec(dps)
    with MP.working(15):
        assert float(MP.number(value)) == float(value)


def test_one_tenth_as_a_float_is_not_one_tenth() -> None:
    """The known trap: arb(0.1) misses 1/10, number(1/10) holds it."""
    assert not contains(arb(0.1), Fraction(1, 10))
    assert contains(BALL.number(Fraction(1, 10)), Fraction(1, 10))


# -- functions ------------------------------------------------------------------------------------------------------


@given(st.fractions(-50, 50, max_denominator=10**6), st.sampled_from(["exp", "log", "sqrt"]))
def test_balls_contain_the_reference(value: Fraction, name: str) -> None:
    """A 53-bit ball contains mpmath's 40-digit value, itself off by less than 1e-35 of the scale; float64 is near.

    The scale is what a relative error in the argument can move: |x| exp x, sqrt x, or 1 for log x, plus the value
    itself. float64 gets 4 units of it: half for the argument's rounding, the rest for the C library.
    """
    value = value if name == "exp" else abs(value) + Fraction(1, 10**6)
    with MP.working(40):
        reference = from_mpf(getattr(MP, name)(MP.number(value)))
    scale = abs(reference) + {"exp": abs(value) * reference, "sqrt": reference, "log": Fraction(1)}[name]
    low, high = ends(getattr(BALL, name)(BALL.number(value)))
    assert low - scale / 10**35 <= reference <= high + scale / 10**35
    got = Fraction(getattr(FLOAT64, name)(FLOAT64.number(value)))
    assert abs(got - reference) <= 4 * scale / 2**52


@pytest.mark.parametrize("numbers", [BALL, MP, FLOAT64], ids=lambda a: a.name)
def test_below_zero_there_is_no_real_root_or_logarithm(numbers: Arithmetic) -> None:
    """NaN, as in IEEE: neither an exception nor a complex number that slips through."""
    for f in (numbers.log, numbers.sqrt):
        assert not numbers.is_finite(f(numbers.number(-1)))
        assert str(f(numbers.number(-1))) == "nan"
    assert not numbers.is_finite(numbers.log(numbers.number(0)))


def test_exponentials_do_not_overflow_loudly() -> None:
    """Exp never raises: float64 goes to infinity, the others keep their exponent."""
    assert FLOAT64.exp(1000.0) == math.inf
    assert FLOAT64.exp(-1000.0) == 0.0
    assert BALL.is_finite(BALL.exp(BALL.number(10**9)))
    assert MP.is_finite(MP.exp(MP.number(10**9)))


def test_rational_functions_only_where_the_value_is_rational() -> None:
    """Exact or refused, with the arithmetic to use instead."""
    assert RATIONAL.exp(fmpq(0)) == 1
    assert RATIONAL.log(fmpq(1)) == 0
    assert RATIONAL.sqrt(fmpq(4, 9)) == fmpq(2, 3)
    assert RATIONAL.sqrt(fmpq(0)) == 0
    cases: list[tuple[Callable[[fmpq], fmpq], fmpq]] = [
        (RATIONAL.exp, fmpq(1, 10**30)),
        (RATIONAL.log, fmpq(2)),
        (RATIONAL.log, fmpq(0)),
        (RATIONAL.sqrt, fmpq(2)),
        (RATIONAL.sqrt, fmpq(4, 3)),
        (RATIONAL.sqrt, fmpq(-4)),
    ]
    for f, x in cases:
        with pytest.raises(DerivationError, match="use the ball arithmetic"):
            f(x)


def test_fetching_exp_costs_no_wrapper() -> None:
    """The hot loop calls flint's own method."""
    assert BALL.exp is arb.exp


# -- precision ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dps", [1, 15, 16, 50, 333, 2000])
def test_working_precision_is_what_was_asked(dps: int) -> None:
    """1/3 comes out with an error below 10**-dps, relative, and not a hundred times better."""
    third = Fraction(1, 3)
    with BALL.working(dps), MP.working(dps):
        ball, reference = BALL.number(third), MP.number(third)
        assert from_mpf(reference) != third
        assert abs(from_mpf(reference) - third) < third / 10**dps
    assert third / Fraction(10) ** (dps + 3) < exact(ball.rad()) < third / Fraction(10) ** (dps - 1)
    assert dps - 1 <= BALL.relative_digits(ball) <= dps + 2


@EVERY
def test_precision_comes_back(numbers: Arithmetic) -> None:
    """On leaving, on an exception, and when nested; the global contexts of flint and mpmath as they were."""
    reference_bits = mpmath.mp.prec
    value = numbers.number(2)
    before = str(numbers.number(1) / 3)
    with flint.ctx.workprec(77):
        with pytest.raises(ZeroDivisionError), numbers.working(30), numbers.working(200):
            assert mpmath.mp.prec == reference_bits
            raise ZeroDivisionError
        assert flint.ctx.prec == 77
        with numbers.working(30):
            with numbers.working(200):
                pass
            inner = numbers.as_json(value / 3, 40)
        with numbers.working(30):
            assert numbers.as_json(value / 3, 40) == inner
        assert flint.ctx.prec == 77
    assert str(numbers.number(1) / 3) == before
    assert mpmath.mp.prec == reference_bits


def test_mp_ignores_the_global_precision_of_mpmath() -> None:
    """Somebody else's mpmath.mp.dps changes nothing here."""
    with MP.working(40):
        expected = MP.exp(MP.number(1))
        with mpmath.mp.workdps(5):
            assert MP.exp(MP.number(1)) == expected
            assert MP.number(1) / 3 == MP.number(Fraction(1, 3))


@EVERY
@pytest.mark.parametrize("dps", [0, -1, MAX_DPS + 1, 10**30, 50.0, True, "50"])
def test_impossible_precision_is_refused(numbers: Arithmetic, dps: int) -> None:
    """Refused before anything changes, quoting what was given and the ceiling."""
    for use in (check_dps, lambda n: numbers.working(n).__enter__(), lambda n: numbers.as_json(numbers.number(1), n)):
        with pytest.raises(InputError) as caught:
            use(dps)
        assert repr(dps) in str(caught.value)
        assert str(MAX_DPS) in str(caught.value)
    assert (check_dps(1), check_dps(MAX_DPS)) == (1, MAX_DPS)


# -- comparisons ----------------------------------------------------------------------------------------------------


@given(balls, balls)
def test_ball_comparisons_are_three_valued(x: arb, y: arb) -> None:
    """True only if every pair of points agrees, False only if every pair disagrees, an error otherwise."""
    (x_low, x_high), (y_low, y_high) = ends(x), ends(y)
    for compare, always, never in (
        (BALL.less, x_high < y_low, x_low >= y_high),
        (BALL.less_equal, x_high <= y_low, x_low > y_high),
    ):
        if always or never:
            assert compare(x, y) is always
        else:
            with pytest.raises(UndecidedError):
                compare(x, y)


def test_touching_and_overlapping_balls() -> None:
    """A ball and its own upper end: at most, certainly; below, undecided. The error shows both and says what to do."""
    third = arb(1) / 3
    with BALL.working(50):
        top = third.mid() + third.rad()
    assert exact(top) == ends(third)[1]
    assert BALL.less_equal(third, top)
    with pytest.raises(UndecidedError, match=r"x = 0\.333333333333333 ± 3\.\d\dE-16, .*raise the working precision"):
        BALL.less(third, top)
    with pytest.raises(UndecidedError, match=r"y = 0"):
        BALL.less(arb(0, 1), 0)


@pytest.mark.parametrize("numbers", [BALL, MP, FLOAT64], ids=lambda a: a.name)
def test_nan_is_undecided(numbers: Arithmetic) -> None:
    """NaN is neither below nor above anything, and does not quietly say no."""
    one, nan = numbers.number(1), numbers.sqrt(numbers.number(-1))
    for compare in (numbers.less, numbers.less_equal):
        for pair in ((one, nan), (nan, one), (nan, nan)):
            with pytest.raises(UndecidedError):
                compare(*pair)


@EVERY
def test_points_compare_as_numbers(numbers: Arithmetic) -> None:
    """Exact points are always decided, equal ones too."""
    one, two = numbers.number(1), numbers.number(2)
    assert numbers.less(one, two) and numbers.less_equal(one, two) and numbers.less_equal(one, one)
    assert not (numbers.less(two, one) or numbers.less_equal(two, one) or numbers.less(one, one))


@given(balls, balls)
def test_the_hull_contains_both(x: arb, y: arb) -> None:
    """Both balls, end to end, exactly."""
    low, high = ends(BALL.hull(x, y))
    assert low <= min(ends(x)[0], ends(y)[0])
    assert high >= max(ends(x)[1], ends(y)[1])


@pytest.mark.parametrize("numbers", [RATIONAL, MP, FLOAT64], ids=lambda a: a.name)
def test_points_have_no_hull(numbers: Arithmetic) -> None:
    """A hull of points would forget that it is an interval."""
    with pytest.raises(TypeError, match="needs the ball arithmetic"):
        numbers.hull(numbers.number(1), numbers.number(2))


# -- printing -------------------------------------------------------------------------------------------------------


def read(parts: dict[str, str | None]) -> tuple[Fraction, Fraction]:
    """Midpoint and radius out of JSON, exactly."""
    assert parts["mid"] is not None and parts["rad"] is not None
    return Fraction(Decimal(parts["mid"])), Fraction(Decimal(parts["rad"]))


@given(balls, st.integers(1, 40))
def test_json_contains_the_ball_and_is_tight(x: arb, digits: int) -> None:
    """The decimal interval contains the ball; its radius is the ball's plus the rounding of mid, up to 1 %."""
    parts = BALL.as_json(x, digits)
    mid, rad = read(parts)
    low, high = ends(x)
    assert mid - rad <= low and high <= mid + rad
    rounding = abs(exact(x.mid()) - mid)
    assert 2 * rounding <= Fraction(10) ** (1 - digits) * abs(exact(x.mid()))
    assert rad <= (exact(x.rad()) + rounding) * Fraction(101, 100)
    assert len(Decimal(parts["mid"] or "").as_tuple().digits) <= digits
    assert len(Decimal(parts["rad"] or "").as_tuple().digits) <= 3
    with mpmath.mp.workdps(60):
        assert abs(from_mpf(mpmath.mpf(parts["mid"])) - mid) <= abs(mid) / 10**59


@given(balls, st.integers(1, 40))
def test_json_through_the_other_route_contains_the_ball_too(x: arb, digits: int) -> None:
    """The route of far exponents, forced on ordinary balls: an enclosure, wider by 10**-(digits + 15) at most."""
    with mock.patch("symicl.arithmetic.ball._EXACT_BITS", -(10**6)):
        mid, rad = read(BALL.as_json(x, digits))
    low, high = ends(x)
    assert mid - rad <= low and high <= mid + rad
    centre, radius = abs(exact(x.mid())), exact(x.rad())
    rounding = Fraction(10) ** (1 - digits) * centre / 2 + max(centre, radius) / 10 ** (digits + 15)
    assert rad <= (radius + rounding) * Fraction(101, 100)


@pytest.mark.parametrize(
    ("x", "digits", "mid", "rad"),
    [
        (arb(0), 5, "0", "0"),
        (arb(1) / 2, 5, "0.5", "0"),
        (-arb(1) / 2, 5, "-0.5", "0"),
        (arb(12345), 3, "1.23E+4", "45"),
        (arb(99999), 3, "1.00E+5", "1"),
        (arb(-99999), 3, "-1.00E+5", "1"),
        # arb() itself rounds a radius up, by 2**-29 of it.
        (arb(0, 1), 5, "0", "1.01"),
        (arb(7, 99999), 5, "7.0000", "1.00E+5"),
        (arb("nan"), 5, "0", "inf"),
        (arb("inf"), 5, "0", "inf"),
        (arb(1, float("inf")), 5, "0", "inf"),
    ],
)
def test_json_of_known_balls(x: arb, digits: int, mid: str, rad: str) -> None:
    """Zero, halves, ties that carry into a new digit, and what is not finite."""
    assert BALL.as_json(x, digits) == {"mid": mid, "rad": rad}


@pytest.mark.parametrize("bits", [10**6, 3 * 10**6, 10**15, 10**17])
@pytest.mark.parametrize("sign", [1, -1])
def test_json_of_far_exponents(bits: int, sign: int) -> None:
    """2**(±bits) prints at once, to the place its logarithm says, and to all the digits asked for."""
    parts = BALL.as_json(arb(2) ** (sign * bits), 20)
    mid, rad = Decimal(parts["mid"] or ""), Decimal(parts["rad"] or "")
    assert mid.adjusted() == math.floor(sign * bits * LOG10_2)
    assert len(mid.as_tuple().digits) == 20
    assert rad > 0
    assert rad.adjusted() <= mid.adjusted() - 15


def test_json_beyond_what_decimal_reads_is_still_an_enclosure() -> None:
    """Past 10**17 places: 0 within a radius that covers the ball, or that says nothing."""
    assert BALL.as_json(arb(2) ** fmpz(10) ** 30, 10) == {"mid": "0", "rad": "inf"}
    tiny = BALL.as_json(arb(2) ** -(fmpz(10) ** 30), 10)
    assert tiny["mid"] == "0"
    assert Decimal(tiny["rad"] or "") > 0
    wide = BALL.as_json(arb(1, arb(2) ** -(fmpz(10) ** 30)), 10)
    assert Decimal(wide["mid"] or "") == 1
    assert 0 < Decimal(wide["rad"] or "") < Decimal("1e-20")


def test_json_of_points() -> None:
    """Mp and float64 bound no error and say so with null; a rational is itself."""
    with MP.working(30):
        assert MP.as_json(MP.number(Fraction(2, 3)), 10) == {"mid": "0.6666666667", "rad": None}
    assert FLOAT64.as_json(0.1, 3) == {"mid": "0.1", "rad": None}
    assert RATIONAL.as_json(fmpq(-2, 3), 3) == {"mid": "-2/3", "rad": "0"}
    assert RATIONAL.as_json(fmpq(10**6000), 3)["mid"] == "1" + "0" * 6000


# -- how good it is -------------------------------------------------------------------------------------------------


@given(balls)
def test_relative_digits_are_the_logarithm(x: arb) -> None:
    """10**d rad <= |mid| < 10**(d+1) rad, with the cap and the zeros as stated."""
    mid, rad, digits = abs(exact(x.mid())), exact(x.rad()), BALL.relative_digits(x)
    if rad == 0:
        assert digits == EXACT_DIGITS
    elif mid <= rad:
        assert digits == 0
    else:
        assert 10**digits * rad <= mid < 10 ** (digits + 1) * rad


@pytest.mark.parametrize("exponent", [-(10**6), 10**6, -(10**18), 10**18])
def test_relative_digits_do_not_see_the_exponent(exponent: int) -> None:
    """A common factor of 2**exponent, far outside float range, changes nothing."""
    scale = arb(2) ** exponent
    assert BALL.relative_digits(arb(1000, 1) * scale.mid()) == BALL.relative_digits(arb(1000, 1) * 1) in (2, 3)
    assert BALL.relative_digits(scale.mid()) == EXACT_DIGITS
    against_one = {-(10**6): 301029, -(10**18): EXACT_DIGITS}  # 10**6 log10(2) = 301029.99...
    assert BALL.relative_digits(arb(1, scale.mid())) == against_one.get(exponent, 0)


def test_relative_digits_elsewhere() -> None:
    """Nothing certain in an unbounded ball, everything in a rational, no answer where no error is bounded."""
    assert BALL.relative_digits(arb("nan")) == BALL.relative_digits(arb(1, float("inf"))) == 0
    assert BALL.relative_digits(arb(0)) == RATIONAL.relative_digits(fmpq(1, 3)) == EXACT_DIGITS
    assert MP.relative_digits(MP.number(1)) is None
    assert FLOAT64.relative_digits(1.0) is None


@EVERY
@given(value=rationals)
def test_to_float_is_the_nearest(numbers: Arithmetic, value: Fraction) -> None:
    """At 60 digits the midpoint is the value to far more than a float holds: at most one rounding apart."""
    with numbers.working(60):
        assert numbers.to_float(numbers.number(value)) == pytest.approx(float(value), rel=2**-52, abs=0)


@EVERY
def test_to_float_overflows_to_infinity(numbers: Arithmetic) -> None:
    """10**400 is beyond a float and still no error; only float64 calls it infinite."""
    for sign in (1, -1):
        big = numbers.number(sign * 10**400)
        assert numbers.to_float(big) == sign * math.inf
        assert numbers.is_finite(big) is (numbers != FLOAT64)


# -- the listing ----------------------------------------------------------------------------------------------------


def test_the_listing_and_the_guarantees() -> None:
    """Names find their arithmetic, unknown ones are answered with the known, and the weakest link wins."""
    assert list(ARITHMETICS) == ["rational", "ball", "mp", "float64"]
    assert all(arithmetic(name).name == name for name in ARITHMETICS)
    assert [a.guarantee.label for a in ARITHMETICS.values()] == ["certified", "certified", "supported", "supported"]
    assert min(Guarantee.CERTIFIED, Guarantee.SUPPORTED) is Guarantee.SUPPORTED
    with pytest.raises(SymiclError, match=r"'decimal'.*rational, ball, mp, float64"):
        arithmetic("decimal")
