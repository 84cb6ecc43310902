"""Numbered displays that fit the page, safe labels, and plain text as LaTeX."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

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
    """``left = terms``, or ``left = lead terms``; lines may be broken before each of ``terms``.

    Terms have a sign; one without is a further factor of the term before it.
    """

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
        for position, term in enumerate(terms):
            if not fresh and used + width(_with_factors(terms, position)) > room:
                times = "" if term[0] in "+-" else r"\times "
                lines.append(rf"&\quad {{}}{times}{term}")
                used = 14 + width(times + term)
            else:
                lines[-1] += f" {term}"
                used += width(term)
            fresh = False
        return [line + r" \nonumber" for line in lines[:-1]] + [lines[-1] + rf" \label{{{self.label}}}"]


def _with_factors(terms: Sequence[str], position: int) -> str:
    """A term with the factors that follow it; one of these by itself."""
    if terms[position][0] not in "+-":
        return terms[position]
    factors = takewhile(lambda piece: piece[0] not in "+-", terms[position + 1 :])
    return " ".join([terms[position], *factors])


def breakable(term: str) -> tuple[str, ...]:
    """A signed term in pieces, each of which may begin a line: before the sums and the brackets of a product."""
    pieces: list[str] = []
    depth = start = 0
    for found in re.finditer(r"\\left|\\right|\\sum|[{}]", term):
        token = found.group()
        begins = depth == 0 and token in (r"\left", r"\sum") and found.start() > start
        if begins and term[: found.start()].endswith(r"\mathbb{E}"):  # its brackets belong to an expectation
            begins = False
        if begins and (pieces or len(term[: found.start()].strip()) > 1):
            pieces.append(term[start : found.start()].strip())
            start = found.start()
        depth += {"{": 1, r"\left": 1, "}": -1, r"\right": -1}.get(token, 0)
    return (*pieces, term[start:])


def display(equations: Sequence[Equation]) -> str:
    """The equations under each other, each with a number of its own."""
    rows = [row for equation in equations for row in equation.rows()]
    return "\\begin{align}\n" + " \\\\\n".join(rows) + "\n\\end{align}"


_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|[{}^_]|\S")
_WIDTHS = {r"\left": 2.0, r"\right": 2.0, r"\mathbb": 0.0, r"\mathrm": 0.0, r"\quad": 11.0, r"\sum": 16.0, "&": 0.0}
_WIDTHS |= {r"\exp": 20.0, r"\times": 14.5}
_WIDTHS |= {"+": 14.5, "-": 14.5, "=": 15.0, r"\neq": 15.0, ",": 5.0, "(": 5.0, ")": 5.0, "[": 5.0, "]": 5.0}


def width(latex: str) -> float:
    """About how wide displayed math is, in points at 11pt; rather too wide than too narrow."""
    tokens = _TOKEN.findall(latex)
    total, position = 0.0, 0
    while position < len(tokens):
        taken, position = _token_width(tokens, position)
        total += taken
    return total


def _token_width(tokens: list[str], position: int, inline: bool = False) -> tuple[float, int]:
    """The width of the token or group at the position, and where the next one begins.

    ``inline`` says that limits of sums stand beside them, as they do in fractions, superscripts and subscripts.
    """
    token = tokens[position]
    if token == "{":
        inner, position = 0.0, position + 1
        while tokens[position] != "}":
            taken, position = _token_width(tokens, position, inline)
            inner += taken
        return inner, position + 1
    if token == r"\frac":
        top, position = _token_width(tokens, position + 1, inline=True)
        bottom, position = _token_width(tokens, position, inline=True)
        return max(top, bottom) + 3.0, position
    if token in "^_":
        taken, position = _token_width(tokens, position + 1, inline=True)
        return 0.78 * taken, position
    if token == r"\sum" and not inline:
        return _sum_width(tokens, position + 1)
    if token in _WIDTHS:
        return _WIDTHS[token], position + 1
    return (9.0 if token.isupper() else 7.0), position + 1


def _sum_width(tokens: list[str], position: int) -> tuple[float, int]:
    """The width of a sum whose limits, if any, stand below and above it."""
    widest = _WIDTHS[r"\sum"]
    while position < len(tokens) and tokens[position] in "^_":
        taken, position = _token_width(tokens, position)
        widest = max(widest, taken)
    return widest + 3.0, position
