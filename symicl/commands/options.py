"""What several commands read: a system by name or file, exact values, a target to run to."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
import sympy as sp
from flint import arb, fmpq

from symicl.claims.loader import load_systems, paper_folders
from symicl.descent import state_symbols
from symicl.errors import InputError
from symicl.floor import loss_floor
from symicl.grammar import Condition, parse_condition, parse_integer, parse_value
from symicl.output import note
from symicl.process import LOSS
from symicl.reduce import reduce_system
from symicl.signs import manifest
from symicl.systems.base import System, SystemFamily
from symicl.systems.files import read_system
from symicl.systems.gaussian_mixture import MixtureData
from symicl.systems.structured_features import PromptData

T = TypeVar("T")


def _json_anywhere(context: click.Context, parameter: click.Parameter, value: bool) -> bool:
    """The flag as given after the command or before it."""
    return value or bool(context.find_root().params.get("as_json", False))


json_option = click.option(
    "--json", "as_json", is_flag=True, callback=_json_anywhere, help="Write one JSON object to stdout."
)
set_option = click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="A parameter's exact value; may be repeated."
)


def examples(*commands: str) -> str:
    """The end of a help text: commands as they are typed (the first character keeps click from joining the lines)."""
    return "\n".join(["\b", "Examples:" if len(commands) > 1 else "Example:", *(f"  {line}" for line in commands)])


@dataclass(frozen=True)
class Target:
    """The system a command is about. ``parameters`` are given values; ``has_scores`` asks for scores, not states."""

    system: System
    parameters: dict[str, Any]
    has_scores: bool


def near(name: str, known: Iterable[str], kind: str) -> str:
    """Advice for an unknown name: what it is close to, or what there is."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"the {kind} are {', '.join(known[:20])}" if known else f"there are no {kind}"


def option_value(option: str, text: str, read: Callable[[str], T]) -> T:
    """What an option's text means; an error names the option."""
    try:
        return read(text)
    except InputError as error:
        raise InputError(error.problem, where=f"{option}: {error.where or text}", remedy=error.remedy) from None


def find_family(name: str) -> SystemFamily:
    """A named system of a paper; only that paper is loaded. Raises ``InputError`` with near matches."""
    folders = paper_folders()
    paper = name.partition(".")[0]
    if paper in folders:
        for family in load_systems(folders[paper]):
            if family.id == name:
                return family
    known = [family.id for folder in folders.values() for family in load_systems(folder)]
    raise InputError("there is no such system", where=name, remedy=near(name, known, "systems"))


def find_target(name: str, settings: Sequence[str]) -> Target:
    """The system of a name with its ``--set`` values, or the one that a FILE.toml describes. Raises ``InputError``."""
    path = Path(name)
    if path.suffix == ".toml" or os.sep in name or (path.is_file() and "." not in name):
        if settings:
            raise InputError(
                "a file gives all values itself", where=f"--set {settings[0]}", remedy=f"change {name} instead"
            )
        system = read_system(path)
        return Target(system, _file_values(system), isinstance(system.data, PromptData))
    family = find_family(name)
    given = _read_settings(settings)
    return Target(family(**given), given, False)


def _file_values(system: System) -> dict[str, Any]:
    """What a file says of a system, as parameters: its law, or the sizes of its ranges."""
    if isinstance(system.data, PromptData):
        values = {"probabilities": system.data.probabilities, "prompt_length": system.data.prompt_length or sp.oo}
        matrices = {"gram": system.data.gram, "kernel": system.data.kernel}
        return values | {name: rows for name, rows in matrices.items() if rows is not None}
    sizes = {each.name: each.size for each in system.ranges}
    return sizes | ({"prompt_length": system.data.length} if isinstance(system.data, MixtureData) else {})


def _read_settings(settings: Sequence[str]) -> dict[str, sp.Expr]:
    given: dict[str, sp.Expr] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        name = name.strip()
        if not equals or not name:
            raise InputError("not of the form NAME=VALUE", where=f"--set {setting}", remedy="write --set K=8")
        if name in given:
            raise InputError(f"{name} is set twice", where=f"--set {setting}", remedy="give it one value")
        given[name] = option_value(f"--set {name}", text, parse_value)
    return given


def warned(system: System) -> dict[str, list[str]]:
    """``warnings`` for the JSON of a command, each also a line on stderr; empty where there are none."""
    for text in system.warnings:
        note(f"symicl: warning: {text}")
    return {"warnings": list(system.warnings)} if system.warnings else {}


