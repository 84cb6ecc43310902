"""One training run four ways: balls, mpmath, float64 in closed form, and the layer itself on its prompts.

The ball encloses the truth, so the others are measured against it. The simulator shares nothing with the derivation:
it runs the layer forward and backward on every prompt that K features and N tokens allow.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import sympy as sp

from symicl import Run, Trajectory, iterate, load_system, reduce_system
from symicl.simulate import Experiment, simulate

STEPS, ETA = 200, sp.Rational(2)


def decimal(trace: Trajectory, number: Any) -> Decimal:
    """The midpoint of a number of the trace's arithmetic, to 45 digits."""
    return Decimal(str(trace.arithmetic.as_json(number, 45)["mid"]))


if __name__ == "__main__":
    system = load_system("huang2024.underrepresented")(K=4, N=6, p1="2/5")
    recurrence = reduce_system(system)
    run = Run(ETA, steps=STEPS, dps=40)
    traces = {name: iterate(recurrence, run, name) for name in ("ball", "mp", "float64")}
    truth = traces["ball"]
    print(f"{len(recurrence.states)} scores from {len(recurrence.coordinates)} scalars, {STEPS} steps")
    for name, trace in traces.items():
        shown = [trace.arithmetic.as_json(value, 20)["mid"] for value in (*trace.states, trace.loss)]
        print(f"{name:8} {trace.guarantee.label:9} digits {trace.digits}: {' '.join(map(str, shown))}")

    assert truth.digits is not None and truth.digits >= 40
    mp = traces["mp"]
    for exact, number in zip((*truth.states, truth.loss), (*mp.states, mp.loss), strict=True):
        # mp carries 12 guard digits and bounds no error; 200 steps have cost it fewer than those.
        assert abs(decimal(truth, exact) - decimal(mp, number)) < Decimal(10) ** -40

    data = system.data
    experiment = Experiment(np.array(data.probabilities, dtype=float), data.prompt_length, query=data.query)
    oracle = simulate(experiment, float(ETA), STEPS)
    k, dominant, other = data.query, 0, data.query + 1
    simulated = [oracle.scores[feature, k] for feature in (k, dominant, other)] + [oracle.loss]
    print(f"{'layer':8} supported: {' '.join(map(str, simulated))}")
    for exact, number in zip((*truth.states, truth.loss), simulated, strict=True):
        # 200 steps of float64 with every rounding error a few ulp of numbers of size 1.
        assert abs(truth.arithmetic.to_float(exact) - number) < 1e-12
