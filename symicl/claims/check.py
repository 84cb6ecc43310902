"""From a claim to its outcome: one checker for each kind of statement."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from symicl.claims.base import Claim, Evidence, Outcome, Verdict
from symicl.claims.checkers.box import decide_bounded
from symicl.claims.checkers.descends import (
    decide_descends,
    decide_descends_along,
    decide_descends_at,
    decide_stable_up_to,
)
from symicl.claims.checkers.duration import decide_duration
from symicl.claims.checkers.enclosed import decide_enclosed
from symicl.claims.checkers.from_on import decide_from_on
from symicl.claims.checkers.holding import decide_holding
from symicl.claims.checkers.identity import decide_conserved, decide_identity
from symicl.claims.checkers.infimum import decide_infimum
from symicl.claims.checkers.limits import decide_limit
from symicl.claims.checkers.rate import decide_rate
from symicl.claims.checkers.sign import decide_sign
from symicl.claims.checkers.sizes import decide_phases_at, decide_steps_between
from symicl.claims.checkers.trajectory import decide_always, decide_earlier, decide_hitting_time
from symicl.claims.checkers.unreachable import decide_unreachable
from symicl.claims.descends import Descends, DescendsAlong, DescendsAt, StableUpTo
from symicl.claims.durations import Duration
from symicl.claims.from_on import FromOn
from symicl.claims.holding import HoldsAt
from symicl.claims.limits import TendsTo
from symicl.claims.sizes import PhasesAt, StepsBetween
from symicl.claims.statements import (
    Always,
    Bounded,
    Conserved,
    Earlier,
    Enclosed,
    HittingTime,
    Identity,
    Infimum,
    Rate,
    Sign,
    system_of,
)
from symicl.claims.unreachable import Unreachable
from symicl.errors import InputError, SymiclError

CHECKERS: Mapping[type, Callable[[Any], Outcome]] = {
    Identity: decide_identity,
    Conserved: decide_conserved,
    Sign: decide_sign,
    Infimum: decide_infimum,
    Always: decide_always,
    HittingTime: decide_hitting_time,
    Earlier: decide_earlier,
    Bounded: decide_bounded,
    Rate: decide_rate,
    Enclosed: decide_enclosed,
    Descends: decide_descends,
    DescendsAt: decide_descends_at,
    DescendsAlong: decide_descends_along,
    StableUpTo: decide_stable_up_to,
    Duration: decide_duration,
    FromOn: decide_from_on,
    StepsBetween: decide_steps_between,
    PhasesAt: decide_phases_at,
    TendsTo: decide_limit,
    HoldsAt: decide_holding,
    Unreachable: decide_unreachable,
}


@dataclass(frozen=True)
class Checked:
    """A claim with the outcome it got and the seconds that took."""

    claim: Claim
    outcome: Outcome
    seconds: float

    @property
    def verdict(self) -> Verdict:
        return self.outcome.verdict

    @property
    def as_expected(self) -> bool:
        """Whether the verdict is the expected one or a stronger one."""
        return self.verdict.meets(self.claim.expected)

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.claim.id,
            "verdict": self.verdict.value,
            "expected": self.claim.expected.value,
            "evidence": self.outcome.evidence.as_json(),
            "seconds": round(self.seconds, 3),
        }


def check(claim: Claim) -> Checked:
    """Decide a claim. What cannot be decided is ``undecided`` with the reason; only a malformed claim raises."""
    checker = CHECKERS.get(type(claim.statement))
    if checker is None:
        kinds = ", ".join(kind.__name__ for kind in CHECKERS)
        raise InputError(
            f"{type(claim.statement).__name__} is not a kind of statement", where=claim.id, remedy=f"use one of {kinds}"
        )
    start = time.perf_counter()
    try:
        outcome = checker(claim.statement)
    except SymiclError as error:
        outcome = Outcome(Verdict.UNDECIDED, Evidence("none", str(error)))
    except Exception as error:  # a defect of a checker must never pass for a verdict, nor lose the other claims
        summary = f"the checker failed with {type(error).__name__}: {error}; please report it"
        outcome = Outcome(Verdict.UNDECIDED, Evidence("internal error", summary))
    return Checked(claim, outcome, time.perf_counter() - start)


def kind_of(claim: Claim) -> str:
    """The kind of a claim's statement in one lower-case word or two, as ``symicl list`` prints it."""
    return {
        Identity: "identity",
        Conserved: "invariant",
        Sign: "sign",
        Infimum: "infimum",
        Always: "trajectory",
        HittingTime: "convergence time",
        Earlier: "order of times",
        Bounded: "bound on a box",
        Rate: "rate",
        Enclosed: "number",
        Descends: "descent",
        DescendsAt: "descent",
        DescendsAlong: "descent",
        StableUpTo: "stability",
        Duration: "times over a range",
        FromOn: "from which value on",
        StepsBetween: "times at sizes",
        PhasesAt: "phases",
        TendsTo: "limit",
        HoldsAt: "inequality at a point",
        Unreachable: "unreachable target",
    }[type(claim.statement)]


__all__ = ["CHECKERS", "Checked", "check", "kind_of", "system_of"]
