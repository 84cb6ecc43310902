"""Exact values and symicl's own expression grammar: read from text, printed back.

Text is never evaluated. It is parsed by ``ast`` and the tree is walked with a whitelist, and every number is bounded
before it is computed, so that hostile text costs neither safety nor time. What the grammar holds: ``+ - * / **``,
parentheses, exact numbers (``0.3`` is 3/10), names, ``inf``, the functions exp, log, sqrt, abs, min, max, and an
expectation ``E(body, trials=N, n=p, ...)`` over counts. Values are real: what is not (``log(-1)``) is refused.
"""

from __future__ import annotations

import ast
import difflib
import keyword
import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import sympy
from sympy import S
from sympy.printing.str import StrPrinter

from symicl.errors import InputError

Expectation = Callable[[sympy.Expr, sympy.Expr, Mapping[sympy.Symbol, sympy.Expr]], sympy.Expr]

MAX_VALUE_LENGTH = 4096
MAX_EXPRESSION_LENGTH = 100_000
MAX_DIGITS = 4000
MAX_DEPTH = 200
MAX_NODES = 20_000
MAX_EXPONENT = 1000
MAX_ROOT_DIGITS = 100  # of a number under a root: SymPy looks for its factors
MAX_EXTREMUM_ARGUMENTS = 64  # SymPy compares the arguments of Min and Max pairwise
MAX_EXP_MAGNITUDE = 10**MAX_EXPONENT  # of a number under exp: more would need as many digits to evaluate

_CEILING = 10**MAX_DIGITS
_MAX_BITS = _CEILING.bit_length()
_MAX_ROOT_BITS = (10**MAX_ROOT_DIGITS).bit_length()
_QUOTE = 60
_LITERAL = re.compile(r"(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?", re.ASCII)
_RELATIONS: dict[type[ast.cmpop], str] = {ast.LtE: "<=", ast.Lt: "<", ast.GtE: ">=", ast.Gt: ">"}
_FUNCTIONS: dict[str, Callable[..., sympy.Expr]] = {
    "exp": sympy.exp,
    "log": sympy.log,
    "sqrt": sympy.sqrt,
    "abs": sympy.Abs,
    "min": sympy.Min,
    "max": sympy.Max,
}
_HINTS: dict[type[ast.AST], str] = {
    ast.BitXor: "write ** for a power",
    ast.FloorDiv: "write / for an exact quotient",
    ast.Compare: "a comparison is a condition, not an expression",
    ast.Tuple: "write one expression; a decimal point is '.'",
}
_ALLOWED = "use + - * / **, parentheses, exact numbers, names, exp, log, sqrt, abs, min, max"


# --- reading ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Source:
    """The user's text, and the stripped one-line form of it that ``ast`` saw."""

    text: str
    data: bytes
    lead: int

    def column(self, node: ast.AST) -> int:
        """The 1-based character column of a node in the user's text (``ast`` counts bytes)."""
        return self.lead + len(self.data[: getattr(node, "col_offset", 0)].decode()) + 1

    def segment(self, node: ast.expr) -> str:
        """The text of a node, so that a decimal is never read through a float."""
        return self.data[node.col_offset : node.end_col_offset].decode()

    def error(self, problem: str, node: ast.AST, remedy: str = "") -> InputError:
        """An InputError that quotes the text around a node."""
        return InputError(problem, where=_quote(self.text, self.column(node)), remedy=remedy)


