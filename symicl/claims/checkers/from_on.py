"""From which value of a parameter on: the ends of the bracket, and values beyond it, one run each."""

from __future__ import annotations

from dataclasses import dataclass

from symicl.claims.base import Evidence, Outcome, Verdict
from symicl.claims.checkers.trajectory import judge_always
from symicl.claims.from_on import FromOn
from symicl.leads import LEAD_CHANGES

METHOD = "one run at each value: steps in balls where these reach, else two paths of leaps"
Details = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Looked:
    """What one value of the parameter says: whether all conditions hold (None: cannot tell), and if that is certain."""

    value: int
    holds: bool | None
    certain: bool
    outcomes: tuple[Outcome, ...]
    leanings: tuple[bool | None, ...]

    def lines(self, parameter: str) -> Details:
        """The evidence of each condition, for a reader."""
        place = f"at {parameter} = {size(self.value)}"
        return tuple((place, f"{o.verdict.value}: {o.evidence.summary}{_margin(o)}") for o in self.outcomes)


def look(statement: FromOn, value: int) -> Looked:
    """Whether the conditions hold at one value of the parameter.

    That they are broken is certain where one of them is refuted, that they hold where all of them are certified.
    """
    judged = [judge_always(each) for each in statement.at(value)]
    outcomes, leanings = tuple(outcome for outcome, _ in judged), tuple(leaning for _, leaning in judged)
    verdicts = [outcome.verdict for outcome in outcomes]
    if False in leanings:
        return Looked(value, False, Verdict.REFUTED in verdicts, outcomes, leanings)
    if None in leanings:
        return Looked(value, None, False, outcomes, leanings)
    return Looked(value, True, all(verdict is Verdict.CERTIFIED for verdict in verdicts), outcomes, leanings)


def decide_from_on(statement: FromOn) -> Outcome:
    """Supported at best: nothing is proved of the values that are not looked at."""
    low, high = look(statement, statement.low), look(statement, statement.high)
    above = [high, *(look(statement, value) for value in statement.beyond)]
    name = statement.parameter
    details: Details = (
        ("steps", f"from {_start(statement)} to {statement.to}"),
        *(line for each in (low, *above) for line in each.lines(name)),
    )

    def answer(verdict: Verdict, summary: str) -> Outcome:
        return Outcome(verdict, Evidence(METHOD, summary, details))

    wrong = [each for each in above if each.holds is False]
    if low.holds is True and low.certain:
        return answer(Verdict.REFUTED, f"it holds at {name} = {size(low.value)} already, certainly")
    if any(each.certain for each in wrong):
        at = next(each.value for each in wrong if each.certain)
        return answer(Verdict.REFUTED, f"it is broken at {name} = {size(at)}, certainly")
    if low.holds is False and all(each.holds for each in above):
        how = "certainly" if low.certain else "by leaps"
        seen = ", ".join(size(each.value) for each in above)
        return answer(
            Verdict.SUPPORTED,
            f"broken ({how}) at {name} = {size(low.value)}, and holds at {seen}; "
            "nothing is proved of the values between and beyond",
        )
    if low.holds is None or any(each.holds is None for each in above):
        return answer(Verdict.UNDECIDED, "some of the runs give no answer")
    against = f"it holds at {name} = {size(low.value)} already"
    if not low.holds:
        against = f"it is broken at {name} = {size(wrong[0].value)}"
    return answer(Verdict.UNDECIDED, f"the numbers speak against it: {against}")


def size(value: int) -> str:
    """A large integer for a reader: a power of ten as such."""
    text = str(value)
    zeros = len(text) - len(text.rstrip("0"))
    return f"{text.rstrip('0')}e{zeros}" if zeros > 5 else text


def _start(statement: FromOn) -> str:
    if statement.since is None:
        return "the start"
    if statement.since == LEAD_CHANGES:
        return "where the state that moves fastest at first is overtaken, which is found and not declared,"
    return f"the first with {statement.since}"


def _margin(outcome: Outcome) -> str:
    found = dict(outcome.evidence.details).get("least margin")
    return "" if found is None else f" (least margin {found})"


__all__ = ["Looked", "decide_from_on", "look"]
