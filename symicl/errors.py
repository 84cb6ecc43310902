"""Every error says what was wrong, where, and what to do about it.

Each class carries the exit code that the command line answers with, so that a caller of the library and a caller of
the command see the same distinction.
"""

from __future__ import annotations


class SymiclError(Exception):
    """Base of all errors symicl raises on purpose.

    ``problem`` says what was wrong, ``where`` quotes the user's own input or names the place, ``remedy`` says what to
    do. ``str(error)`` joins the three.
    """

    exit_code = 3

    def __init__(self, problem: str, *, where: str = "", remedy: str = "") -> None:
        self.problem, self.where, self.remedy = problem, where, remedy
        super().__init__(problem)

    def __str__(self) -> str:
        place = f" (in {self.where})" if self.where else ""
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"{self.problem}{place}{remedy}"

    def as_json(self) -> dict[str, str]:
        """The error as a JSON-ready mapping: ``kind``, ``problem``, ``where``, ``remedy``."""
        return {
            "kind": type(self).__name__,
            "problem": self.problem,
            "where": self.where,
            "remedy": self.remedy,
        }


class InputError(SymiclError):
    """The caller's input is wrong: a value, a name, a file, an option."""

    exit_code = 2


class BudgetError(SymiclError):
    """A budget (steps, time, precision) was spent before there was an answer."""

    exit_code = 4


class UndecidedError(SymiclError):
    """A comparison of two balls that overlap: neither true nor false at this precision."""

    exit_code = 4


class DerivationError(SymiclError):
    """A system asks for something the derivation cannot do exactly; nothing is guessed in its place."""

    exit_code = 2
