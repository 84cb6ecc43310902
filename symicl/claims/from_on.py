"""Statements of the form "for K large enough", as a bracket for the K from which something holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sympy as sp

from symicl.claims.statements import Always, always
from symicl.errors import InputError
from symicl.grammar import exact
from symicl.systems.base import System, SystemFamily

PARAMETER = "K"
FAR = (10**20,)
"""Beyond the bracket, where a statement is looked at unless it says where."""


@dataclass(frozen=True)
class FromOn:
    """Conditions on a run that are broken at ``parameter = low`` and hold at ``high`` and at all values beyond.

    So the value from which on they hold lies in ``(low, high]``. ``beyond`` are values above ``high`` that are looked
    at. ``conditions`` are texts over the states, the loss and the parameters; ``since`` and ``to`` bound the steps as
    in :func:`symicl.claims.statements.always`; ``fixed`` are the values of the other parameters.
    """

    family: SystemFamily
    fixed: tuple[tuple[str, sp.Expr], ...]
    parameter: str
    conditions: tuple[str, ...]
    low: int
    high: int
    beyond: tuple[int, ...]
    eta: sp.Rational
    to: str | int
    since: str | None = None

    def __post_init__(self) -> None:
        check_sizes(self.low, self.high, *self.beyond)
        check_step_size(self.eta)
        if not self.low < self.high or any(value <= self.high for value in self.beyond):
            raise InputError(
                f"the bracket is {self.low} to {self.high}, and beyond it {self.beyond}",
                where="statement",
                remedy="order them: low < high < what lies beyond",
            )
        if not self.conditions:
            raise InputError("there is no condition", where="statement", remedy="give at least one")
        self.at(self.low)

    @property
    def system(self) -> System:
        """The family with the parameter left open."""
        return self.family(**dict(self.fixed))

    def at(self, value: int) -> tuple[Always, ...]:
        """The statements at one value of the parameter, a condition each. Raises ``InputError``."""
        system = self.family(**dict(self.fixed), **{self.parameter: value})
        return tuple(
            always(system, condition, eta=self.eta, to=self.to, since=self.since) for condition in self.conditions
        )


def from_on(
    family: SystemFamily,
    conditions: str | Sequence[str],
    *,
    low: int,
    high: int,
    to: str | int,
    since: str | None = None,
    beyond: Sequence[int] | None = None,
    parameter: str = PARAMETER,
    eta: object = 1,
    **fixed: object,
) -> FromOn:
    """The statement that conditions on a run are broken at ``K = low``, and hold at ``high`` and at every K beyond.

    ``from_on(rare, "B1 >= -0.51*log(K)", low=10**15, high=10**16, since="lead changes", to="loss <= 1/100", N="inf",
    p1="1/2")``. The verdict is at most ``supported``: beyond ``high`` it rests on the values looked at.
    """
    texts = (conditions,) if isinstance(conditions, str) else tuple(conditions)
    far = tuple(value for value in FAR if value > high) if beyond is None else tuple(beyond)
    return FromOn(family, fixed_values(fixed, parameter), parameter, texts, low, high, far, exact(eta), to, since)


def fixed_values(given: Mapping[str, object], parameter: str) -> tuple[tuple[str, sp.Expr], ...]:
    """Exact values of parameters, in the order of their names; the one that varies is not among them."""
    if parameter in given:
        raise InputError(
            f"{parameter} varies, and has a value too",
            where="statement",
            remedy=f"leave out {parameter}={given[parameter]}",
        )
    return tuple(sorted((name, exact(value)) for name, value in given.items()))


def check_step_size(eta: sp.Expr) -> None:
    """Raise ``InputError`` for what is no step size."""
    if not (eta.is_Rational and eta > 0):
        raise InputError(f"the step size is {eta}", where="eta", remedy="give a number greater than 0")


def check_sizes(*values: object) -> None:
    """Raise ``InputError`` for what is no positive integer."""
    for value in values:
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise InputError(f"{value!r} is no value of a parameter that counts", remedy="give a positive integer")


__all__ = ["FromOn", "from_on"]