def _quote(text: str, column: int | None = None) -> str:
    """A short printable quotation of the user's text, around a column where one is given."""
    start = max(0, min((column or 1) - _QUOTE // 2, len(text) - _QUOTE))
    shown = ascii(text[start : start + _QUOTE]) if not text.isprintable() else repr(text[start : start + _QUOTE])
    shown = ("..." if start else "") + shown + ("..." if start + _QUOTE < len(text) else "")
    return shown if column is None else f"{shown}, column {column}"


def _open(text: str, limit: int) -> tuple[_Source, ast.expr]:
    """Parse text to a tree; every way in which ``ast`` can fail becomes an InputError."""
    if not isinstance(text, str):
        raise InputError(f"expected text, got {type(text).__name__}", remedy="pass a string")
    if len(text) > limit:
        raise InputError(
            f"the text has {len(text)} characters, more than the {limit} allowed",
            where=_quote(text),
            remedy="shorten it",
        )
    line = re.sub(r"[\t\r\n]", " ", text)
    lead = len(line) - len(line.lstrip())
    line = line.strip()
    if not line:
        raise InputError("the text is empty", where=_quote(text), remedy="write a number or an expression")
    if "#" in line:
        raise InputError("a comment is not allowed", where=_quote(text, text.index("#") + 1), remedy="remove it")
    long = re.search(rf"[0-9][0-9_]{{{MAX_DIGITS},}}", line)
    if long:
        raise InputError(
            f"a number of more than {MAX_DIGITS} digits",
            where=_quote(text, lead + long.start() + 1),
            remedy="shorten it",
        )
    try:
        tree = ast.parse(line, mode="eval").body
    except SyntaxError as error:
        where = _quote(text, lead + (error.offset or 1))
        raise InputError(f"cannot read this: {error.msg}", where=where, remedy=_ALLOWED) from None
    except (RecursionError, MemoryError):
        raise InputError("the text is nested too deeply", where=_quote(text), remedy="shorten it") from None
    except ValueError as error:  # null bytes, lone surrogates
        raise InputError(f"cannot read this: {error}", where=_quote(text), remedy=_ALLOWED) from None
    nodes = sum(isinstance(node, ast.expr) for node in ast.walk(tree))
    if nodes > MAX_NODES:
        raise InputError(
            f"the expression has {nodes} nodes, more than the {MAX_NODES} allowed",
            where=_quote(text),
            remedy="split it",
        )
    return _Source(text, line.encode(), lead), tree


@dataclass(frozen=True)
class _Reader:
    """The whitelist walk. ``values`` restricts it to exact numbers: no names, no functions, integer exponents only."""

    source: _Source
    names: Mapping[str, sympy.Expr]
    expectation: Expectation | None = None
    values: bool = False

    def whole(self, node: ast.expr) -> sympy.Expr:
        """Read one side of the text and check what only the whole of it shows."""
        try:
            value = self.read(node, 1)
            if value.has(S.NaN, S.ComplexInfinity, S.ImaginaryUnit):
                raise self.source.error("the expression is undefined or not real", node, "remove the undefined part")
            for number in value.atoms(sympy.Rational):
                self._bounded(number, node)
            for power in value.atoms(sympy.Pow):
                if power.exp.is_Number and abs(power.exp) > MAX_EXPONENT:
                    raise self._exponent_error(power.exp, node)
        except RecursionError:
            raise self.source.error("the expression is nested too deeply", node, "split it") from None
        return value

    def read(self, node: ast.expr, depth: int) -> sympy.Expr:
        """Read one node; ``depth`` counts nesting, a chain of terms or of factors being one level."""
        if depth > MAX_DEPTH:
            raise self.source.error(f"the expression is nested more than {MAX_DEPTH} deep", node, "split it")
        match node:
            case ast.BinOp(op=ast.Add() | ast.Sub()):
                value = self._sum(node, depth)
            case ast.BinOp(op=ast.Mult() | ast.Div()) | ast.UnaryOp(op=ast.USub()):
                value = self._product(node, depth)
            case ast.BinOp(op=ast.Pow()):
                value = self._power(self.read(node.left, depth + 1), self.read(node.right, depth + 1), node)
            case ast.UnaryOp(op=ast.UAdd()):
                value = self.read(node.operand, depth + 1)
            case ast.Constant():
                value = self._literal(node)
            case ast.Name():
                value = self._name(node)
            case ast.Call():
                value = self._call(node, depth)
            case _:
                raise self._refuse(node)
        if value is S.NaN or value is S.ComplexInfinity:
            raise self.source.error("the value is undefined", node, "avoid log(0), 0*inf and inf-inf")
        self._bounded(value.as_coeff_Mul()[0], node)
        return value

    def _refuse(self, node: ast.expr) -> InputError:
        operator = getattr(node, "op", node)
        segment = self.source.segment(node)
        shown = repr(segment) if len(segment) <= _QUOTE // 2 else "this"
        problem = f"{shown} ({type(operator).__name__}) is not in the grammar"
        return self.source.error(problem, node, _HINTS.get(type(operator), _ALLOWED))

    def _bounded(self, number: sympy.Expr, node: ast.AST) -> None:
        if isinstance(number, sympy.Rational) and max(abs(number.p), number.q) >= _CEILING:
            raise self.source.error(f"a number of more than {MAX_DIGITS} digits", node, "use smaller numbers")

    def _exponent_error(self, exponent: sympy.Expr, node: ast.AST) -> InputError:
        shown = "inf" if exponent.is_infinite else str(exponent) if _bits(exponent) < 64 else "this"
        return self.source.error(f"{shown} is too large an exponent", node, f"keep exponents within {MAX_EXPONENT}")

    def _literal(self, node: ast.Constant) -> sympy.Expr:
        if type(node.value) not in (int, float):
            raise self._refuse(node)
        segment = self.source.segment(node)
        match = _LITERAL.fullmatch(segment.replace("_", ""))
        if match is None:
            raise self.source.error(f"{segment[:_QUOTE]!r} is not a decimal number", node, "write it in decimal")
        whole, fraction, exponent = match[1] or "", match[2] or "", match[3] or "0"
        # Bound the exponent as text first: int() of a long one is already work.
        shift = int(exponent) - len(fraction) if len(exponent.lstrip("+-0")) < 6 else 10 * MAX_DIGITS
        if len(whole) + len(fraction) > MAX_DIGITS or abs(shift) > MAX_DIGITS:
            raise self.source.error(f"a number of more than {MAX_DIGITS} digits", node, "use a smaller number")
        try:
            mantissa = int(whole + fraction)
        except ValueError as error:  # the interpreter's own limit on digits, where it was set lower
            raise self.source.error(str(error), node, "use a shorter number") from None
        return sympy.Rational(mantissa * 10 ** max(shift, 0), 10 ** max(-shift, 0))

    def _name(self, node: ast.Name) -> sympy.Expr:
        if self.values:
            raise self.source.error(f"{node.id!r} is not a number", node, "write 7/10, or inf alone")
        if node.id == "inf":
            return S.Infinity
        if node.id not in self.names:
            raise self.source.error(f"unknown name {node.id!r}", node, _near(node.id, self.names))
        return self.names[node.id]

    def _sum(self, node: ast.expr, depth: int) -> sympy.Expr:
        parts: list[tuple[bool, ast.expr]] = []
        while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
            parts.append((isinstance(node.op, ast.Sub), node.right))
            node = node.left
        parts.append((False, node))
        terms = []
        # Like terms are added over a common denominator: bound that before SymPy computes it.
        common: dict[sympy.Expr, int] = {}
        for minus, part in reversed(parts):
            value = self.read(part, depth + 1)
            terms.append(-value if minus else value)
            for term in sympy.Add.make_args(value):
                coefficient, rest = term.as_coeff_Mul()
                if isinstance(coefficient, sympy.Rational):
                    common[rest] = math.lcm(common.get(rest, 1), coefficient.q)
                    self._bounded(sympy.Rational(common[rest]), part)
        return sympy.Add(*terms)

    def _product(self, node: ast.expr, depth: int) -> sympy.Expr:
        # Signs and divisors are flattened too, so that -(x + y)*z and 1/(2*(x + y)) come back as they were printed:
        # SymPy would distribute a number over a sum that stands alone.
        stack: list[tuple[ast.expr, bool, bool]] = [(node, False, False)]
        factors: list[sympy.Expr] = []
        bits = 0
        while stack:
            part, inverted, divides = stack.pop()
            if isinstance(part, ast.UnaryOp) and isinstance(part.op, ast.USub):
                factors.append(S.NegativeOne)
                stack.append((part.operand, inverted, divides))
            elif isinstance(part, ast.BinOp) and isinstance(part.op, ast.Mult):
                stack += [(part.right, inverted, divides), (part.left, inverted, divides)]
            elif isinstance(part, ast.BinOp) and isinstance(part.op, ast.Div):
                stack += [(part.right, not inverted, True), (part.left, inverted, divides)]
            else:
                value = self.read(part, depth + 1)
                if divides and value.is_zero:
                    raise self.source.error("division by zero", part, "the divisor is 0")
                bits += _bits(value)
                if bits > 64 * _MAX_BITS:
                    raise self.source.error(f"a number of more than {MAX_DIGITS} digits", part, "use smaller numbers")
                factors.append(sympy.Pow(value, -1) if inverted else value)
        return sympy.Mul(*factors)

    def _power(self, base: sympy.Expr, exponent: sympy.Expr, node: ast.AST) -> sympy.Expr:
        self._check_power(base, exponent, node)
        return sympy.Pow(base, exponent)

    def _check_power(self, base: sympy.Expr, exponent: sympy.Expr, node: ast.AST) -> None:
        """Refuse a power that is undefined, not real, or too large to compute; nothing is computed here."""
        if self.values and not exponent.is_Integer:
            raise self.source.error("the exponent is not an integer", node, "an exact value has integer exponents")
        if not self.values and exponent.is_number and _exceeds(exponent, MAX_EXPONENT):
            raise self._exponent_error(exponent, node)
        if base.is_zero and exponent.is_negative:
            raise self.source.error("division by zero", node, "0 has no negative power")
        if isinstance(exponent, sympy.Rational):
            if not exponent.is_Integer and base.is_negative:
                raise self.source.error("a fractional power of a negative number is not real", node, "use abs(...)")
            if not exponent.is_Integer and _bits(base) >= _MAX_ROOT_BITS:
                raise self.source.error(
                    f"a root of a number of more than {MAX_ROOT_DIGITS} digits", node, "use a smaller number"
                )
            if _bits(base) * abs(exponent.p) > _MAX_BITS * exponent.q:
                raise self.source.error(f"a number of more than {MAX_DIGITS} digits", node, "use a smaller exponent")

    def _call(self, node: ast.Call, depth: int) -> sympy.Expr:
        if self.values or not isinstance(node.func, ast.Name):
            raise self._refuse(node)
        name = node.func.id
        if name == "E":
            return self._expect(node, depth)
        if name not in _FUNCTIONS:
            raise self.source.error(f"unknown function {name!r}", node, _near(name, [*_FUNCTIONS, "E"], "functions"))
        many = name in ("min", "max")
        if node.keywords or not node.args or (len(node.args) > 1 and not many):
            wanted = "one or more arguments" if many else "exactly one argument"
            raise self.source.error(f"{name} takes {wanted}, without keywords", node, f"write {name}(...)")
        arguments = [self.read(argument, depth + 1) for argument in node.args]
        first = arguments[0]
        if name == "sqrt":
            return self._power(first, S.Half, node)
        if name == "log" and (first.is_negative or first.is_zero):
            raise self.source.error("log of a number that is not positive", node, "give it a positive argument")
        if name == "exp":
            if first.is_number and _exceeds(first, MAX_EXP_MAGNITUDE):
                raise self.source.error("the argument of exp is too large", node, "use a smaller argument")
            for term in sympy.Add.make_args(first):
                coefficient, rest = term.as_coeff_Mul()
                if isinstance(rest, sympy.log):  # SymPy turns exp(c*log(b)) into b**c
                    self._check_power(rest.args[0], coefficient, node)
        if sum(len(a.args) if isinstance(a, sympy.Min | sympy.Max) else 1 for a in arguments) > MAX_EXTREMUM_ARGUMENTS:
            raise self.source.error(f"{name} of more than {MAX_EXTREMUM_ARGUMENTS} arguments", node, "split it")
        try:
            return _FUNCTIONS[name](*arguments)
        except ValueError as error:  # Min and Max of what is not real
            raise self.source.error(f"{name} cannot take this: {error}", node, "use real arguments") from None

    def _expect(self, node: ast.Call, depth: int) -> sympy.Expr:
        usage = "write E(body, trials=N, n=p, ...): one body, then trials, then each count with its probability"
        if self.expectation is None:
            raise self.source.error("an expectation is not allowed here", node, "write an expression without E(...)")
        bound = [word.arg for word in node.keywords]
        if len(node.args) != 1 or len(bound) < 2 or bound[0] != "trials":
            raise self.source.error("E is not written as it should be", node, usage)
        if len(set(bound)) != len(bound) or not all(name and name != "inf" for name in bound):
            raise self.source.error("E binds a name twice, or one it cannot bind", node, usage)
        trials, *laws = [self.read(word.value, depth + 1) for word in node.keywords]
        counts = [sympy.Symbol(str(name), integer=True, nonnegative=True) for name in bound[1:]]
        inner = replace(self, names={**self.names, **{count.name: count for count in counts}})
        body = inner.read(node.args[0], depth + 1)
        return self.expectation(body, trials, dict(zip(counts, laws, strict=True)))


def _bits(value: sympy.Expr) -> int:
    """A lower bound on log2 of the larger of numerator and denominator of the rational coefficient of a value."""
    coefficient = value.as_coeff_Mul()[0]
    return max(abs(coefficient.p), coefficient.q).bit_length() - 1 if isinstance(coefficient, sympy.Rational) else 0


def _exceeds(number: sympy.Expr, bound: int) -> bool:
    """Whether the magnitude of a closed number exceeds a bound: a guard on cost, so two digits are enough."""
    if not number.is_Rational:
        number = number.evalf(2)
    return bool(number.is_infinite or (number.is_Number and abs(number) > bound))


def _near(name: str, known: Iterable[str], kind: str = "names") -> str:
    """Advice for an unknown name: a near match, then what there is."""
    known = sorted(known)
    if not known:
        return "no names are known here"
    close = difflib.get_close_matches(name, known, n=1)
    listed = ", ".join(known[:30]) + (", ..." if len(known) > 30 else "")
    return (f"did you mean {close[0]!r}? " if close else "") + f"known {kind}: {listed}"


def parse_value(text: str) -> sympy.Number:
    """Read an exact value: a sympy Rational, or sympy.oo for ``inf``.

    ``7/10``, ``0.3`` (3/10 exactly), ``10**20`` and ``1e20`` (integers), ``-2``. At most 4096 characters, and at most
    4000 digits in numerator and denominator. Raises InputError for anything else.
    """
    source, node = _open(text, MAX_VALUE_LENGTH)
    if source.data in (b"inf", b"+inf"):
        return S.Infinity
    value = _Reader(source, {}, values=True).whole(node)
    assert isinstance(value, sympy.Rational)  # exact numbers, + - * / and integer powers leave nothing else
    return value


def parse_integer(text: str) -> int:
    """Read an integer-valued exact value (``12``, ``1e20``, ``6/3``); InputError if it is anything else."""
    value = parse_value(text)
    if not isinstance(value, sympy.Integer):
        raise InputError("expected an integer", where=_quote(text), remedy="write a whole number such as 8 or 10**20")
    return int(value)


def exact(value: object) -> sympy.Number:
    """An exact number from an int, Fraction, sympy Rational, sympy.oo or text; InputError for floats and all else."""
    if isinstance(value, str):
        return parse_value(value)
    if value is S.Infinity or isinstance(value, sympy.Rational):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return sympy.Integer(value)
    if isinstance(value, Fraction):
        return sympy.Rational(value.numerator, value.denominator)
    if isinstance(value, float):
        raise _float_error(value)
    raise InputError(
        f"{_quote(repr(value))} ({type(value).__name__}) is not an exact number",
        remedy='give an int, a Fraction, a sympy Rational or a string such as "7/10"',
    )


def _float_error(value: float) -> InputError:
    shown = float.__repr__(value)
    problem = f"{shown} is a float, not an exact number"
    if not math.isfinite(value):
        return InputError(problem, remedy='infinity is the string "inf"')
    fraction = str(Fraction(shown))
    forms = f'"{fraction}" or "{shown}"' if len(fraction) < _QUOTE // 2 else f'"{shown}"'
    return InputError(problem, remedy=f"write it as a string {forms}")


def parse_expression(
    text: str, names: Mapping[str, sympy.Expr], *, expectation: Expectation | None = None
) -> sympy.Expr:
    """Read an expression over the given names, every number in it exact.

    ``expectation(body, trials, {count: probability})`` builds the value of ``E(body, trials=N, n=p, ...)``: the names
    after ``trials`` are nonnegative integer symbols bound in the body alone. Without it, E is an error. ``inf`` is
    reserved. At most 100,000 characters, 20,000 nodes and 200 levels (a chain of terms or factors is one level);
    numeric exponents within 1000, numbers within 4000 digits. Raises InputError, with the column, for anything else.
    """
    source, node = _open(text, MAX_EXPRESSION_LENGTH)
    return _Reader(source, names, expectation).whole(node)


@dataclass(frozen=True)
class Condition:
    """``left relation right``, the relation one of ``<= < >= >``. ``str`` prints text that parse_condition reads."""

    left: sympy.Expr
    relation: str
    right: sympy.Expr

    def __post_init__(self) -> None:
        """Refuse any other relation with an InputError."""
        if self.relation not in _RELATIONS.values():
            raise InputError(f"unknown relation {self.relation!r}", remedy="use one of <=, <, >=, >")

    def __str__(self) -> str:
        """The condition in symicl's grammar."""
        return f"{format_expression(self.left)} {self.relation} {format_expression(self.right)}"


def parse_condition(text: str, names: Mapping[str, sympy.Expr]) -> Condition:
    """Read ``loss<=1/100``: two expressions and exactly one of ``<= < >= >``; InputError otherwise."""
    source, node = _open(text, MAX_EXPRESSION_LENGTH)
    if not isinstance(node, ast.Compare) or len(node.ops) != 1 or type(node.ops[0]) not in _RELATIONS:
        raise source.error("not a condition", node, "write two expressions and exactly one of <=, <, >=, >")
    reader = _Reader(source, names)
    left, right = reader.whole(node.left), reader.whole(node.comparators[0])
    return Condition(left, _RELATIONS[type(node.ops[0])], right)


# --- printing -----------------------------------------------------------------------------------------------------

_PRINTED = (sympy.Rational, sympy.Add, sympy.Mul)  # by SymPy's own methods


class _GrammarPrinter(StrPrinter):
    """SymPy's string printer, held to the grammar: a class it does not know is an error, never a guess."""

    printmethod = ""

    def _print(self, expr: Any, **kwargs: Any) -> str:
        own = getattr(expr, "_symicl_grammar", None)
        if own is not None:
            return str(own(self._print))
        known = type(expr) is sympy.Symbol or hasattr(self, f"_grammar_{type(expr).__name__}")
        if not known and not isinstance(expr, _PRINTED):
            raise InputError(
                f"{type(expr).__name__} cannot be printed in symicl's grammar",
                where=_quote(str(expr)),
                remedy="give it a method _symicl_grammar(print)",
            )
        method = getattr(self, f"_grammar_{type(expr).__name__}", None)
        return str(method(expr) if method else super()._print(expr, **kwargs))

    def _grammar_Symbol(self, expr: sympy.Symbol) -> str:
        name = expr.name
        readable = name.isidentifier() and not keyword.iskeyword(name) and name != "inf"
        if not readable or unicodedata.normalize("NFKC", name) != name:
            raise InputError(f"the symbol {name!r} cannot be read back", remedy="name it by a plain identifier")
        return str(name)

    def _grammar_Pow(self, expr: sympy.Pow) -> str:
        if expr.exp.is_Number and abs(expr.exp) > MAX_EXPONENT:
            raise InputError(f"an exponent beyond {MAX_EXPONENT} cannot be read back", remedy="use a smaller exponent")
        return str(self._print_Pow(expr))

    def _grammar_Exp1(self, expr: sympy.Expr) -> str:
        return "exp(1)"

    def _grammar_Infinity(self, expr: sympy.Expr) -> str:
        return "inf"

    def _grammar_NegativeInfinity(self, expr: sympy.Expr) -> str:
        return "-inf"

    def _grammar_exp(self, expr: sympy.Expr) -> str:
        return f"exp({self._print(expr.args[0])})"

    def _grammar_log(self, expr: sympy.Expr) -> str:
        return f"log({self._print(expr.args[0])})"

    def _arguments(self, expr: sympy.Expr) -> str:
        return ", ".join(sorted(self._print(argument) for argument in expr.args))

    def _grammar_Abs(self, expr: sympy.Expr) -> str:
        return f"abs({self._arguments(expr)})"

    def _grammar_Min(self, expr: sympy.Expr) -> str:
        return f"min({self._arguments(expr)})"

    def _grammar_Max(self, expr: sympy.Expr) -> str:
        return f"max({self._arguments(expr)})"


def format_expression(expr: sympy.Expr) -> str:
    """Text that ``parse_expression`` reads back to an equal expression (structurally, for what SymPy evaluated).

    An object of another class prints itself by ``_symicl_grammar(print)``, ``print`` being this function for its
    parts. Raises InputError for a class outside the grammar and for what the reader's limits would refuse.
    """
    try:
        return str(_GrammarPrinter().doprint(expr))
    except ValueError as error:  # the interpreter's limit on the digits of an integer
        raise InputError(f"a number is too long to print: {error}", remedy="use smaller numbers") from None
    except RecursionError:
        raise InputError("the expression is nested too deeply to print", remedy="split it") from None
