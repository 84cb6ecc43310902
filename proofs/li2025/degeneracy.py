"""When zero loss forces own-feature attention: exactly when f(v_k) is no mixture of the other values, in mean square.

The row k of G is zero, so a' G a = (1-a_k)^2 b' G b with b the attention among the others. Hence a' G a >= c
(1-a_k)^2 with c the least b' G b over the simplex of the others, and the bound is attained: zero loss forces a_k = 1
exactly when c > 0, that is when ker G meets the simplex in e_k alone. Positive gaps G_nn > 0 do not suffice.

That descent from zero finds zero loss is another statement. With orthonormal features and N = inf no finite scores
are at rest but those of zero loss: where D_nk = 0 for all n, (G a)_n = a' G a for all n, and n = k says that this is
0. Whether scores can run off to infinity at a positive loss is not settled here; in the traces they find *a* zero of
the loss, and where there are others than e_k it is one of those.

Paper    In-context learning of nonlinear tasks, arXiv 2507.20443
Source   reconstructed: the non-degeneracy condition on the task's kernel
Assumes  any M in the identities; the witnesses have K = 3: values with c = 1, and f(v_a) = (f(v_b) + f(v_c))/2
Tight    the constant 1 is attained at b = (1/2, 1/2); in the degenerate case the loss vanishes at (0, 1/2, 1/2)
"""

import sympy as sp

from symicl import always, claim, equal, first_step, nonnegative, update

from .examples import attention_is, moments, one_query
from .notation import FREQUENCIES, PROMPTS, G, S, aGa, attention, every, k
from .systems import generic

system, infinite = generic(), generic(N="inf")


def among_others(setting):
    """``(1-a_k)^2 b' G b``, written with the weights of the tokens other than v_k."""

    def weight(m):
        return setting.weights[m] * sp.exp(S[m, k])

    form = every(lambda m: every(lambda j: G(m, j) * weight(m) * weight(j), k), k)
    return form / every(weight) ** 2


splits = claim(equal(system, aGa(PROMPTS), among_others(PROMPTS)))
splits_infinite = claim(equal(infinite, aGa(FREQUENCIES), among_others(FREQUENCIES)))

# Nowhere to stop: the own-feature update is eta p_k a_k a' G a, which is zero only where the loss is.
own_update = infinite.step_size * sp.IndexedBase(sp.Symbol("p", positive=True))[k] * attention(FREQUENCIES, k)
no_other_rest = claim(equal(infinite, update(infinite, S[k, k]), own_update * aGa(FREQUENCIES)))


def quadratic(values, shares):
    """A' G a for the query of the first feature."""
    M, size = moments(values), range(len(values))
    return sum((M[m][n] - M[m][0] - M[n][0] + M[0][0]) * shares[m] * shares[n] for m in size for n in size)


b, c = sp.symbols("b c", nonnegative=True)
own = sp.Symbol("a", nonnegative=True)

# f(v_a) is at distance 1 from every mixture of the other two, and the nearest mixture is half of each.
APART = ((0, 0), (1, 1), (1, -1))
apart = one_query((1, 1, 1), APART)
forced = claim(nonnegative(apart, quadratic(APART, (own, b, c)) - (b + c) ** 2))
attained = claim(equal(apart, quadratic(APART, (0, sp.Rational(1, 2), sp.Rational(1, 2))), 1))
goes_to_own = claim(first_step(apart, attention_is(">=", "9/10", "a", (1, 1, 1)), "<=", 2000), expect="certified")

# f(v_a) = (f(v_b) + f(v_c))/2: every gap is positive, and the loss vanishes without own attention.
MIXED = ((1, 1), (2, 0), (0, 2))
mixed = one_query((1, 1, 1), MIXED)
gaps = claim(equal(mixed, quadratic(MIXED, (0, 1, 0)), 2))
zero_loss_elsewhere = claim(equal(mixed, quadratic(MIXED, (0, sp.Rational(1, 2), sp.Rational(1, 2))), 0))
forced_here_too = claim(nonnegative(mixed, quadratic(MIXED, (own, b, c)) - (b + c) ** 2 / 1000), expect="refuted")

# From zero with unequal probabilities: the loss vanishes, the own attention stays small.
LAW = (1, 2, 3)
uneven = one_query(LAW, MIXED)
loss_vanishes = claim(first_step(uneven, "loss <= 1/10000", "<=", 2000), expect="certified")
without_own_attention = claim(always(uneven, attention_is("<=", "3/10", "a", LAW), to=2000), expect="certified")
