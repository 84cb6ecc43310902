"""Irrelevant features: their attention may grow before it falls, and may fall, grow and fall again.

Not for exchangeable tasks (``exchangeable_tasks.no_oscillation``), but for others, at small steps and with nothing
random left: the prompt's other features first correct the mean of what is predicted, and only later stand aside. A
query's own attention can fall too, although its own score cannot (``own_score``).

Paper    In-context learning of nonlinear tasks, arXiv 2507.20443
Source   reconstructed: the oscillation of irrelevant attentions, with parameters that show it
Assumes  orthonormal features, N = inf, one query, tasks that are random combinations of three functions; numbers below
Tight    certified traces; each claim is the value of an attention at one step, below or above a turn
"""

from symicl import always, claim

from .examples import attention_is, one_query

# Grows from 1/9 to more than 28/100, then falls.
GROW = (1, 1, 7)
grower = one_query(GROW, ((0, 0, 3), (1, -2, 2), (1, 2, 2)))
grows = claim(always(grower, attention_is(">=", "28/100", "b", GROW), eta="1/2", start=34, to=34), expect="certified")
then_falls = claim(
    always(grower, attention_is("<=", "3/100", "b", GROW), eta="1/2", start=1500, to=1500), expect="certified"
)

# Falls from 4/19 to less than 15/100, grows to more than 17/100, falls to less than 1/10.
TURN = (4, 7, 4, 4)
turner = one_query(TURN, ((0, 1, 1), (2, -3, -1), (3, -1, 0), (-2, 2, 2)))
falls = claim(always(turner, attention_is("<=", "15/100", "c", TURN), eta="1/4", start=30, to=30), expect="certified")
rises_again = claim(
    always(turner, attention_is(">=", "17/100", "c", TURN), eta="1/4", start=280, to=280), expect="certified"
)
falls_again = claim(
    always(turner, attention_is("<=", "1/10", "c", TURN), eta="1/4", start=2000, to=2000), expect="certified"
)

# The query's own attention grows from 1/11 to more than 115/1000, falls below 97/1000, and rises above 1/4 in the end.
OWN = (1, 7, 3)
own = one_query(OWN, ((2, -3, 2), (-2, 0, -2), (2, -3, 3)))
own_grows = claim(always(own, attention_is(">=", "115/1000", "a", OWN), eta="1/5", start=9, to=9), expect="certified")
own_falls = claim(always(own, attention_is("<=", "97/1000", "a", OWN), eta="1/5", start=98, to=98), expect="certified")
own_recovers = claim(
    always(own, attention_is(">=", "1/4", "a", OWN), eta="1/5", start=1200, to=1200), expect="certified"
)
