"""The statement that the loss of a system stays above a target at every state, however long one trains."""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from symicl.claims.base import shown
from symicl.errors import InputError
from symicl.grammar import exact
from symicl.systems.base import System


@dataclass(frozen=True)
class Unreachable:
    """No state of a system at exact parameters has ``loss <= target``."""

    system: System
    target: sp.Rational

    def __post_init__(self) -> None:
        if not (self.target.is_Rational and self.target > 0):
            raise InputError(
                f"the target is {shown(self.target)}", where="statement", remedy="give a number greater than 0"
            )
        if self.system.parameters:
            names = ", ".join(parameter.name for parameter in self.system.parameters)
            raise InputError(
                f"no value for {names}", where=self.system.id, remedy="give every parameter an exact value"
            )


def unreachable(system: System, target: object) -> Unreachable:
    """The statement that no state reaches ``loss <= target``; refuted by a state that does.

    Raises ``InputError`` for a target that is no exact number above 0, and for a system with open parameters.
    """
    return Unreachable(system, exact(target))
