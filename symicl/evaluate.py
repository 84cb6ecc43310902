"""Expressions to numbers: straight-line code, once compiled, for any number type.

Every exponential gets one name, common subexpressions are computed once, and what does not depend on the prompt is
taken out of the sum over prompts. In balls, the prompts left out of a window are paid for in the radius.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sympy as sp
from flint import arb

from symicl.algebra import field_of
from symicl.arithmetic import ARITHMETICS, Arithmetic, Number
from symicl.errors import BudgetError, DerivationError, UndecidedError
from symicl.expectation import Expectation, Multinomial
from symicl.prompt_means import Factor, Plan, PromptMeans, prompt_means
from symicl.tables import check_law, midpoint, multinomial_table

Function = Callable[..., tuple[Number, ...]]

LARGEST_DEGREE = 1000
MAX_ENTRIES = 20_000_000
"""The most entries that the tables of one function may hold together."""


def compile_expressions(
    expressions: Sequence[sp.Expr], arguments: Sequence[sp.Symbol], arithmetic: Arithmetic, dps: int
) -> Function:
    """A function of the arguments that returns the values of the expressions, as a tuple of numbers.

    The expressions must hold nothing but the arguments and exact numbers, and expectations under multinomial laws with
    exact numbers. Call this and the function inside ``arithmetic.working(dps)``. Raises ``DerivationError`` for
    expressions that have no code, ``BudgetError`` for expectations with too many terms.
    """
    unknown = set().union(*(e.free_symbols for e in expressions)) - set(arguments) if expressions else set()
    if unknown:
        names = ", ".join(sorted(str(symbol) for symbol in unknown))
        raise DerivationError(f"no value for {names}", remedy="give every parameter an exact value")
    nodes = sorted(set().union(*(e.atoms(Expectation) for e in expressions)), key=sp.default_sort_key)
    means = {node: sp.Symbol(f"mean{i}") for i, node in enumerate(nodes)}
    flat = [expression.xreplace(means) for expression in expressions]
    groups = _groups(nodes, means)
    naming = _Exponentials([*flat, *(body for group in groups for body in group.bodies)])
    groups = [group.rewritten(naming) for group in groups]
    flat = [_nested(naming(expression), tuple(naming.symbols.values())) for expression in flat]
    return _Writer(arithmetic).function(arguments, naming, groups, flat, dps)


@dataclass(frozen=True)
class _Group:
    """The expectations under one law; ``factors`` splits each body into what depends on the totals."""

    law: Multinomial
    results: tuple[sp.Symbol, ...]
    bodies: tuple[sp.Expr, ...]
    factors: tuple[tuple[Factor, ...], ...] = ()

    def rewritten(self, naming: _Exponentials) -> _Group:
        bodies = tuple(naming(body) for body in self.bodies)
        totals = tuple(total for total, _ in self.law.cells)
        return _Group(self.law, self.results, bodies, tuple(_factors(body, totals) for body in bodies))


def _groups(nodes: Sequence[Expectation], means: Mapping[sp.Expr, sp.Symbol]) -> list[_Group]:
    laws = dict.fromkeys(node.law for node in nodes)
    groups = []
    for law in laws:
        if not isinstance(law, Multinomial):
            raise DerivationError(f"an expectation under {type(law).__name__} cannot be evaluated numerically")
        own = [node for node in nodes if node.law == law]
        groups.append(_Group(law, tuple(means[node] for node in own), tuple(node.body for node in own)))
    return groups


def _factors(body: sp.Expr, totals: tuple[sp.Symbol, ...]) -> tuple[Factor, ...]:
    factors = []
    for factor in sp.Mul.make_args(body):
        base, power = factor.as_base_exp()
        if not power.is_Integer:
            base, power = factor, sp.S.One
        if not base.is_polynomial(*totals):
            raise DerivationError(f"{factor} is not a rational function of the token counts")
        terms = sp.Poly(base, *totals).terms()
        factors.append(Factor(tuple(c for _, c in terms), tuple(m for m, _ in terms), int(power)))
    return tuple(factors)


class _Exponentials:
    """One symbol for each independent exponential in a set of expressions."""

    def __init__(self, expressions: Sequence[sp.Expr]) -> None:
        field = field_of(node for expression in expressions for node in expression.atoms(sp.exp))
        self.shares = {monomial: share for (base, monomial), share in field.powers.items() if base == sp.E}
        self.symbols = {monomial: sp.Symbol(f"exp{i}", positive=True) for i, monomial in enumerate(self.shares)}

    def arguments(self) -> dict[sp.Symbol, sp.Expr]:
        """Each symbol with the expression whose exponential it is."""
        return {symbol: monomial / self.shares[monomial] for monomial, symbol in self.symbols.items()}

    def __call__(self, expression: sp.Expr) -> sp.Expr:
        if isinstance(expression, sp.exp):
            return self._power(expression.args[0])
        if expression.is_Atom or not expression.has(sp.exp):
            return expression
        return expression.func(*map(self, expression.args))

    def _power(self, exponent: sp.Expr) -> sp.Expr:
        result = sp.S.One
        for term in sp.Add.make_args(sp.expand(exponent)):
            coefficient, monomial = term.as_coeff_Mul(rational=True)
            result *= self.symbols[monomial] ** (coefficient * self.shares[monomial])
        return result


def _nested(expression: sp.Expr, exponentials: Sequence[sp.Symbol]) -> sp.Expr:
    """The expression with its polynomials in the exponentials in Horner form, where that saves operations."""
    if isinstance(expression, sp.Add):
        variables = [symbol for symbol in exponentials if expression.has(symbol)]
        # Polynomials are dense in SymPy: at K = 10**6 a state may be a millionth root of one.
        if any(power.exp.is_Integer and abs(power.exp) > LARGEST_DEGREE for power in expression.atoms(sp.Pow)):
            return expression
        if not variables or not expression.is_polynomial(*variables):
            return sp.Add(*(_nested(term, exponentials) for term in expression.args))
        nested = sp.horner(expression, wrt=variables)
        return nested if nested.count_ops() < expression.count_ops() else expression
    if isinstance(expression, sp.Mul):
        return sp.Mul(*(_nested(factor, exponentials) for factor in expression.args))
    if isinstance(expression, sp.Pow) and expression.exp.is_Integer:
        return _nested(expression.base, exponentials) ** expression.exp
    return expression


class _Writer:
    """Writes the source of one function; constants are bound by name, so no number is ever printed and read back."""

    def __init__(self, arithmetic: Arithmetic) -> None:
        self.arithmetic = arithmetic
        self.lines: list[str] = []
        self.scope: dict[str, Any] = {"exp": arithmetic.exp, "log": arithmetic.log, "sqrt": arithmetic.sqrt}
        self.scope |= {"least": arithmetic.least, "greatest": arithmetic.greatest}
        self.names: dict[sp.Symbol, str] = {}
        self.constants: dict[sp.Rational, str] = {}
        self.fresh = 0
        self.entries = 0

    def function(
        self,
        arguments: Sequence[sp.Symbol],
        naming: _Exponentials,
        groups: Sequence[_Group],
        outputs: Sequence[sp.Expr],
        dps: int,
    ) -> Function:
        for i, argument in enumerate(arguments):
            self.names[argument] = f"a{i}"
        for symbol, exponent in naming.arguments().items():
            self.assign(symbol, f"exp({self.write(exponent)})")
        coefficients = [c for group in groups for factors in group.factors for f in factors for c in f.coefficients]
        count = len(coefficients)
        # Outputs that wait for a mean are written after the sums over prompts.
        plain = [o for o in outputs if not any(o.has(result) for group in groups for result in group.results)]
        shared, reduced = sp.cse([*coefficients, *plain], symbols=sp.numbered_symbols("cse"), order="none")
        for symbol, expression in shared:
            self.assign(symbol, self.write(expression))
        written = iter(self.local(expression) for expression in reduced[:count])
        for group in groups:
            self.mean(group, [[[next(written) for _ in f.coefficients] for f in fs] for fs in group.factors], dps)
        ready = dict(zip(plain, reduced[count:], strict=True))
        results = [self.write(ready.get(output, output)) for output in outputs]
        body = "\n        ".join([*self.lines, f"return ({''.join(code + ', ' for code in results)})"])
        parameters = ", ".join(f"a{i}" for i in range(len(arguments)))
        # Constants are arguments of an enclosing function: the compiled one finds them faster than globals.
        inner = f"    def compiled({parameters}):\n        {body}\n    return compiled\n"
        source = f"def bind({', '.join(self.scope)}):\n{inner}"
        space: dict[str, Any] = {}
        exec(compile(source, "<symicl>", "exec"), space)
        return space["bind"](**self.scope)  # type: ignore[no-any-return]

    def name(self, stem: str) -> str:
        self.fresh += 1
        return f"{stem}{self.fresh}"

    def assign(self, symbol: sp.Symbol, code: str) -> None:
        self.names[symbol] = name = self.name("t")
        self.lines.append(f"{name} = {code}")

    def local(self, expression: sp.Expr) -> str:
        """The name that holds the value of an expression."""
        code = self.write(expression)
        if code.isidentifier():
            return code
        name = self.name("t")
        self.lines.append(f"{name} = {code}")
        return name

    def bind(self, stem: str, value: Any) -> str:
        name = self.name(stem)
        self.scope[name] = value
        return name

    def write(self, expression: sp.Expr) -> str:
        """The expression as source text over the names bound so far."""
        if expression.is_Rational:
            return self.constant(expression)
        if expression.is_Symbol:
            return self.names[expression]
        if expression is sp.E:
            return f"exp({self.constant(sp.S.One)})"
        if isinstance(expression, sp.Add):
            return self.sum(expression.args)
        if isinstance(expression, sp.Mul):
            return self.product(expression.args)
        if isinstance(expression, sp.Pow):
            return self.power(expression)
        for kind, code in ((sp.exp, "exp"), (sp.log, "log"), (sp.Abs, "abs")):
            if isinstance(expression, kind):
                return f"{code}({self.write(expression.args[0])})"
        for kind, code in ((sp.Min, "least"), (sp.Max, "greatest")):
            if isinstance(expression, kind):
                return f"{code}([{', '.join(map(self.write, expression.args))}])"
        raise DerivationError(f"no code for {expression.func.__name__}", where=str(expression))

    def sum(self, terms: Iterable[sp.Expr]) -> str:
        """A sum that subtracts where a term has a negative coefficient."""
        signed = [(term.could_extract_minus_sign() and not isinstance(term, sp.Add), term) for term in terms]
        plus = [self.write(term) for negative, term in signed if not negative]
        minus = [self.write(-term) for negative, term in signed if negative]
        if not plus:
            return f"(-({' + '.join(minus)}))"
        return "(" + " - ".join([" + ".join(plus), *minus]) + ")"

    def constant(self, value: sp.Rational) -> str:
        if value not in self.constants:
            self.constants[value] = self.bind("c", self.arithmetic.number(value))
        return self.constants[value]

    def product(self, factors: Iterable[sp.Expr]) -> str:
        top: list[str] = []
        bottom: list[str] = []
        sign = ""
        for factor in factors:
            base, power = factor.as_base_exp()
            if factor == -1:
                sign = "-"
            elif factor.is_Rational:
                top.append(self.constant(factor))
            elif power.is_Integer and power < 0:
                bottom.append(self.write(base ** (-power)))
            else:
                top.append(self.write(factor))
        above = " * ".join(top) if top else self.constant(sp.S.One)
        below = f" / ({' * '.join(bottom)})" if bottom else ""
        return f"({sign}({above}){below})"

    def power(self, expression: sp.Expr) -> str:
        base, exponent = expression.args
        if exponent.is_Integer and exponent > 0:
            return _power_code(self.local(base), int(exponent))
        if exponent.is_Integer:
            return self.product([expression])
        if exponent == sp.Rational(1, 2):
            return f"sqrt({self.write(base)})"
        return f"exp({self.write(exponent)} * log({self.write(base)}))"

    def integrals(self, group: _Group, coefficients: list[list[list[str]]], plan: Plan, dps: int) -> None:
        """The means of one law by quadrature in balls; other arithmetics get the midpoints."""
        bound = self.bind("means", _bridged(plan.bind(coefficients), self.arithmetic, dps))
        values = ", ".join("(" + ", ".join(f"({', '.join(own)},)" for own in each) + ",)" for each in coefficients)
        name = self.name("s")
        self.lines.append(f"{name} = {bound}(({values},))")
        for i, result in enumerate(group.results):
            self.assign(result, f"{name}[{i}]")

    def mean(self, group: _Group, coefficients: list[list[list[str]]], dps: int) -> None:
        """The means under one law: integrals for long prompts, else one loop over the outcomes for all bodies."""
        exact = _exact(group.law)
        check_law(*exact)
        plan = prompt_means(*exact, group.factors, dps, self.arithmetic.name)
        if plan is not None:
            self.integrals(group, coefficients, plan, dps)
            return
        totals = [total for total, _ in group.law.cells]
        table = multinomial_table(*exact, self.arithmetic, dps)
        monomials = sorted({m for factors in group.factors for f in factors for m in f.monomials if any(m)})
        columns = {monomial: self.name("m") for monomial in monomials}
        self.entries += len(table.outcomes) * (1 + len(monomials))
        if self.entries > MAX_ENTRIES:
            raise BudgetError(
                f"the means over prompts need more than {MAX_ENTRIES} table entries",
                where=f"N = {group.law.trials}",
                remedy="use a shorter prompt, inf, or fewer distinct probabilities",
            )
        number = lru_cache(maxsize=None)(self.arithmetic.number)  # counts repeat from row to row
        rows = [
            (weight, *(number(_value(monomial, outcome)) for monomial in monomials))
            for outcome, weight in zip(table.outcomes, table.weights, strict=True)
        ]
        sums = [self.name("s") for _ in group.bodies]
        weight = self.name("w")
        zero = self.bind("z", self.arithmetic.number(0))
        self.lines += [f"{name} = {zero}" for name in sums]
        self.lines.append(f"for {', '.join([weight, *columns.values()])}, in {self.bind('rows', rows)}:")
        powers: dict[str, str] = {}
        for name, factors, codes in zip(sums, group.factors, coefficients, strict=True):
            parts = [weight]
            below: list[str] = []
            for factor, own in zip(factors, codes, strict=True):
                code = _linear_code(own, factor.monomials, columns, self.constants.get(sp.S.One))
                if code not in powers:
                    powers[code] = self.name("f")
                    self.lines.append(f"    {powers[code]} = {code}")
                (parts if factor.power > 0 else below).append(_power_code(powers[code], abs(factor.power)))
            quotient = f" / ({' * '.join(below)})" if below else ""
            self.lines.append(f"    {name} = {name} + {' * '.join(parts)}{quotient}")
        if self.arithmetic.name == "ball" and not table.missing.is_zero():  # "!= 0" would be undecided as false
            trials = int(group.law.trials)
            for name, factors, codes in zip(sums, group.factors, coefficients, strict=True):
                bound = self.bind("bound", _tail_bound(factors, trials, table.missing, len(totals)))
                arguments = ", ".join("(" + ", ".join(own) + ",)" for own in codes)
                self.lines.append(f"{name} = {name} + {bound}(({arguments},))")
        for result, name in zip(group.results, sums, strict=True):
            self.names[result] = name


def _power_code(name: str, exponent: int) -> str:
    """A power of a named value; small ones are products, which balls multiply faster than they exponentiate."""
    return f"({' * '.join([name] * exponent)})" if exponent <= 4 else f"{name} ** {exponent}"


def _linear_code(
    coefficients: Sequence[str], monomials: Sequence[tuple[int, ...]], columns: Mapping[Any, str], one: str | None
) -> str:
    terms = []
    for coefficient, monomial in zip(coefficients, monomials, strict=True):
        column = columns.get(monomial)
        terms.append(coefficient if column is None else column if coefficient == one else f"{coefficient} * {column}")
    return "(" + " + ".join(terms) + ")"


def _value(monomial: tuple[int, ...], outcome: tuple[int, ...]) -> int:
    result = 1
    for power, count in zip(monomial, outcome, strict=True):
        result *= count**power
    return result


def _exact(law: Multinomial) -> tuple[int, list[sp.Rational]]:
    """The number of draws and the probabilities of the cells. Raises ``DerivationError`` where they are no numbers."""
    numbers = [law.trials, *(probability for _, probability in law.cells)]
    unknown = [n for n in numbers if not n.is_Rational]
    if unknown:
        raise DerivationError(f"no value for {unknown[0]}", remedy="give every parameter an exact value")
    return int(law.trials), numbers[1:]


def _bridged(integrals: PromptMeans, arithmetic: Arithmetic, dps: int) -> Callable[..., tuple[Number, ...]]:
    """The integrals as a function in the arithmetic at hand, from and to balls at ``dps`` digits."""
    if arithmetic.name == "ball":
        return integrals

    def midpoints(values: Sequence[Sequence[Sequence[Number]]]) -> tuple[Number, ...]:
        with ARITHMETICS["ball"].working(dps):
            return tuple(midpoint(arithmetic, mean) for mean in integrals(values))

    return midpoints


def _tail_bound(factors: Sequence[Factor], trials: int, missing: arb, cells: int) -> Callable[..., arb]:
    """A ball around 0 that holds the contribution of all outcomes left out: missing mass times a bound on the body.

    A factor in the numerator is at most ``sum |c| trials^degree``. One in the denominator must be linear in the totals
    with a positive coefficient on every cell; as the totals sum to ``trials``, it is at least ``trials * min c``.
    """
    for factor in factors:
        if factor.power < 0 and not factor.is_constant and not factor.is_form(cells):
            raise DerivationError("no rigorous bound for the prompts left out of the window; use a shorter prompt")

    def bound(values: Sequence[Sequence[arb]]) -> arb:
        size = arb(1)
        for factor, coefficients in zip(factors, values, strict=True):
            balls = [arb(c) for c in coefficients]
            if factor.power > 0 or factor.is_constant:
                most = sum((abs(c) * trials ** sum(m) for c, m in zip(balls, factor.monomials, strict=True)), arb(0))
                size *= most**factor.power
                continue
            if not all(c > 0 for c in balls):
                raise UndecidedError(
                    "a denominator of the mean over prompts is not certainly positive",
                    where=f"scores {', '.join(c.str(3) for c in balls)}",
                    remedy="take a smaller step size, or raise the precision",
                )
            least = balls[0]
            for c in balls[1:]:
                least = least.min(c)
            size /= (least * trials) ** -factor.power
        return arb(0, (size * missing).upper())

    return bound


def value_of(expression: sp.Expr, arithmetic: Arithmetic, dps: int) -> Number:
    """The value of an expression without free symbols, at ``dps`` working digits. Raises ``DerivationError``."""
    with arithmetic.working(dps):
        value = compile_expressions([expression], [], arithmetic, dps)()[0]
        return arithmetic.number(value) if isinstance(value, int) else value


__all__ = ["ARITHMETICS", "compile_expressions", "value_of"]
