"""Claims that look right and are false, and the ones nearby that are true.

One softmax layer (arXiv 2310.05249), an under-represented query v_k: A is the score of its own feature, B1 that of the
dominant feature, B that of any other rare one. One would expect every score but A to fall, and B1 to settle near
-log(K)/2. Both are refuted, each by a witness that anyone can put in; what does hold is proved for all K, N, p1.
"""

from __future__ import annotations

from symicl import (
    Claim,
    Verdict,
    always,
    at_start,
    check,
    claim,
    conserved,
    load_system,
    nonnegative,
    nonpositive,
    update,
)

rare = load_system("huang2024.underrepresented")
any_parameters, long_prompts, trained = rare(), rare(N="inf"), rare(K=16, N="inf", p1="1/2")

CLAIMS: dict[str, tuple[Claim, Verdict]] = {
    "B1 never rises, at any scores": (claim(nonpositive(long_prompts, update(long_prompts, "B1"))), Verdict.REFUTED),
    "B1 does not rise in the first step": (
        claim(nonpositive(long_prompts, at_start(long_prompts, update(long_prompts, "B1")))),
        Verdict.PROVED,
    ),
    "B stays <= 0 in training, K = 16": (claim(always(trained, "B <= 0", to="loss <= 1/100")), Verdict.REFUTED),
    "B stays <= 1/10 in training, K = 16": (claim(always(trained, "B <= 1/10", to="loss <= 1/100")), Verdict.CERTIFIED),
    "B1 >= -0.51 log K until loss 1/100, K = 16": (
        claim(always(trained, "B1 >= -0.51*log(16)", to="loss <= 1/100")),
        Verdict.REFUTED,
    ),
    "B1 >= -0.74 log K until loss 1/100, K = 16": (
        claim(always(trained, "B1 >= -0.74*log(16)", to="loss <= 1/100")),
        Verdict.CERTIFIED,
    ),
    "A never falls": (claim(nonnegative(any_parameters, update(any_parameters, "A"))), Verdict.PROVED),
    "A + B1 + (K-2) B never changes": (claim(conserved(any_parameters, "A + B1 + (K-2)*B")), Verdict.PROVED),
}

if __name__ == "__main__":
    for name, (item, expected) in CLAIMS.items():
        outcome = check(item).outcome
        print(f"{name}: {outcome.verdict.value}. {outcome.evidence.summary}")
        assert outcome.verdict is expected
        if outcome.verdict is Verdict.REFUTED:
            print("    witness:", ", ".join(f"{key} = {value}" for key, value in outcome.evidence.details))
            assert outcome.evidence.details
