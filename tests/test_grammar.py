"""Exact values and the expression grammar."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import pytest
import sympy
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from symicl.errors import InputError
from symicl.grammar import (
    Condition,
    exact,
    format_expression,
    parse_condition,
    parse_expression,
    parse_integer,
    parse_value,
)

x, y = sympy.symbols("x y", positive=True)
z = sympy.Symbol("z", real=True)
NAMES = {"x": x, "y": y, "z": z}
quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def settled(expr: sympy.Expr) -> sympy.Expr:
    """Rebuild from the leaves until nothing changes: SymPy's own constructors leave Abs(Abs(z)) and 3*sqrt(2)*(1/9)."""
    rebuilt = expr.func(*(settled(argument) for argument in expr.args)) if expr.args else expr
    return expr if rebuilt == expr else settled(rebuilt)


HOSTILE = [
    "__import__('os')",
    "exec('1')",
    "(lambda: 0)()",
    "lambda: 0",
    "a.b",
    "x.free_symbols",
    "x[0]",
    "[1]",
    "{1}",
    "{}",
    "(1, 2)",
    "1, 5",
    "()",
    "*x",
    "exp(*x)",
    "exp(**x)",
    "x if y else z",
    "x or y",
    "1or 2",
    "not x",
    "~x",
    "x := 1",
    "(x := 1)",
    "x; y",
    "x = 1",
    "x # y",
    "f'{x}'",
    "'x'",
    "b'x'",
    "'\\d'",
    "True",
    "None",
    "...",
    "true",
    "nan",
    "1j",
    "0x10",
    "0b1",
    "1__0",
    "007",
    "2x",
    "x y",
    "x ^ 2",
    "x // 2",
    "x % 2",
    "x @ y",
    "x << 2",
    "x < 1",
    "x == 1",
    "[x for x in y]",
    "",
    " \n ",
    ".",
    "+",
    "(",
    "x\x00",
    "\ud800",
    "²",
    "１",
    "√x",
    "x−1",  # a minus sign, not a hyphen
    "(" * 5000,
    "(" * 5000 + "x" + ")" * 5000,
    "-" * 90_000 + "x",
    "+" * 5000 + "x",
    "exp(" * 300 + "x",
    "exp(" * 199 + "sqrt(" * 2 + "x" + ")" * 201,
    "1+" * 50_001,
    "x+" * 21_000 + "x",
    "9" * 4001,
    "9" * 50_000,
    "0." + "3" * 4001,
    "10**10**10",
    "9**99999999",
    "x**10**9",
    "x**1001",
    "x**-1001",
    "x**500*x**501",
    "(x**1000)**1000",
    "((2**1000)**1000)**1000",
    "(x*10**900)**900",
    "2**(10**100/3)",
    "2**(10**9*sqrt(2))",
    "exp(10**9*log(2))",
    "exp(x + 10**9*log(2))",
    "exp(exp(exp(exp(exp(1000)))))",
    "sqrt(9**900 + 1)",
    "1e999999999",
    "1e-999999999",
    "0e99999999999999999999",
    "1e4000",
    "max(" + ",".join(f"x + {i}*z" for i in range(500)) + ")",
    "+".join(f"1/(9**900 + {i})" for i in range(200)),
    "1/0",
    "x/0",
    "x/(y - y)",
    "x/(1/0)",
    "0**-1",
    "log(0)",
    "inf - inf",
    "0*inf",
    "x + inf*(y - y)",
    "log(-1)",
    "log(-x)",
    "sqrt(-1)",
    "sqrt(-x)",
    "(-8)**(1/3)",
    "x**inf",
    "exp()",
    "exp(x, y)",
    "exp(x, y=1)",
    "log(x, 2)",
    "max()",
    "max(x, default=1)",
    "E(x, trials=3, n=1/2)",
    "sin(x)",
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text)[:30])
@pytest.mark.parametrize(
    "parse", [lambda text: parse_expression(text, NAMES), parse_value], ids=["expression", "value"]
)
def test_hostile_text_is_refused_at_once(parse: Callable[[str], Any], text: str) -> None:
    """What is not in the grammar, or too large, is an InputError (and ends at all), with a remedy and a short quote."""
    with pytest.raises(InputError) as caught:
        parse(text)
    assert caught.value.remedy and caught.value.where
    assert len(str(caught.value)) < 900
    str(caught.value).encode()  # printable on any terminal: no lone surrogate, no control character
    assert "\x00" not in str(caught.value)


