"""What a claim is, what can be said of it, and with what evidence."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sympy as sp
from flint import arb, fmpq

from symicl.errors import InputError

LONG_BITS = 600
"""Numbers of more bits are shown rounded: Python prints no integer of more than 4300 digits."""


class Verdict(enum.Enum):
    """The five answers. A verdict is not true or false: ``bool(verdict)`` raises ``TypeError``."""

    PROVED = "proved"
    CERTIFIED = "certified"
    REFUTED = "refuted"
    SUPPORTED = "supported"
    UNDECIDED = "undecided"

    def __bool__(self) -> bool:
        raise TypeError(f"the verdict {self.value!r} has no truth value; compare it with a member of Verdict")

    def meets(self, expected: Verdict) -> bool:
        """Whether this verdict is as expected or stronger. Refuted meets refuted alone."""
        if Verdict.REFUTED in (self, expected):
            return self is expected
        return _STRENGTH[self] >= _STRENGTH[expected]


_STRENGTH = {Verdict.UNDECIDED: 0, Verdict.SUPPORTED: 1, Verdict.CERTIFIED: 2, Verdict.PROVED: 3}


class Source(enum.Enum):
    """Where a claim comes from: stated in the abstract, certainly in the paper, or what the model implies."""

    ABSTRACT = "abstract"
    PUBLISHED = "published"
    RECONSTRUCTED = "reconstructed"


@dataclass(frozen=True)
class Evidence:
    """Why a verdict holds, for a reader to check.

    ``method`` names the decision procedure, ``summary`` is a sentence; ``details`` (names to text) hold the canonical
    forms, the witness, the balls or the budget spent.
    """

    method: str
    summary: str
    details: tuple[tuple[str, str], ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {"method": self.method, "summary": self.summary, "details": dict(self.details)}


@dataclass(frozen=True)
class Outcome:
    """A verdict with its evidence."""

    verdict: Verdict
    evidence: Evidence


@dataclass(frozen=True)
class Claim:
    """A statement and the verdict expected of it. ``id`` and ``about`` come from the file that holds the claim.

    ``about`` has the docstring's fields: title, paper, source, assumes, tight.
    """

    statement: Any
    expected: Verdict = Verdict.PROVED
    id: str = ""
    about: Mapping[str, str] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """The first word of the docstring's ``Source``: abstract, published or reconstructed."""
        return self.about.get("source", "").split(":")[0].split(",")[0].strip()


def shown(value: Any) -> str:
    """A number or an expression as text for evidence and errors, whatever its length: long numbers are rounded."""
    if isinstance(value, sp.Rational) and int(value.p).bit_length() + int(value.q).bit_length() > LONG_BITS:
        return f"about {arb(fmpq(int(value.p), int(value.q))).str(12, radius=False)}"
    try:
        return str(value)
    except ValueError:
        return "an expression with very long numbers"


def claim(statement: Any, *, expect: Verdict | str = Verdict.PROVED) -> Claim:
    """A claim to stand in a result file; ``expect`` is the verdict that ``symicl check`` demands.

    Raises ``InputError`` for a verdict that does not exist.
    """
    try:
        expected = expect if isinstance(expect, Verdict) else Verdict(expect)
    except ValueError as error:
        known = ", ".join(verdict.value for verdict in Verdict)
        raise InputError(f"there is no verdict {expect!r}", where="expect", remedy=f"use one of {known}") from error
    return Claim(statement, expected)
