"""Which state moves fastest, and when it is overtaken: dominance between the updates of a system.

Where several states move, the one that moves fastest leads. That the lead changes is a condition on the states, so it
can be looked for in balls, step by step, as well as along a path of leaps; nothing about it is declared.
"""

from __future__ import annotations

from functools import lru_cache

import sympy as sp

from symicl.algebra import Ratio, ratios
from symicl.errors import DerivationError
from symicl.expectation import Expectation
from symicl.grammar import Condition
from symicl.indices import partial
from symicl.reduce import reduce_system
from symicl.symmetry import restrict
from symicl.systems.base import System

LEAD_CHANGES = "lead changes"
"""What statements about runs call the first step at which :func:`lead_changes` is met."""


def leader(system: System) -> str:
    """The name of the state that moves fastest in the first step. Exact.

    Raises ``DerivationError`` for updates that are no quotients of sums, for parameters without a value, and where two
    states move equally fast.
    """
    sizes = _first_sizes(system)
    best = max(size for _, size in sizes)
    ahead = [name for name, size in sizes if size == best]
    if len(ahead) > 1 or best == 0:
        raise DerivationError(
            f"no state leads: {' and '.join(ahead)} move equally fast in the first step", where=system.id
        )
    return ahead[0]


@lru_cache(maxsize=64)
def lead_changes(system: System) -> Condition:
    """The condition that a state moves at least as fast as the one that moved fastest in the first step.

    It is multiplied out, so that it divides by nothing: ``max_j(|n_j d| - |n d_j|) >= 0`` for updates ``n_j / d_j`` and
    that of the leader ``n / d``, over what the denominators share; states that never move faster than all others are
    left out of the maximum. Raises what :func:`leader` raises.
    """
    first = leader(system)
    slow = _followers(system) - {first}
    updates = {name: update for name, update in _updates(system) if name not in slow}
    own, *others = ratios([updates.pop(first), *updates.values()])
    gaps = [_ahead(other, own) for other in others]
    if not gaps:
        raise DerivationError(f"{first} is the only state, and no other can overtake it", where=system.id)
    return Condition(sp.Max(*gaps), ">=", sp.S.Zero)


def _followers(system: System) -> set[str]:
    """States that a conservation law keeps slower than the fastest of the others in it.

    ``c s + sum_i c_i s_i`` constant with ``sum |c_i| <= |c|`` gives ``|ds| <= max |ds_i|``. One state a law at most,
    and none that an earlier law has tied to another.
    """
    recurrence = reduce_system(system)
    found: set[str] = set()
    tied: set[sp.Symbol] = set()
    for form in recurrence.conserved:
        sizes = {s: abs(partial(form, s)) for s in recurrence.states if form.has(s)}
        if tied & set(sizes) or not all(size.is_Rational for size in sizes.values()):
            continue
        top = max(sizes, key=lambda s: sizes[s])
        if 2 * sizes[top] >= sum(sizes.values()):
            found.add(str(top))
            tied |= set(sizes)
    return found


def _ahead(one: Ratio, other: Ratio) -> sp.Expr:
    """A form with the sign of ``|one| - |other|``."""
    shared = one.denominator.gcd(other.denominator)
    left, right = one.numerator * (other.denominator / shared), other.numerator * (one.denominator / shared)
    return sp.Abs(one.polynomial_expression(left)) - sp.Abs(other.polynomial_expression(right))


def _updates(system: System) -> list[tuple[str, sp.Expr]]:
    """By state, its update for a step of size one; how large a step is does not matter to who leads."""
    found = [
        (str(state.symbol), state.update.xreplace({system.step_size: sp.S.One})) for state in restrict(system).states
    ]
    if any(update.has(Expectation) for _, update in found):
        raise DerivationError(
            "who leads is decided from updates in closed form, and these are means over prompts",
            where=system.id,
            remedy="take an infinite prompt length",
        )
    return found


def _first_sizes(system: System) -> list[tuple[str, sp.Rational]]:
    """By state, how far it moves in the first step."""
    start = {state.symbol: sp.sympify(state.coordinate.start, strict=True) for state in restrict(system).states}
    sizes = [(name, abs(update.xreplace(start))) for name, update in _updates(system)]
    for name, size in sizes:
        if not size.is_Rational:
            raise DerivationError(
                f"no exact number for the first move of {name}: {size}",
                where=system.id,
                remedy="give every parameter a value, and start at zero",
            )
    return sizes


__all__ = ["LEAD_CHANGES", "lead_changes", "leader"]
