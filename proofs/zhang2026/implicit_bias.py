"""On separable data the direction tends to the maximum-margin separator: gap O(1/t) normalised, O(1/log t) plain.

Paper    A softmax layer is one step of normalised gradient descent, arXiv 2605.06609
Source   abstract: the margin gap of O(1/t), and the O(1/log t) known for plain gradient descent
Assumes  four rational points in the plane, whose best direction, found exactly, is (1, 0) with margin 1; ``gap`` is
         that margin less the present one, ``turn`` is 1 - cos of the angle to it; w = 0 at the start, eta = 1; the
         asymptotic claims are looked at for 10^4 steps
Tight    the gap lies between 0.32/t and 0.36/t from step 10 on: the rate 1/t is exact on the range. Plain descent has
         a gap between 1.17/log t and 1.82/log t
"""

from symicl import claim, rate

from .systems import separable, separable_plain

normalized_above = claim(rate(separable(), "gap", "<=", "36/100/step", start=10, to=3000), expect="certified")
normalized_below = claim(rate(separable(), "gap", ">=", "32/100/step", start=10, to=3000), expect="certified")
normalized_turn = claim(rate(separable(), "turn", "<=", "1/2/step**2", start=10, to=3000), expect="certified")
normalized_too_fast = claim(rate(separable(), "gap", "<=", "10/step**2", start=10, to=3000), expect="refuted")
plain_above = claim(rate(separable_plain(), "gap", "<=", "182/100/log(step)", start=10, to=3000), expect="certified")
plain_below = claim(rate(separable_plain(), "gap", ">=", "117/100/log(step)", start=10, to=3000), expect="certified")
plain_slower = claim(rate(separable_plain(), "gap", "<=", "10/step", start=10, to=3000), expect="refuted")
asymptotic = claim(
    rate(separable(), "gap", "<=", "36/100/step", start=10, to=10_000, asymptotic=True), expect="supported"
)
asymptotic_plain = claim(
    rate(separable_plain(), "gap", "<=", "182/100/log(step)", start=10, to=10_000, asymptotic=True), expect="supported"
)
