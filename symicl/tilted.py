"""Means over prompts of any length: moments of a multinomial law over a power of a linear form, one integral each.

For counts n ~ Multinomial(N, p) and Z = sum z_i n_i with z_i > 0, 1/Z^s = (1/Gamma(s)) int t^(s-1) exp(-t Z) dt. The
law tilted by exp(-t Z) is multinomial again, with probabilities v_i = p_i exp(-t z_i)/phi(t), where phi(t) is the sum
of p_i exp(-t z_i). Hence, with falling factorials,

    E[prod (n_i)_{d_i} / Z^s] = (N)_{|d|} / Gamma(s) * int_0^inf t^(s-1) phi(t)^N prod v_i^{d_i} dt,

whose cost does not depend on N. The integral is a trapezoidal sum in x, where t = T exp(x - exp(-x)); its error is
bounded rigorously and relative to the integral itself (``_contrast`` and :class:`TiltedMoments`).
Source: Laplace's formula; the error of the sum is Theorem 5.1 of L. N. Trefethen and J. A. C. Weideman, "The
exponentially convergent trapezoidal rule", SIAM Review 56 (2014).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import factorial, log, pi, prod

from flint import arb, arb_mat, fmpq

from symicl.errors import BudgetError, UndecidedError

Moment = tuple[tuple[int, ...], int]
"""``(d, s)`` for ``E[prod (n_i)_{d_i} / Z^s]``."""

MAX_NODES = 200_000
"""The most nodes of one sum; only scores further apart than exp(10^4) need more."""

_STRIP = 1.4
"""Half-width of the strip around the x axis on which the integrand is bounded; below pi/2."""

_SHIFT = 0.1
"""``T = _SHIFT / scale``: left of exp(-x) = _SHIFT, t is so small that its direction does not matter."""

_ANGLE = 1.5
"""More than ``_STRIP + _SHIFT sin(_STRIP)``, a bound on the direction of t right of that place; below pi/2."""

_LOOK = 16
"""Nodes between looks at whether the rest of the sum can be left out."""

_SPARE = 3
"""Digits by which the error of the method lies below the precision."""


@dataclass
class _Nodes:
    """The nodes t_j over T, from left to right, with their weights h (1 + exp(-x_j)); the lists grow as needed."""

    step: float
    first: int
    places: list[arb] = field(default_factory=list)
    weights: list[arb] = field(default_factory=list)

    def between(self, part: slice) -> Iterable[tuple[arb, arb]]:
        """Weights and places."""
        return zip(self.weights[part], self.places[part], strict=True)

    def upto(self, count: int) -> None:
        while len(self.places) < count:
            x = arb(self.step) * (self.first + len(self.places))
            slope = (-x).exp()
            self.places.append((x - slope).exp() * arb(_SHIFT))
            self.weights.append(arb(self.step) * (1 + slope))


def _contrast(degree: int, power: int) -> arb:
    """How much larger the integral of ``|f|`` along a line of the strip can be than the integral itself.

    f(w) = t^s g(t) (1 + exp(-w)), t = T exp(w - exp(-w)), g(t) = exp(-t d.z) phi(t)^(N-|d|), T = _SHIFT/scale, and
    scale is at least every z_i and N sum p_i z_i. A sum of positive terms exp(-t c), g falls and ``|g(t)| <= g(Re t)``.

    - Where exp(-x) <= _SHIFT: |arg t| <= _STRIP + _SHIFT sin(_STRIP) < _ANGLE, hence ``|g(t)| <= g(|t| cos _ANGLE)``;
      with |t| as variable, ``|f| dx`` integrates to at most (1 + _SHIFT) cos(_ANGLE)^-s times the integral.
    - Elsewhere |t| <= 1/scale, where exp(|t| z_i) <= 1 + (e-1) |t| z_i gives |g(t)| <= exp(|d| + e - 1), and ``|f| dx``
      integrates to at most that times scale^-s / (s cos _STRIP). By Jensen's inequality the integral is at least
      Gamma(s) (scale (1+|d|))^-s.
    """
    right = (1 + arb(_SHIFT)) * arb(_ANGLE).cos() ** -power
    left = (arb(1).exp() - 1 + degree).exp() * arb(1 + degree) ** power / arb(_STRIP).cos() / factorial(power)
    return right + left


class TiltedMoments:
    """The moments ``wanted`` of counts of ``trials`` draws over cells of exact ``shares``, given the scores z.

    To about ``dps`` digits beyond what the balls of the scores allow, certified: every ball encloses the moments at all
    scores in the balls. All powers s are >= 1, ``trials`` >= 1; create and call inside ``ball.working(dps)``.
    """

    def __init__(self, trials: int, shares: Sequence[fmpq], wanted: Sequence[Moment], dps: int) -> None:
        self.trials, self.shares = trials, [arb(share) for share in shares]
        self.wanted = tuple(dict.fromkeys(wanted))
        self.orders = [d for d in dict.fromkeys(d for d, _ in self.wanted) if sum(d) <= trials]
        self.chain, self.kept = _chain(self.orders, len(shares))
        self.powers = sorted({s for _, s in self.wanted})
        self.digits = dps + _SPARE
        degree = max((sum(d) for d, _ in self.wanted), default=0)
        needed = self.digits * log(10)
        contrast = max(float(_contrast(degree, s).log()) for s in self.powers)
        self.nodes = _Nodes(2 * pi * _STRIP / (needed + contrast + 1), 0)
        self.nodes.first = self._start(needed, degree)
        self.errors = {(d, s): self._method_error(sum(d), s) for d in self.orders for s in self.powers}

    def _start(self, needed: float, degree: int) -> int:
        """The first node: left of it exp(-s exp(-x)) alone is below the precision."""
        x = 0.0
        while 2.718281828459045**-x < needed / self.powers[0] + log(1 + degree):
            x -= self.nodes.step
        return int(x / self.nodes.step) - 1

    def _method_error(self, degree: int, power: int) -> arb:
        """A bound on the relative error of the sum over all nodes from the first on.

        What lies left of the first node x is at most the integral of (1 + exp(-x)) t^s, which is t^s/s there.
        """
        aliasing = 2 * _contrast(degree, power) / ((2 * arb.pi() * arb(_STRIP) / arb(self.nodes.step)).exp() - 1)
        x = arb(self.nodes.step) * self.nodes.first
        left = (arb(_SHIFT) * (1 + degree) * (x - (-x).exp()).exp()) ** power / factorial(power)
        bound: arb = (aliasing + left).upper()
        assert bound < arb(0.5)
        return bound

    def __call__(self, scores: Sequence[arb]) -> dict[Moment, arb]:
        """The wanted moments at the scores.

        Raises ``UndecidedError`` where a score is not certainly positive and finite, ``BudgetError`` where they are too
        far apart.
        """
        if not all(z > 0 and z.is_finite() for z in scores):
            raise UndecidedError(
                "a denominator of the mean over prompts is not certainly positive",
                where=f"scores {', '.join(z.str(3) for z in scores)}",
                remedy="take a smaller step size, raise the precision, or compute in balls",
            )
        largest, least = scores[0], scores[0]
        for z in scores[1:]:
            largest, least = largest.max(z), least.min(z)
        mean = sum((p * z for p, z in zip(self.shares, scores, strict=True)), arb(0))
        scale = largest.max(mean * self.trials).upper()
        scaled = [z / scale for z in scores]
        sums = self._sum(scaled, least / scale) if self.orders else {}
        found: dict[Moment, arb] = {}
        for d, s in self.wanted:
            if sum(d) > self.trials:
                found[d, s] = arb(0)
                continue
            error = arb(1, 2 * self.errors[d, s])  # 1/(1-e) <= 1 + 2e for e <= 1/2
            draws = prod(self.trials - i for i in range(sum(d)))
            found[d, s] = sums[d, s] * error * draws / (factorial(s - 1) * scale**s)
        return found

    def _sum(self, scores: Sequence[arb], least: arb) -> dict[Moment, arb]:
        """The trapezoidal sums, and what is right of the last node.

        With c = N min z, g(t) <= g(end) exp(-(t - end) c) beyond the last node; as t^s exp(-t c) rises and then falls,
        the rest of the sum is at most its integral and h times its largest term: together at most
        (1 + h (1 + exp(-x))) g(end) max(end, s/c)^s, x the last node; h (1 + exp(-x)) is its weight, however large.
        """
        turn = 1 / (least * self.trials)
        cut = arb(10) ** -self.digits
        done, total = 0, arb_mat(len(self.powers), len(self.orders))
        while done < MAX_NODES:
            self.nodes.upto(done + _LOOK)
            here = slice(done, done + _LOOK)
            done += _LOOK
            rows = [self._integrand(scores, place) for place in self.nodes.places[here]]
            total += arb_mat([[w * t**s for w, t in self.nodes.between(here)] for s in self.powers]) * arb_mat(rows)
            end = self.nodes.places[done - 1]
            farthest = [(1 + self.nodes.weights[done - 1]) * end.max(s * turn) ** s for s in self.powers]
            if not rows[-1][0] * farthest[-1] < cut * total[len(self.powers) - 1, 0].abs_upper():
                continue  # the usual answer, cheaply
            rest = [[last * bound for last in rows[-1]] for bound in farthest]
            sums = total.tolist()
            pairs = [pair for sides in zip(rest, sums, strict=True) for pair in zip(*sides, strict=True)]
            if all(missing < cut * kept.abs_upper() for missing, kept in pairs):
                whole = iter(kept + arb(0).union(missing.upper()) for missing, kept in pairs)
                return {(d, s): next(whole) for s in self.powers for d in self.orders}
        raise BudgetError(
            "the scores are too far apart, or known too badly, for the mean over prompts",
            where=f"N = {self.trials}, least score over scale {least.str(3)}",
            remedy="train for fewer steps, take a smaller step size, or raise the precision",
        )

    def _integrand(self, scores: Sequence[arb], place: arb) -> list[arb]:
        """``phi^N prod v_i^{d_i}`` at a node, for every d: relative accuracy is kept where phi is near 1 and near 0."""
        drop, level = arb(0), arb(0)
        parts = []
        for share, score in zip(self.shares, scores, strict=True):
            x = -(score * place)
            if x < -0.5:
                whole = x.exp()
                less = whole - 1
            else:
                less = x.expm1()
                whole = 1 + less
            part = share * whole
            parts.append(part)
            level += part
            drop += share * less
        if drop > -0.5 or level > 0:
            logarithm = drop.log1p() if drop > -0.5 else level.log()
            values = [(logarithm * self.trials).exp()]
            tilted = [part / level for part in parts]
        else:  # wide scores, far out: phi and the tilted probabilities are at least nonnegative, and these at most 1
            values = [arb(0).union((level.upper().log() * self.trials).exp())]
            tilted = [arb(0.5, 0.5)] * len(parts)
        for before, cell in self.chain:
            values.append(values[before] * tilted[cell])
        return [values[i] for i in self.kept]


def _chain(orders: Sequence[tuple[int, ...]], cells: int) -> tuple[list[tuple[int, int]], list[int]]:
    """How to reach all orders from zero, one product each, and where they then are.

    Each link is (the place of the order before it, the cell that is one more); its own place is one after the last.
    """
    needed: dict[tuple[int, ...], tuple[tuple[int, ...], int]] = {}
    for order in sorted(orders, key=sum):
        here = order
        while any(here) and here not in needed:
            options = [
                (tuple(n - (i == cell) for i, n in enumerate(here)), cell) for cell in range(cells) if here[cell] > 0
            ]
            before, cell = next((o for o in options if o[0] in needed), options[0])
            needed[here] = (before, cell)
            here = before
    places = {(0,) * cells: 0} | {order: i for i, order in enumerate(sorted(needed, key=sum), start=1)}
    links = sorted((place, *needed[order]) for order, place in places.items() if order in needed)
    return [(places[before], cell) for _, before, cell in links], [places[order] for order in orders]