tokens = [
    "x",
    "y",
    "z",
    "0",
    "1",
    "2",
    "10",
    ".5",
    "1e3",
    "+",
    "-",
    "*",
    "/",
    "**",
    "(",
    ")",
    ",",
    "inf",
    "exp(",
    "log(",
    "sqrt(",
    "abs(",
    "min(",
    "max(",
    "#",
    "=",
    "<",
    "'",
    ".",
    "_",
    "^",
]


@given(st.text(max_size=30) | st.lists(st.sampled_from(tokens), max_size=12).map("".join))
@quick
def test_any_text_reads_or_is_an_input_error(text: str) -> None:
    """No text whatever raises anything but InputError, and what is read can be printed and read again."""
    try:
        value = parse_expression(text, NAMES)
    except InputError:
        return
    assert settled(parse_expression(format_expression(value), NAMES)) == settled(value)


# --- values -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7/10", sympy.Rational(7, 10)),
        ("0.3", sympy.Rational(3, 10)),
        (".5", sympy.Rational(1, 2)),
        ("5.", sympy.Integer(5)),
        ("10**20", sympy.Integer(10**20)),
        ("1e20", sympy.Integer(10**20)),
        ("1E+2", sympy.Integer(100)),
        ("1.5e-3", sympy.Rational(3, 2000)),
        ("-2", sympy.Integer(-2)),
        ("-2**2", sympy.Integer(-4)),
        ("2**-3", sympy.Rational(1, 8)),
        ("1_000", sympy.Integer(1000)),
        ("1 - 2/3 - 1/3", sympy.Integer(0)),
        ("  3\n", sympy.Integer(3)),
        ("10**3999", sympy.Integer(10**3999)),
        ("1e3999", sympy.Integer(10**3999)),
        ("9" * 4000, sympy.Integer(10**4000 - 1)),
        ("1**99999999", sympy.Integer(1)),
        ("0.1234567890123456789012345", sympy.Rational(1234567890123456789012345, 10**25)),
        ("inf", sympy.oo),
        ("+inf", sympy.oo),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_value_is_the_number_written(text: str, value: sympy.Number) -> None:
    """A decimal is its exact fraction, never its nearest float."""
    assert parse_value(text) == value


@pytest.mark.parametrize(
    "text", ["-inf", "inf + 1", "1/inf", "oo", "Inf", "x", "2**0.5", "4**(1/2)", "exp(0)", "10**4000"]
)
def test_a_value_is_nothing_symbolic(text: str) -> None:
    """Names, functions, roots and arithmetic on infinity are not values, even where they would have an exact value."""
    with pytest.raises(InputError):
        parse_value(text)


@given(st.fractions(), st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30))
@quick
def test_values_agree_with_fractions(fraction: Fraction, decimal: Any) -> None:
    """Reading str(value) of a Fraction or a Decimal gives that same number (the independent oracle is Fraction)."""
    assume(abs(decimal.as_tuple().exponent) < 1000)
    for text in (str(fraction), str(decimal)):
        value = parse_value(text)
        assert Fraction(value.p, value.q) == Fraction(text)


def test_integers() -> None:
    """An integer-valued exact value is an int; anything else is refused."""
    assert [parse_integer(text) for text in ("12", "1e20", "6/3", "-1")] == [12, 10**20, 2, -1]
    assert type(parse_integer("12")) is int
    for text in ("1/2", "inf", "x"):
        with pytest.raises(InputError):
            parse_integer(text)


