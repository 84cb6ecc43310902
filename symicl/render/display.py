"""Numbered displays that fit the page, safe labels, and plain text as LaTeX."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

LINE = 385.0
"""How wide a display may be, in points: 16 cm less the equation number and a margin for the estimate."""


def prose(text: str) -> str:
    """Plain text as LaTeX: special characters escaped, ``v_1`` and ``k >= 2`` set as math."""
    pieces = re.split(r"(\b[A-Za-z]_\w+|\b\w+ [<>]=? \w+)", text)
    specials = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    specials |= {character: "\\" + character for character in "#$%&_{}"}
    shown = []
    for position, piece in enumerate(pieces):
        if position % 2 == 0:
            shown.append("".join(specials.get(character, character) for character in piece))
            continue
        formula = re.sub(r"_(\w+)", r"_{\1}", piece)
        shown.append(f"${formula.replace('>=', chr(92) + 'ge').replace('<=', chr(92) + 'le')}$")
    return "".join(shown)


def label(*parts: str) -> str:
    """A stable equation label, in characters that are safe in one: ``eq:huang2024.balanced:A``."""
    return ":".join(["eq", *(re.sub(r"[^A-Za-z0-9.-]+", "-", part) for part in parts if part)])


@dataclass(frozen=True)
class Equation:
    """``left = terms``, or ``left = lead terms``; ``terms`` are signed, and lines may be broken before each."""

    label: str
    left: str
    terms: tuple[str, ...]
    lead: str = ""

    def rows(self) -> list[str]:
        """The lines of the equation for ``align``, each within ``LINE``; the label sits on the last."""
        room = LINE - width(self.left) - width("=")
        terms = self.terms if self.lead else (self.terms[0].removeprefix("+ "), *self.terms[1:])
        lines, used = [f"{self.left} &= {self.lead}".rstrip()], width(self.lead)
        fresh = not self.lead
        for term in terms:
            if not fresh and used + width(term) > room:
                lines.append(rf"&\quad {{}}{term}")
                used = 14 + width(term)
            else:
                lines[-1] += f" {term}"
                used += width(term)
            fresh = False
        return [line + r" \nonumber" for line in lines[:-1]] + [lines[-1] + rf" \label{{{self.label}}}"]


def display(equations: Sequence[Equation]) -> str:
    """The equations under each other, each with a number of its own."""
    rows = [row for equation in equations for row in equation.rows()]
    return "\\begin{align}\n" + " \\\\\n".join(rows) + "\n\\end{align}"


_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|[{}^_]|\S")
_WIDTHS = {r"\left": 2.0, r"\right": 2.0, r"\mathbb": 0.0, r"\mathrm": 0.0, r"\quad": 11.0, r"\sum": 16.0, "&": 0.0}
_WIDTHS |= {"+": 14.5, "-": 14.5, "=": 15.0, r"\neq": 15.0, ",": 5.0, "(": 5.0, ")": 5.0, "[": 5.0, "]": 5.0}


def width(latex: str) -> float:
    """About how wide displayed math is, in points at 11pt; rather too wide than too narrow."""
    tokens = _TOKEN.findall(latex)
    total, position = 0.0, 0
    while position < len(tokens):
        taken, position = _token_width(tokens, position)
        total += taken
    return total


def _token_width(tokens: list[str], position: int) -> tuple[float, int]:
    """The width of the token or group at the position, and where the next one begins."""
    token = tokens[position]
    if token == "{":
        inner, position = 0.0, position + 1
        while tokens[position] != "}":
            taken, position = _token_width(tokens, position)
            inner += taken
        return inner, position + 1
    if token == r"\frac":
        top, position = _token_width(tokens, position + 1)
        bottom, position = _token_width(tokens, position)
        return max(top, bottom) + 3.0, position
    if token in "^_":
        taken, position = _token_width(tokens, position + 1)
        return 0.78 * taken, position
    if token in _WIDTHS:
        return _WIDTHS[token], position + 1
    return (9.0 if token.isupper() else 7.0), position + 1
