"""An under-represented query takes K^2/(1-p_1) steps, sqrt(2) K^(3/2)/(1-p_1) more, and 4 K log(K)/(1-p_1) more.

With r = p_1/(1-p_1), z = sqrt(2 eps)/(1 - sqrt(2 eps)) and the unit K/(eta (1-p_1)), the first step with loss <= eps is
K + sqrt(2K) + 4 log K + 2 log r + r - 1/r + 3 log 2 - 55/6 + 1/(2z^2) + 3/z - 3 log z - z of these, to within
log(K)/sqrt(K). How it comes about, with s = eta p_k t, w the dominant feature's attention over that of the rest and x =
e^(A-B)/K that of the query's own: while x is small, dw/ds = -w^3/(1+w)^3 and d(1/x)/ds = -(1+2w+2w^2)/(1+w)^3, so w
falls like (2s)^(-1/2), and 1/x from K to 0 in the time K + 1/w = K + sqrt(2K) up to logarithms. The limits are proved,
the times are supported.

Paper    In-Context Convergence of Transformers, arXiv 2310.05249
Source   reconstructed: is the quadratic dependence on K necessary, and how tight are the bounds?
Assumes  linear tasks, orthonormal features, N = inf, Q = 0 at the start
Tight    the remainder is about -log(K)/(2 sqrt(K)) of the unit at p_1 = 1/2, within its bound from K = 10^4 on and not
         at 10^3; 4 and the r terms are found by balance and fit, -55/6 and 3 log 2 read off; none is proved
"""

import sympy as sp

from symicl import claim, equal, partial, steps_between, tends_to, update

from .systems import P1, K, underrepresented

rare = underrepresented(N="inf")
eta = rare.step_size
A, B1, B = sp.symbols("A B1 B", real=True)
w, x, W, X, root = sp.symbols("w x W X root", positive=True)


def scaled(state, dominant, own):
    """The update of a state over eta p_k, by the dominant feature's attention over the rest's and e^(A-B)."""
    to = {B1: B + sp.log(dominant * (1 - P1) / P1), A: B + sp.log(own)}
    return update(rare, state).xreplace(to) * (K - 1) / ((1 - P1) * eta)


# Fixed attentions, K large: B1 moves by -w^2/(1+w)^3 and A by x (1+2w+2w^2)/(1+w)^3, in units of eta p_k.
dominant_falls = claim(tends_to(rare, scaled("B1", w, x), K, -(w**2) / (1 + w) ** 3))
own_grows = claim(tends_to(rare, scaled("A", w, x) * K, K, x * (1 + 2 * w + 2 * w**2) / (1 + w) ** 3))
# Where w = W/sqrt(K), both are of order 1/K: the lead changes at e^(A-B) = W^2.
dominant_late = claim(tends_to(rare, scaled("B1", W / root, x).xreplace({K: root**2}) * root**2, root, -(W**2)))
own_late = claim(tends_to(rare, scaled("A", W / root, x).xreplace({K: root**2}) * root**2, root, x))
# Where the own feature has a share of the attention, x = X, the dominant one no longer counts.
own_last = claim(tends_to(rare, scaled("A", W / root, X * root**2).xreplace({K: root**2}), root, X / (1 + X) ** 3))

# The time s and 1/x along the way, in closed form: what the limits integrate to.
speed = -(w**3) / (1 + w) ** 3
time = 1 / (2 * w**2) + 3 / w - 3 * sp.log(w) - w
inverse = 1 / (2 * w**2) + 2 / w - 2 * sp.log(w)
time_of_w = claim(equal(rare, partial(time, w) * speed, 1))
inverse_of_w = claim(equal(rare, partial(inverse, w) * speed, (1 + 2 * w + 2 * w**2) / (1 + w) ** 3))

MIDDLE = 12 * 10**14
SIZES = (10**2, 10**4, MIDDLE)


def takes(low, high, at=SIZES, share="1/2", loss="1/100", step=1):
    """The number of steps lies between two forms at all of the sizes."""
    return steps_between(underrepresented, low, high, at=at, to=f"loss <= {loss}", eta=step, p1=share, N="inf")


def series(loss="1/100"):
    """The number of steps up to a remainder of order sqrt(K) log(K)."""
    z = f"(sqrt(2*{loss})/(1-sqrt(2*{loss})))"
    ratio = "2*log(p1/(1-p1)) + p1/(1-p1) - (1-p1)/p1"
    last = f"1/(2*{z}**2) + 3/{z} - 3*log({z}) - {z}"
    return f"K/(eta*(1-p1))*(K + sqrt(2*K) + 4*log(K) + {ratio} + 3*log(2) - 55/6 + {last})"


REMAINDER = "sqrt(K)*log(K)/(eta*(1-p1))"

of_order_K_squared = claim(takes("K**2/(1-p1)", "2*K**2/(1-p1)"), expect="supported")
small_sizes = claim(takes("K**2/(1-p1)", "2*K**2/(1-p1)", at=(64, 100)), expect="certified")
not_at_sixteen = claim(takes(None, "2*K**2/(1-p1)", at=(16, 64)), expect="refuted")
all_terms = claim(
    takes(f"{series()} - {REMAINDER}", f"{series()} + {REMAINDER}", at=(10**4, MIDDLE)), expect="supported"
)
