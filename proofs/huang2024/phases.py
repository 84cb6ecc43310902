"""The phases of an under-represented query are real: found without being declared, and the same from K = 10^3 to 10^20.

B1 leads to the end of phase 2: its updates are -eta p_1^2 e^(2(B1-B))/((1-p_1) K), those of A eta (1-p_1) e^(A-B)/K^2.
They meet at K^2/(3(1-p_1)), where A takes the lead; phase 3 is the other two thirds of the time, until K^2/(1-p_1).
Phase 1 is the short start in which B1 has not yet fallen by log(2p_1/(1-p_1)): there is none at p_1 = 1/4, and one more
such term at 3/4. Phases 4 and 5 are the last K^(3/2) and K steps.

Paper    In-Context Convergence of Transformers, arXiv 2310.05249
Source   reconstructed: are the phases real or artefacts of the analysis?
Assumes  linear tasks, orthonormal features, N = inf, Q = 0 at the start, p_1 = 1/2, eta = 1, to loss 1/100
Tight    ends of phases to 1e-4 (2 and 3), of phase 1 to 3 in 1000; B1 is read off the same runs in window_from
"""

from symicl import claim, phases_at

from .systems import underrepresented

SETTING = dict(to="loss <= 1/100", p1="1/2", N="inf")

same_phases = claim(
    phases_at(
        underrepresented,
        5,
        at=(10**3, 10**20),
        leads=("B1", "A"),
        dominant={
            1: {"A": "2*eta*p1*exp(A-2*B+B1)/(K-2)**2"},
            2: {"A": "eta*(1-p1)*exp(A-B)/(K-2)**2", "B1": "-eta*p1**2*(K-1)*exp(2*B1-2*B)/((K-2)**2*(1-p1))"},
            3: {"B": "-eta*(1-p1)*exp(A-B)/(K-2)**3"},
            5: {"A": "eta*(1-p1)*(K-2)*exp(2*B-2*A)"},
        },
        **SETTING,
    ),
    expect="supported",
)
durations = claim(
    phases_at(
        underrepresented,
        5,
        at=(10**3, 10**20),
        ends={2: ("K**2/(3*(1-p1))", "7/8", "6/5"), 3: ("K**2/(1-p1)", "7/8", "9/8")},
        lengths={1: ("K", 14, 15), 4: ("K**(3/2)", 2, 4), 5: ("K", 40, 90)},
        exponents={1: ("99/100", "101/100"), 2: ("199/100", "201/100"), 3: ("199/100", "201/100")},
        **SETTING,
    ),
    expect="supported",
)