@pytest.mark.parametrize(
    ("value", "result"),
    [
        (3, sympy.Integer(3)),
        (Fraction(1, 3), sympy.Rational(1, 3)),
        ("0.1", sympy.Rational(1, 10)),
        (sympy.Rational(2, 3), sympy.Rational(2, 3)),
        (sympy.oo, sympy.oo),
    ],
)
def test_exact_accepts_exact_numbers(value: object, result: sympy.Number) -> None:
    """Exact numbers of every kind become the sympy number equal to them."""
    assert exact(value) == result and isinstance(exact(value), sympy.Number)


@pytest.mark.parametrize(
    "value", [True, 0.1, 1.0, float("nan"), float("inf"), sympy.Float("0.1"), 1j, None, x, -sympy.oo, []]
)
def test_exact_refuses_what_is_not(value: object) -> None:
    """A float is not exact even where it happens to be an integer; a bool is not a number."""
    with pytest.raises(InputError):
        exact(value)


def test_a_float_is_told_its_string() -> None:
    """The error says what to write instead."""
    with pytest.raises(InputError) as caught:
        exact(0.1)
    assert str(caught.value) == '0.1 is a float, not an exact number; write it as a string "1/10" or "0.1"'


# --- expressions --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("x - y - z", x - y - z),
        ("x / y / 2", x / y / 2),
        ("x - (y - z)", x - y + z),
        ("x / (y / z)", x * z / y),
        ("-x**2", -(x**2)),
        ("2**-x", 2 ** (-x)),
        ("x**y**2", x ** (y**2)),
        ("--x", x),
        ("+x", x),
        ("0.1*x", x / 10),
        ("x +\n\ty", x + y),
        ("exp(x)*exp(-x)", sympy.Integer(1)),
        ("exp(2*log(x))", x**2),
        ("sqrt(x) + x**(1/2)", 2 * sympy.sqrt(x)),
        ("abs(z) + min(x, y) + max(x, 1, z)", sympy.Abs(z) + sympy.Min(x, y) + sympy.Max(x, 1, z)),
        ("log(x)**2", sympy.log(x) ** 2),
        ("x**1000", x**1000),
        ("inf", sympy.oo),
        ("-inf", -sympy.oo),
        ("+".join(["x"] * 2500), 2500 * x),  # a long chain is not deep
        ("*".join(["x"] * 1000), x**1000),
        ("-" * 1001 + "x", -x),
    ],
    ids=lambda value: str(value)[:20],
)
def test_an_expression_is_what_sympy_makes_of_it(text: str, value: sympy.Expr) -> None:
    """Precedence and associativity are Python's; numbers are exact."""
    assert parse_expression(text, NAMES) == value


def test_names_are_the_callers() -> None:
    """A name is looked up in the mapping, with its assumptions, and in nothing else."""
    assert parse_expression("A_k + η", {"A_k": x, "η": sympy.Integer(1)}) == x + 1
    assert parse_expression("exp + E", {"exp": x, "E": y}) == x + y  # only a call means the function


def test_an_unknown_name_is_quoted_with_a_near_match() -> None:
    """The error names what was written, where, what is known and what may have been meant."""
    with pytest.raises(InputError) as caught:
        parse_expression(" η + losss", {"loss": x, "η": y, "A": z})
    assert "'losss'" in caught.value.problem
    assert caught.value.where == "' η + losss', column 6"
    assert caught.value.remedy == "did you mean 'loss'? known names: A, loss, η"


def test_a_long_text_is_quoted_around_the_column() -> None:
    """The quote is short and holds the place."""
    with pytest.raises(InputError) as caught:
        parse_expression("+".join(["x"] * 500) + "+oops+" + "+".join(["x"] * 500), NAMES)
    assert "oops" in caught.value.where and len(caught.value.where) < 90
    assert caught.value.where.endswith("column 1001")


# --- expectations -------------------------------------------------------------------------------------------------


