"""What the expectations of a system with index ranges are over, as a sentence of LaTeX."""

from __future__ import annotations

import sympy as sp

from symicl.expectation import Law, Multinomial, laws_in
from symicl.gaussian import Gaussian, Joint, Unspecified
from symicl.indices import like_index
from symicl.render.printer import Printer
from symicl.systems.base import System


def law_sentence(system: System) -> str:
    """The laws of the loss, each given those before it; empty where there are none to tell."""
    printer = Printer(symbols=dict(system.symbols), ranges=system.ranges)
    joint = sorted(laws_in(system.loss), key=sp.default_sort_key)
    found = dict.fromkeys(each for law in joint for each in (law.laws if isinstance(law, Joint) else (law,)))
    told = [text for law in found if (text := _told(law, printer))]
    return f"Expectations are over {'; '.join(told)}." if told else ""


def _told(law: Law, printer: Printer) -> str:
    if isinstance(law, Unspecified):
        return f"{', '.join(f'${name}$' for name in map(str, law.args))} of any law"
    if isinstance(law, Multinomial):
        totals = ", ".join(printer._print(total) for total, _ in law.cells)
        odds = ", ".join(printer._print(odds) for _, odds in law.cells)
        return rf"$({totals}) \sim \mathrm{{Multinomial}}({printer._print(law.trials)};\, {odds})$"
    if isinstance(law, Gaussian):
        i, j = (like_index(law.index, name) for name in ("j", "k"))
        mean, spread = printer._print(law.mean(i)), printer._print(law.covariance(i, j))
        return rf"${law.vector}$ Gaussian with mean ${mean}$ at $j$ and covariance ${spread}$ at $j, k$"
    return ""


__all__ = ["law_sentence"]
