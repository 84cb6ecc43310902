"""A layer taught one step of normalised descent learns kappa = 1 and v = tau, linearly near there.

Paper    A softmax layer is one step of normalised gradient descent, arXiv 2605.06609
Source   reconstructed: teacher, data and start as in ``symicl.systems.trained_layer``; the abstract has that training
         converges
Assumes  prompts of infinite length; z = y x ~ N(mu, 1); the teacher makes one step of size tau of normalised descent
         on the exponential loss; its start is drawn from N(0, s 1); any d, s, tau, |mu|^2 = m2; gradient descent on
         (kappa, v) the rates are at d = 2, s = 1, tau = 1/2, m2 = 1, from kappa = v = 1/2, eta = 1/4
Tight    the linear rate is exact: the loss over (1 - eta * least eigenvalue)^(2t) stays within [0.0038, 0.0051] from
         step 40 on. The minimum is isolated: the Hessian there has determinant s d tau^2 m2 > 0. The only other
         stationary point, v = 0, is a saddle. At s = 0 (w = 0) the loss does not see kappa
"""

import sympy as sp

from symicl import claim, equal, nonnegative, norm_at_most, partial, rate, update

from .systems import training

system = training()
kappa, v = sp.Symbol("kappa", real=True), sp.Symbol("v", real=True)
d, s, tau, m2 = (parameter.symbol for parameter in system.parameters)
slope = {name: -update(system, str(name)) / system.step_size for name in (kappa, v)}
hessian = [[partial(slope[a], b) for b in (kappa, v)] for a in (kappa, v)]
minimum, saddle = {kappa: sp.S.One, v: tau}, {kappa: -m2 / (d * s), v: sp.S.Zero}


def at(point, expression):
    """An expression at given coefficients."""
    return expression.xreplace(point)


def determinant(point):
    """The determinant of the Hessian there."""
    return at(point, hessian[0][0] * hessian[1][1] - hessian[0][1] * hessian[1][0])


loss = claim(equal(system, system.loss, ((v - tau) ** 2 * m2 + (v * kappa - tau) ** 2 * s * d) / 2))
stationary_kappa = claim(equal(system, at(minimum, slope[kappa]), 0))
stationary_v = claim(equal(system, at(minimum, slope[v]), 0))
zero_loss = claim(equal(system, at(minimum, system.loss), 0))
nowhere_below = claim(
    nonnegative(system, system.loss, because=((v - tau) ** 2 * m2 + (v * kappa - tau) ** 2 * s * d) / 2)
)
two_points_only = claim(equal(system, v * slope[v] - kappa * slope[kappa], m2 * v * (v - tau)))
saddle_kappa = claim(equal(system, at(saddle, slope[kappa]), 0))
saddle_v = claim(equal(system, at(saddle, slope[v]), 0))
saddle_determinant = claim(nonnegative(system, -determinant(saddle)))
minimum_determinant = claim(equal(system, determinant(minimum), s * d * tau**2 * m2))
minimum_trace = claim(nonnegative(system, at(minimum, hessian[0][0] + hessian[1][1])))
unseen_at_zero_start = claim(equal(system, at({s: sp.S.Zero}, slope[kappa]), 0))

example = training(d=2, s=1, tau="1/2", m2=1)
at_example = {d: sp.Integer(2), s: sp.S.One, tau: sp.Rational(1, 2), m2: sp.S.One}
smallest = (7 - sp.sqrt(41)) / 4  # of the Hessian at the minimum: trace 7/2, determinant 1/2
FACTOR = "(1 - (7 - sqrt(41))/16)**(2*step)"  # the loss falls by (1 - eta * smallest)^2 a step, eta = 1/4


def contraction(radius):
    """``1 - eta H`` over a square around the minimum, eta = 1/4."""
    rows = [[int(a == b) - at(at_example, hessian[a][b]) / 4 for b in (0, 1)] for a in (0, 1)]
    return norm_at_most(
        example, rows, "97/100", [(kappa, 1 - radius, 1 + radius), (v, tau_half - radius, tau_half + radius)]
    )


tau_half = sp.Rational(1, 2)
trace, det = (at(at_example, at(minimum, form)) for form in (hessian[0][0] + hessian[1][1], determinant({})))
eigenvalue = claim(equal(example, sp.expand(smallest**2 - trace * smallest + det), 0))
contracts_nearby = claim(contraction(sp.Rational(1, 100)), expect="certified")
rate_above = claim(rate(example, "loss", "<=", f"51/10000*{FACTOR}", start=40, to=400, eta="1/4"), expect="certified")
rate_below = claim(rate(example, "loss", ">=", f"38/10000*{FACTOR}", start=40, to=400, eta="1/4"), expect="certified")