class Mean(sympy.Expr):
    """A stand-in for an expectation node: body, trials, then (count, probability) pairs."""

    def _symicl_grammar(self, print: Callable[[sympy.Expr], str]) -> str:
        body, trials, *laws = self.args
        bound = "".join(f", {print(law[0])}={print(law[1])}" for law in laws)
        return f"E({print(body)}, trials={print(trials)}{bound})"


def mean(body: sympy.Expr, trials: sympy.Expr, laws: Mapping[sympy.Symbol, sympy.Expr]) -> sympy.Expr:
    """Build the stand-in."""
    return Mean(body, trials, *(sympy.Tuple(count, law) for count, law in laws.items()))


def test_an_expectation_binds_its_counts_in_the_body_alone() -> None:
    """The counts are nonnegative integer symbols; trials and probabilities are read outside their scope."""
    j = sympy.Symbol("j", integer=True, nonnegative=True)
    text = "1/2*x*E(j*exp(x)/(1 + j), trials=y + 1, j=1/x)**2"
    value = parse_expression(text, NAMES, expectation=mean)
    node = Mean(j * sympy.exp(x) / (1 + j), y + 1, sympy.Tuple(j, 1 / x))
    assert value == x * node**2 / 2
    assert parse_expression(format_expression(value), NAMES, expectation=mean) == value
    # A count hides an outer name in the body, and only there.
    shadowed = parse_expression("E(x, trials=3, x=x)", NAMES, expectation=mean)
    assert shadowed.args[0] != x and shadowed.args[2][1] == x
    with pytest.raises(InputError, match="unknown name 'j'"):
        parse_expression("E(j, trials=j, j=1/2)", NAMES, expectation=mean)
    with pytest.raises(InputError, match="unknown name 'j'"):
        parse_expression("E(j, trials=3, j=1/2) + j", NAMES, expectation=mean)


@pytest.mark.parametrize(
    "text",
    [
        "E()",
        "E(x)",
        "E(x, trials=3)",
        "E(x, n=1/2, trials=3)",
        "E(x, y, trials=3, n=1/2)",
        "E(x, trials=3, n=1/2, n=1/2)",
        "E(x, trials=3, trials=3)",
        "E(x, trials=3, inf=1/2)",
        "E(x, trials=3, **n)",
        "E(trials=3, n=1/2)",
    ],
)
def test_an_expectation_is_written_one_way(text: str) -> None:
    """One body, trials first, then each count once."""
    with pytest.raises(InputError, match="E"):
        parse_expression(text, NAMES, expectation=mean)


# --- conditions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("relation", ["<=", "<", ">=", ">"])
def test_a_condition_prints_back(relation: str) -> None:
    """str(condition) reads back as the same condition."""
    condition = parse_condition(f"x{relation}1/100 + y", NAMES)
    assert condition == Condition(x, relation, y + sympy.Rational(1, 100))
    assert parse_condition(str(condition), NAMES) == condition


@pytest.mark.parametrize(
    "text",
    ["x", "x == 1", "x != 1", "x < y < z", "x < 1 and y < 1", "x is y", "x in y", "x = 1", "x < (y < z)", "x < q", "<"],
)
def test_a_condition_has_exactly_one_inequality(text: str) -> None:
    """No chain, no equality, no logic."""
    with pytest.raises(InputError):
        parse_condition(text, NAMES)
    with pytest.raises(InputError):
        Condition(x, "==", y)


# --- printing -----------------------------------------------------------------------------------------------------

numbers = st.fractions(max_denominator=50, min_value=-50, max_value=50).map(
    lambda value: sympy.Rational(value.numerator, value.denominator)
)
leaves = numbers | st.sampled_from([x, y, z, sympy.Integer(1), sympy.Integer(-1)])


def _defined(expr: sympy.Expr) -> bool:
    return not expr.has(sympy.nan, sympy.zoo, sympy.I, sympy.pi)


