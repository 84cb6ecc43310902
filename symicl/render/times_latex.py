"""LaTeX of the time to a given loss, where a recurrence has it as a formula."""

from __future__ import annotations

from collections.abc import Mapping

import sympy as sp

from symicl.hitting import TARGET, Z0, Z, hitting_formula_with_limits
from symicl.reduce import Recurrence
from symicl.render.display import Equation, breakable, display, label
from symicl.render.printer import Printer


def hitting_time_latex(recurrence: Recurrence, symbols: Mapping[str, str], where: tuple[str, ...]) -> list[str]:
    """The paragraph about the first step n with ``loss <= epsilon``; empty where there is no formula."""
    system, known = recurrence.symmetric.system, hitting_formula_with_limits(recurrence)
    if known is None:
        return []
    formula, leading = known
    printer = Printer(symbols=dict(symbols))
    eta, epsilon = printer._print(system.step_size), printer._print(TARGET)

    def equation(name: str, left: str, right: sp.Expr, lead: str = "", rest: str = "") -> Equation:
        terms = [piece for term in printer.terms(right) for piece in breakable(term)]
        return Equation(label(*where, name), left, (*terms, *([rest] if rest else [])), lead)

    early, late = formula.flow - formula.least, formula.most - formula.flow
    text = [
        rf"The first step $n$ with $L \le {epsilon}$, for ${epsilon} < {printer._print(formula.at_start)}$, "
        rf"is given to the next order by",
        display(
            [
                equation("target", printer._print(Z), formula.z),
                equation("origin", printer._print(Z0), formula.z0),
                equation("time", "T", formula.flow),
                equation("count", "n", formula.count - formula.flow, "T", f"+ O({eta})"),
            ]
        ),
        rf"Gradient flow takes the time ${eta} T$; at every step size $T - R \le n < T + S$, where",
        display([equation("least", "R", early), equation("most", "S", late)]),
    ]
    if leading:
        ends = [
            equation(f"limit-{symbol}", rf"T \big|_{{{printer._print(symbol)} \to {printer._print(to)}}}", term)
            for symbol, to, term in leading
        ]
        text += ["The leading terms are", display(ends)]
    if any(term.has(Z) for _, _, term in leading):
        text.append(f"where ${printer._print(Z)}$ is at its own limit.")
    return text