def require_values(target: Target) -> None:
    """Raise ``InputError`` naming the parameters that have no value yet."""
    missing = target.system.parameters
    if missing:
        wanted = ", ".join(f"{p.name} ({p.meaning}; {p.domain})" for p in missing)
        flags = " ".join(f"--set {p.name}=..." for p in missing)
        raise InputError(f"no value for {wanted}", where=target.system.id, remedy=f"add {flags}")
    if not state_symbols(target.system):
        open_part = "law of the features" if target.system.features is not None else "data"
        raise InputError(
            f"the {open_part} is left open, so there are no numbers to compute",
            where=target.system.id,
            remedy="describe it in a FILE.toml, or take another system of `symicl list`",
        )


def goal_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say how far to run."""
    for option in (
        click.option("--timeout", metavar="SECONDS", help="Stop after this many seconds."),
        click.option("--max-steps", metavar="N", help="Stop after this many steps."),
        click.option("--until", metavar="CONDITION", help="Run to the first step that meets it, as in 'loss<=1/100'."),
        click.option("--steps", metavar="N", help="Run this many steps."),
        click.option("--eta", required=True, metavar="VALUE", help="The step size, exact."),
        set_option,
    ):
        command = option(command)
    return command


@dataclass(frozen=True)
class Goal:
    """How far to run and on what budget, read from the options; ``None`` where an option was not given."""

    eta: sp.Rational
    steps: int | None
    until: Condition | None
    max_steps: int | None
    timeout: float | None

    @property
    def total(self) -> int | None:
        """The number of steps, where it is known beforehand."""
        return self.steps if self.max_steps is None or self.steps is None else min(self.steps, self.max_steps)


def read_goal(
    system: System, eta: str, steps: str | None, until: str | None, max_steps: str | None, timeout: str | None
) -> Goal:
    """Read and check the options of :func:`goal_options`. Raises ``InputError`` naming the option."""
    if (steps is None) == (until is None):
        given = "neither is given" if steps is None else "both are given"
        raise InputError(given, where="--steps, --until", remedy="give exactly one of them")
    size = option_value("--eta", eta, parse_value)
    if not (size.is_Rational and size > 0):
        raise InputError(f"the step size is {size}", where=f"--eta {eta}", remedy="give a number greater than 0")
    return Goal(
        size,
        None if steps is None else _count("--steps", steps),
        None if until is None else option_value("--until", until, lambda text: _condition(system, text)),
        None if max_steps is None else _count("--max-steps", max_steps),
        None if timeout is None else _seconds(timeout),
    )


def _count(option: str, text: str) -> int:
    value = option_value(option, text, parse_integer)
    if value < 0:
        raise InputError("the number of steps is negative", where=f"{option} {text}", remedy="give an integer >= 0")
    return value


def _seconds(text: str) -> float:
    value = option_value("--timeout", text, parse_value)
    if not 0 < value < 10**9:
        raise InputError("not a possible time", where=f"--timeout {text}", remedy="give seconds, more than 0")
    return float(value)


def _condition(system: System, text: str) -> Condition:
    states = {str(symbol): symbol for symbol in state_symbols(system)}
    return parse_condition(text, {**dict(system.values), **dict(system.observables), **states, "loss": LOSS})


def refuse_unreachable(system: System, condition: Condition | None) -> None:
    """Raise ``InputError`` for a target ``loss <= c`` below what the loss can reach, quoting a bound on its infimum.

    A target of 0 is refused too for a layer: its loss is bounded below by 0, and no finite step attains it.
    """
    target = _upper_target(condition)
    if target is None:
        return
    if system.has_orbits:
        floor, attained = loss_floor(reduce_system(system)), False
    else:
        floor, attained = (arb(0) if manifest(system, system.loss) is not None else None), True
    if floor is None:
        return
    below = arb(fmpq(int(target.p), int(target.q))) < floor.lower()
    strict = condition is not None and "=" not in condition.relation
    if below or (target <= 0 and (strict or not attained)):
        raise InputError(
            f"the loss never gets there: its infimum is at least {floor.lower().str(8, radius=False)}",
            where=f"--until {condition}",
            remedy="choose a target above the infimum",
        )


def _upper_target(condition: Condition | None) -> sp.Rational | None:
    """The c of ``loss <= c`` or ``loss < c``, whichever side it is written on."""
    if condition is None:
        return None
    left, right = condition.left, condition.right
    if condition.relation[0] == ">":
        left, right = right, left
    return right if left == LOSS and right.is_Rational else None
