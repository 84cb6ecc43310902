"""A system without features: a linear classifier with exponential loss, trained numbers being plain symbols.

Two points with label 1 lie on one direction, x = (1, 2) and x = (2, 4); with the margin ``z = w1 + 2 w2`` the loss is
``(e^-z + e^-2z) / 2``. That ``w1 - w2/2`` never changes is found, not stated, so one scalar is all there is to iterate.
Under gradient flow ``u = e^z`` obeys ``du/dt = 5/2 (1 + 2/u)``, hence the exact time to reach u:

    t(u) = 2/5 [ (u - 1) - 2 ln((u + 2) / 3) ].

The slope of the loss falls along the way, so Euler's steps of size eta run ahead of the flow.
"""

from __future__ import annotations

import math

import sympy as sp

from symicl import Coordinate, System, check, claim, conserved, first_step, nonnegative, reduce_system, update

w1, w2 = sp.symbols("w1 w2", real=True)
margin = w1 + 2 * w2
loss = (sp.exp(-margin) + sp.exp(-2 * margin)) / 2

CLASSIFIER = System(
    id="classifier",
    title="a linear classifier with exponential loss",
    loss=loss,
    objective=loss,
    coordinates=(Coordinate(w1), Coordinate(w2)),
)


def steps_of_descent(eta: float, target: float) -> int:
    """Gradient descent in plain floats: the first step at which the loss is at most the target."""
    a = b = 0.0
    step = 0
    while (q := math.exp(-(a + 2 * b))) + q * q > 2 * target:
        slope = (q + 2 * q * q) / 2
        a, b, step = a + eta * slope, b + 2 * eta * slope, step + 1
    return step


def steps_of_flow(eta: float, target: float) -> float:
    """The time at which gradient flow reaches the target, divided by eta."""
    u = 2 / (math.sqrt(1 + 8 * target) - 1)  # the root of 1/u + 1/u^2 = 2 target
    return 2 / 5 * ((u - 1) - 2 * math.log((u + 2) / 3)) / eta


if __name__ == "__main__":
    recurrence = reduce_system(CLASSIFIER)
    print("conserved:", *recurrence.conserved)
    print("coordinate:", *recurrence.coordinates, "step:", *recurrence.updates)
    assert recurrence.conserved == (w1 - w2 / 2,)
    assert len(recurrence.coordinates) == 1

    steps = steps_of_descent(1 / 50, 1 / 100)
    flow = steps_of_flow(1 / 50, 1 / 100)
    print(f"loss 1/100 after {steps} steps; the flow takes {flow:.1f}")
    assert 0 < flow - steps < 10
    claims = {
        "2 w1 - w2 is conserved": claim(conserved(CLASSIFIER, "2*w1 - w2")),
        "w1 never falls": claim(nonnegative(CLASSIFIER, update(CLASSIFIER, "w1"))),
        f"loss 1/100 at step {steps}": claim(
            first_step(CLASSIFIER, "loss <= 1/100", "==", steps, eta="1/50"), expect="certified"
        ),
    }
    for name, item in claims.items():
        checked = check(item)
        assert checked.as_expected, checked.outcome.evidence.summary
        print(f"{name}: {checked.verdict.value}")
