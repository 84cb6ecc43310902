"""Statements about runs at several sizes: how long they take, between explicit bounds, and which phases they have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import sympy as sp

from symicl.claims.from_on import PARAMETER, check_sizes, check_step_size, fixed_values
from symicl.claims.statements import first_step
from symicl.errors import InputError
from symicl.grammar import Condition, exact, parse_expression
from symicl.symmetry import restrict
from symicl.systems.base import System, SystemFamily

Sides = tuple[sp.Rational, sp.Rational]


@dataclass(frozen=True)
class Runs:
    """Runs of a family at several values of a parameter, each to the first step that meets a condition.

    ``fixed`` are the values of the other parameters; ``to`` is the text of the condition.
    """

    family: SystemFamily
    fixed: tuple[tuple[str, sp.Expr], ...]
    parameter: str
    sizes: tuple[int, ...]
    to: str
    eta: sp.Rational

    def __post_init__(self) -> None:
        check_sizes(*self.sizes)
        check_step_size(self.eta)
        if not self.sizes or any(a >= b for a, b in pairwise(self.sizes)):
            raise InputError(f"the sizes are {self.sizes}", where="at", remedy="give one or more, in rising order")
        self.until(self.sizes[0])

    @property
    def system(self) -> System:
        """The family with the parameter left open."""
        return self.family(**dict(self.fixed))

    @property
    def general(self) -> System:
        """The family with all finite parameters left open, to name terms by."""
        return self.family(**{name: value for name, value in self.fixed if value is sp.oo})

    def at(self, size: int) -> System:
        """The system at one size."""
        return self.family(**dict(self.fixed), **{self.parameter: size})

    def until(self, size: int) -> Condition:
        """The condition that ends the run at one size. Raises ``InputError``."""
        return first_step(self.at(size), self.to, "<=", 0, eta=self.eta).condition

    def names(self) -> dict[str, sp.Expr]:
        """What forms may hold: the parameters of the family, and the step size as eta."""
        general = self.general
        return {each.name: each.symbol for each in general.parameters} | {"eta": general.step_size}

    def value(self, form: sp.Expr, size: int) -> sp.Expr:
        """A form at one size, exact."""
        values = dict(self.fixed) | {self.parameter: sp.Integer(size)}
        general = self.general
        meaning = {each.symbol: values[each.name] for each in general.parameters} | {general.step_size: self.eta}
        return form.xreplace(meaning)


@dataclass(frozen=True)
class StepsBetween:
    """At every one of the sizes, ``low <= n <= high`` for the first step n that ends the run.

    ``low`` and ``high`` are forms in the parameters and eta; None bounds nothing.
    """

    runs: Runs
    low: sp.Expr | None
    high: sp.Expr | None

    def __post_init__(self) -> None:
        if self.low is None and self.high is None:
            raise InputError("no bound is given", where="statement", remedy="give low, high or both")

    @property
    def system(self) -> System:
        """The family with the size left open."""
        return self.runs.system


@dataclass(frozen=True)
class PhasesAt:
    """At every one of the sizes the same terms dominate one after the other, in ``count`` phases.

    ``leads`` names, in order, the states that move fastest (empty: not claimed). ``dominant`` are (phase, state, term).
    ``ends`` and ``lengths`` are (phase, form, (low, high)): the step at which a phase ends, or how many steps it takes,
    is between ``low`` and ``high`` times the form at every size. ``exponents`` are (phase, (low, high)): the slope
    ``d log end / d log size`` between consecutive sizes. Phases are counted from 1.
    """

    runs: Runs
    count: int
    leads: tuple[str, ...]
    dominant: tuple[tuple[int, str, sp.Expr], ...]
    ends: tuple[tuple[int, sp.Expr, Sides], ...]
    lengths: tuple[tuple[int, sp.Expr, Sides], ...]
    exponents: tuple[tuple[int, Sides], ...]

    def __post_init__(self) -> None:
        phases = [term[0] for term in self.dominant] + [bound[0] for bound in (*self.ends, *self.lengths)]
        phases += [phase for phase, _ in self.exponents]
        if self.count < 1 or any(not 1 <= phase <= self.count for phase in phases):
            raise InputError(f"there are {self.count} phases, and phases {phases} are spoken of", where="statement")
        if self.exponents and len(self.runs.sizes) < 2:
            raise InputError("an exponent takes two sizes", where="at", remedy="give one more")

    @property
    def system(self) -> System:
        """The family with the size left open."""
        return self.runs.system


def steps_between(
    family: SystemFamily,
    low: str | None,
    high: str | None,
    *,
    at: Sequence[int],
    to: str,
    parameter: str = PARAMETER,
    eta: object = 1,
    **fixed: object,
) -> StepsBetween:
    """The statement that at all of these sizes a run takes between ``low`` and ``high`` steps.

    ``steps_between(rare, "2*K**2", "4*K**2", at=[10**3, 10**10], to="loss <= 1/100", N="inf", p1="1/2")`` is a Theta
    with explicit constants; one bound alone, the other None, an O or an Omega. Certified where all runs can be stepped,
    else supported. The evidence has the ratios, so how loose the bounds are.
    """
    runs = Runs(family, fixed_values(fixed, parameter), parameter, tuple(at), to, exact(eta))
    return StepsBetween(runs, *(None if text is None else _form(runs, text) for text in (low, high)))


def phases_at(
    family: SystemFamily,
    count: int,
    *,
    at: Sequence[int],
    to: str,
    leads: Sequence[str] = (),
    dominant: Mapping[int, Mapping[str, str]] | None = None,
    ends: Mapping[int, tuple[str, object, object]] | None = None,
    lengths: Mapping[int, tuple[str, object, object]] | None = None,
    exponents: Mapping[int, tuple[object, object]] | None = None,
    parameter: str = PARAMETER,
    eta: object = 1,
    **fixed: object,
) -> PhasesAt:
    """The statement that runs at all of these sizes have the same phases, as ``symicl.phases.course_of`` finds them.

    ``dominant={2: {"A": "eta*(1-p1)*exp(A-B)/(K-2)**2"}}`` says which term of an update dominates in a phase;
    ``ends={2: ("K**2", "1/2", 2)}`` that the phase ends between K^2/2 and 2 K^2, ``lengths`` likewise how long it
    takes; ``exponents={2: ("19/10", "21/10")}`` how its end grows. Supported at best.
    """
    runs = Runs(family, fixed_values(fixed, parameter), parameter, tuple(at), to, exact(eta))
    states = {str(state.symbol): state.symbol for state in restrict(runs.general).states}
    terms = tuple(
        (phase, state, parse_expression(text, runs.names() | states))
        for phase, parts in (dominant or {}).items()
        for state, text in parts.items()
    )
    unknown = [state for state in (*leads, *(state for _, state, _ in terms)) if state not in states]
    if unknown:
        known = ", ".join(states)
        raise InputError(f"there is no state {unknown[0]}", where="statement", remedy=f"take one of {known}")
    bounds = [
        tuple((phase, _form(runs, text), _sides(low, high)) for phase, (text, low, high) in (given or {}).items())
        for given in (ends, lengths)
    ]
    powers = tuple((phase, _sides(low, high)) for phase, (low, high) in (exponents or {}).items())
    return PhasesAt(runs, count, tuple(leads), terms, bounds[0], bounds[1], powers)


def _form(runs: Runs, text: str) -> sp.Expr:
    return parse_expression(text, runs.names())


def _sides(low: object, high: object) -> Sides:
    sides = exact(low), exact(high)
    if not sides[0] <= sides[1]:
        raise InputError(f"between {low} and {high}", where="statement", remedy="order them")
    return sides


__all__ = ["PhasesAt", "Runs", "StepsBetween", "phases_at", "steps_between"]
