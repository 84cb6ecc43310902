"""Multinomial weights as tables: every outcome, or a window of outcomes with a rigorous bound on the mass left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import comb

import sympy as sp
from flint import arb, fmpq

from symicl.arithmetic import ARITHMETICS, Arithmetic, Number
from symicl.errors import BudgetError, InputError

MAX_ROWS = 2_000_000
"""The most outcomes a table may hold."""

MAX_TRIALS = 10**12
"""The longest prompt whose window could fit a table."""

GUARD_DIGITS = 10
"""Digits by which the mass left out of a window lies below the working precision."""


@dataclass(frozen=True)
class Table:
    """Outcomes (one count a cell) with their probabilities; ``missing`` bounds the probability of all others.

    ``missing`` is 0 when the table is complete.
    """

    outcomes: tuple[tuple[int, ...], ...]
    weights: tuple[Number, ...]
    missing: Number


def multinomial_table(trials: int, probabilities: Sequence[sp.Rational], arithmetic: Arithmetic, dps: int) -> Table:
    """The law of the totals of ``trials`` draws over cells with exact probabilities, at ``dps`` working digits.

    Rational arithmetic gets the complete table; the others a window whose missing mass is about
    ``10**-(dps + GUARD_DIGITS)`` or less, bounded rigorously through geometric tails. Raises ``BudgetError`` for a
    table of more than ``MAX_ROWS`` outcomes, ``InputError`` where the numbers are no law.
    """
    check_law(trials, probabilities)
    if arithmetic.name == "rational":
        complete = list(_complete(trials, [Fraction(int(p.p), int(p.q)) for p in probabilities]))
        return Table(tuple(o for o, _ in complete), tuple(arithmetic.number(w) for _, w in complete), 0)
    if trials > MAX_TRIALS:
        raise _too_large(trials, len(probabilities))
    ball = ARITHMETICS["ball"]
    with ball.working(dps + GUARD_DIGITS):
        budget = arb(fmpq(1, 10)) ** (dps + GUARD_DIGITS)
        shares = [fmpq(int(p.p), int(p.q)) for p in probabilities]
        window = _Window()
        window.fill(trials, shares, budget, (), arb(1))
    if arithmetic.name == "ball":
        return Table(tuple(window.outcomes), tuple(window.weights), window.missing)
    return Table(tuple(window.outcomes), tuple(midpoint(arithmetic, w) for w in window.weights), 0)


def check_law(trials: int, probabilities: Sequence[sp.Rational]) -> None:
    """Raises ``InputError`` where the numbers are no law."""
    if trials < 0 or any(p < 0 for p in probabilities) or sum(probabilities) != 1:
        shown = ", ".join(map(str, probabilities))
        raise InputError(
            f"{shown} with {trials} trials is no law", where="an expectation", remedy="probabilities sum to 1"
        )


def midpoint(arithmetic: Arithmetic, ball: arb) -> Number:
    """The midpoint of a ball in another arithmetic."""
    mantissa, exponent = ball.mid().man_exp()
    return arithmetic.number(Fraction(int(mantissa)) * Fraction(2) ** int(exponent))


def _complete(trials: int, probabilities: Sequence[Fraction]) -> Iterator[tuple[tuple[int, ...], Fraction]]:
    if comb(trials + len(probabilities) - 1, len(probabilities) - 1) > MAX_ROWS:
        raise _too_large(trials, len(probabilities))
    if len(probabilities) == 1:
        yield (trials,), probabilities[0] ** trials
        return
    for count in range(trials + 1):
        here = comb(trials, count) * probabilities[0] ** count
        for outcome, weight in _complete(trials - count, probabilities[1:]):
            yield (count, *outcome), here * weight


def _too_large(trials: int, cells: int) -> BudgetError:
    return BudgetError(
        f"the exact mean over prompts of {trials} tokens in {cells} kinds has more than {MAX_ROWS} terms",
        where=f"N = {trials}",
        remedy="use a shorter prompt, inf, or fewer distinct probabilities",
    )


class _Window:
    """Collects outcomes cell by cell: the first total is binomial, the next binomial given the first, and so on."""

    def __init__(self) -> None:
        self.outcomes: list[tuple[int, ...]] = []
        self.weights: list[arb] = []
        self.missing = arb(0)

    def fill(self, trials: int, shares: Sequence[fmpq], budget: arb, outcome: tuple[int, ...], weight: arb) -> None:
        if len(shares) == 1:
            self.outcomes.append((*outcome, trials))
            self.weights.append(weight)
            if len(self.outcomes) > MAX_ROWS:
                raise _too_large(len(outcome) and sum(outcome) + trials, len(outcome) + 1)
            return
        allowed = budget / weight
        if allowed > 1:
            self.missing += weight
            return
        probabilities, missing = binomial_window(trials, shares[0], allowed)
        self.missing += weight * missing
        rest = 1 - shares[0]
        others = [share / rest for share in shares[1:]] if rest != 0 else list(shares[1:])
        for count, probability in probabilities:
            self.fill(trials - count, others, budget, (*outcome, count), weight * probability)


def binomial_window(trials: int, share: fmpq, allowed: arb) -> tuple[list[tuple[int, arb]], arb]:
    """Counts and probabilities of a binomial law, and a bound (about ``allowed`` or less) on the mass left out.

    The mode comes from an exact binomial coefficient, its neighbours from ratios. Beyond j the ratios of successive
    probabilities keep falling, so the tail there is at most the last probability times r/(1-r).
    """
    if share == 0 or share == 1:
        return [(0 if share == 0 else trials, arb(1))], arb(0)
    odds = arb(share / (1 - share))
    mode = min(trials, int(((trials + 1) * share).floor()))
    centre = arb.bin_uiui(trials, mode) * arb(share) ** mode * arb(1 - share) ** (trials - mode)
    upward, missing_above = _walk(centre, (odds * (trials - j) / (j + 1) for j in range(mode, trials)), allowed / 2)
    downward, missing_below = _walk(centre, (j / (odds * (trials - j + 1)) for j in range(mode, 0, -1)), allowed / 2)
    below = [(mode - i - 1, w) for i, w in enumerate(downward)]
    return [*reversed(below), (mode, centre), *((mode + i + 1, w) for i, w in enumerate(upward))], (
        missing_above + missing_below
    )


def _walk(weight: arb, ratios: Iterator[arb], allowed: arb) -> tuple[list[arb], arb]:
    """Probabilities away from the mode until the rest is at most ``allowed``, and a bound on that rest."""
    weights: list[arb] = []
    for ratio in ratios:
        if ratio < 1:
            rest = weight * ratio / (1 - ratio)
            if rest < allowed:
                return weights, rest
        weight = weight * ratio
        weights.append(weight)
    return weights, arb(0)