def _grow(children: st.SearchStrategy[sympy.Expr]) -> st.SearchStrategy[sympy.Expr]:
    powers = st.sampled_from([-3, -2, -1, 2, 3]).map(sympy.Integer)
    bases = st.sampled_from([x, y, sympy.Rational(2, 3), sympy.E])
    small = children.filter(lambda part: bool(part.free_symbols)) | st.sampled_from([sympy.Integer(2), -sympy.S.Half])
    grown = st.one_of(
        st.lists(children, min_size=2, max_size=4).map(lambda parts: sympy.Add(*parts)),
        st.lists(children, min_size=2, max_size=4).map(lambda parts: sympy.Mul(*parts)),
        st.tuples(children, powers).map(lambda pair: pair[0] ** pair[1]),
        st.tuples(bases, small).map(lambda pair: pair[0] ** pair[1]),
        small.map(sympy.exp),
        children.map(sympy.Abs),
        children.map(lambda part: sympy.log(1 + sympy.Abs(part))),
        children.map(lambda part: sympy.sqrt(sympy.Abs(part))),
        st.tuples(children, children).map(lambda pair: sympy.Max(*pair)),
        st.tuples(children, children).map(lambda pair: sympy.Min(*pair)),
    )
    return grown.filter(_defined)


@given(st.recursive(leaves, _grow, max_leaves=6))
@quick
def test_printing_and_reading_is_the_identity(expr: sympy.Expr) -> None:
    """An expression comes back structurally equal, up to the simplifications that SymPy makes on rebuilding it."""
    assert settled(parse_expression(format_expression(expr), NAMES)) == settled(expr)


@pytest.mark.parametrize(
    ("expr", "text"),
    [
        (sympy.Rational(-2, 3), "-2/3"),
        (x ** sympy.Rational(2, 3), "x**(2/3)"),
        (sympy.Rational(2, 3) ** x, "(2/3)**x"),
        (sympy.E, "exp(1)"),
        (sympy.E * x**2, "exp(1)*x**2"),
        (sympy.exp(-x) / 2, "exp(-x)/2"),
        (sympy.oo, "inf"),
        (-sympy.oo, "-inf"),
        (sympy.sqrt(x), "sqrt(x)"),
        (1 / sympy.sqrt(x), "1/sqrt(x)"),
        (sympy.Abs(z), "abs(z)"),
        (sympy.Max(z, x), "max(x, z)"),
        (sympy.Min(z, x), "min(x, z)"),
        (sympy.Mul(2, x, y + z, evaluate=False), None),
        (-(y + z) * sympy.exp(x), None),
        (x / (2 * y * (x + z)), None),
        (10**400 * x + y / 10**400, None),
        (sympy.Rational(1, 3) * (x + z) ** -2, None),
    ],
)
def test_printed_forms(expr: sympy.Expr, text: str | None) -> None:
    """The text is plain, and reads back to the same structure: numbers are not distributed over sums."""
    printed = format_expression(expr)
    assert text is None or printed == text
    assert parse_expression(printed, NAMES) == expr


@pytest.mark.parametrize(
    "expr",
    [
        sympy.Float("0.1"),
        x + sympy.Float("0.1"),
        sympy.pi,
        sympy.I * x,
        sympy.nan,
        sympy.zoo,
        sympy.sin(x),
        sympy.Function("f")(x),
        sympy.Dummy("d"),
        sympy.Sum(x, (x, 1, 3)),
        x < y,
        x**1001,
        sympy.Integer(10) ** 5000,
        *sympy.symbols(["a b", "lambda", "inf", "µ", "x.y", "1x"]),
    ],
    ids=lambda expr: type(expr).__name__,
)
def test_what_cannot_be_read_back_is_not_printed(expr: sympy.Expr) -> None:
    """A class or a name outside the grammar is an error, never a guess."""
    with pytest.raises(InputError) as caught:
        format_expression(expr)
    assert caught.value.remedy


def test_a_class_outside_the_grammar_is_named() -> None:
    """The error says which class it was."""
    with pytest.raises(InputError, match="Float"):
        format_expression(sympy.Float("0.1") * x)
