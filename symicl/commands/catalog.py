"""What there is and what it looks like: ``list``, ``derive`` and ``latex``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import sympy as sp

from symicl.commands.options import examples, find_family, find_target, json_option, set_option, warned
from symicl.derive import derive, hessian, patterns
from symicl.errors import InputError
from symicl.expectation import laws_in
from symicl.grammar import format_expression
from symicl.hitting import TARGET, Z0, Z, hitting_formula_with_limits
from symicl.indices import like_index, range_of
from symicl.notation import fold
from symicl.output import note, present, table
from symicl.reduce import Recurrence, reduce_system
from symicl.symmetry import orbits
from symicl.systems.base import System, SystemFamily


@click.command("list", epilog=examples("symicl list --json"))
@json_option
def list_command(as_json: bool) -> None:
    """Name every system and every claim."""
    from symicl.claims.check import kind_of
    from symicl.claims.loader import load_papers
    from symicl.claims.statements import system_of

    papers = load_papers()
    systems = [_family_json(family) for paper in papers for family in paper.systems]
    claims = [
        {
            "id": claim.id,
            "system": system_of(claim.statement).id,
            "kind": kind_of(claim),
            "source": claim.source,
            "expected": claim.expected.value,
        }
        for paper in papers
        for claim in paper.claims
    ]

    def lines() -> Iterator[str]:
        yield "systems"
        for system in systems:
            parameters = "; ".join(f"{p['name']}: {p['domain']}" for p in system["parameters"])
            yield f"  {system['id']}: {system['title']}"
            yield f"      parameters  {parameters}"
            yield f"      states      {', '.join(system['states'])}"
        yield "claims"
        yield from ("  " + row for row in table([(c["id"], c["kind"], c["source"], c["expected"]) for c in claims]))

    present({"systems": systems, "claims": claims}, as_json, lines)


def _family_json(family: SystemFamily) -> dict[str, Any]:
    return {
        "id": family.id,
        "title": family.title,
        "parameters": [{"name": p.name, "meaning": p.meaning, "domain": p.domain} for p in family.parameters],
        "states": _state_names(family()),
    }


def _state_names(system: System) -> list[str]:
    if system.has_orbits:
        return [str(orbit.symbol) for orbit in orbits(system)]
    return [str(variable) for c in system.coordinates for _, variable, _ in patterns(system, c.variable)]


@click.command("derive", epilog=examples("symicl derive huang2024.balanced --set K=8"))
@click.argument("system")
@set_option
@json_option
def derive_command(system: str, settings: tuple[str, ...], as_json: bool) -> None:
    """Print the closed-form updates of SYSTEM, what they conserve, and the reduced recurrence.

    Parameters not set stay symbols. An update is state(t+1) - state(t), step size included.
    """
    target = find_target(system, settings)
    payload: dict[str, Any] = {"system": target.system.id, "parameters": target.parameters}
    payload |= warned(target.system)
    payload |= _derived(target.system) if target.system.has_orbits else _derived_entries(target.system)

    def lines() -> Iterator[str]:
        yield f"{target.system.id}: {target.system.title}"
        if payload.get("definitions"):
            yield "notation"
            yield from (f"  {item['name']} = {item['expr']}" for item in payload["definitions"])
        if payload.get("laws"):
            yield "laws"
            yield from (f"  {text}" for text in payload["laws"])
        yield "updates"
        yield from (f"  {item['state']}(t+1) - {item['state']}(t) = {item['expr']}" for item in payload["updates"])
        if payload.get("hessian"):
            yield "hessian"
            for item in payload["hessian"]:
                yield f"  d2 loss / d {item['first']} d {item['second']} = {item['expr']}"
        if payload["conserved"]:
            yield "conserved"
            yield from (f"  {item['expr']}" for item in payload["conserved"])
        if payload["reduced"]:
            yield "reduced"
        for item in payload["reduced"]:
            yield f"  {item['coordinate']} = {item['reading']}"
            yield f"  {item['coordinate']}(t+1) - {item['coordinate']}(t) = {item['update']}"
        for item in payload.get("hitting_times", []):
            yield from _time_lines(item)
        yield f"loss\n  {payload['loss']['expr']}"

    present(payload, as_json, lines)


def _derived(system: System) -> dict[str, Any]:
    """The updates of states, their conservation laws and the reduced coordinates, in symicl's grammar."""
    recurrence = reduce_system(system)
    symmetric = recurrence.symmetric
    return {
        "updates": [{"state": str(s.symbol), **_expression(s.update, system)} for s in symmetric.states],
        "conserved": [_expression(form, system) for form in recurrence.conserved],
        "reduced": [
            {
                "coordinate": str(coordinate),
                "reading": format_expression(reading),
                "update": format_expression(update),
                "latex": _latex(update, system),
            }
            for coordinate, reading, update in zip(
                recurrence.coordinates, recurrence.readings, recurrence.updates, strict=True
            )
        ],
        "loss": {**_expression(symmetric.loss, system), "reduced": format_expression(recurrence.loss)},
        "hitting_times": _hitting_times(recurrence),
    }


def _hitting_times(recurrence: Recurrence) -> list[dict[str, Any]]:
    """The first step with ``loss <= epsilon`` as a formula, where the recurrence has one."""
    system, known = recurrence.symmetric.system, hitting_formula_with_limits(recurrence)
    if known is None:
        return []
    formula, leading = known
    parts = {name: getattr(formula, name) for name in ("flow", "count", "least", "most")}
    return [
        {
            "condition": f"loss <= {TARGET}",
            "below": _expression(formula.at_start, system),
            "where": [
                {"name": str(name), **_expression(value, system)} for name, value in ((Z, formula.z), (Z0, formula.z0))
            ],
            **{name: _expression(expression, system) for name, expression in parts.items()},
            "limits": [
                {"symbol": str(symbol), "to": "inf" if to is sp.oo else str(to), **_expression(term, system)}
                for symbol, to, term in leading
            ],
        }
    ]


def _time_lines(item: dict[str, Any]) -> Iterator[str]:
    flow = item["flow"]["expr"]
    count, least, most = (item[name]["expr"].replace(flow, "T") for name in ("count", "least", "most"))
    yield f"steps n to {item['condition']}, for {TARGET} < {item['below']['expr']}"
    yield from (f"  with {each['name']} = {each['expr']}" for each in item["where"])
    yield f"  T = {flow} (gradient flow)"
    yield f"  n = {count} + O(eta)"
    yield f"  n >= {least}"
    yield f"  n < {most}"
    for limit in item["limits"]:
        yield f"  as {limit['symbol']} tends to {limit['to']}: n ~ {limit['expr']}"


def _derived_entries(system: System) -> dict[str, Any]:
    """The updates of entries by their indices, in the notation of the paper; sums over indices stay sums."""

    def shown(expression: sp.Expr) -> dict[str, str]:
        named = fold(system, expression)
        return {"expr": str(named), "latex": _latex(named, system)}

    def names() -> Iterator[dict[str, str]]:
        for definition in system.definitions:
            latex = _latex(definition.body, system)
            yield {"name": str(definition.name), "expr": str(definition.body), "latex": latex}

    return {
        "definitions": list(names()),
        "laws": list(dict.fromkeys(text for law in laws_in(system.loss) for text in str(law).split("; "))),
        "updates": [{"state": str(update.variable), **shown(update.expression)} for update in derive(system)],
        "hessian": [
            {"first": str(first), "second": str(second), **shown(hessian(system, first, second))}
            for first, second in _pairs(system)
        ],
        "conserved": [],
        "reduced": [],
        "loss": shown(system.loss),
    }


def _pairs(system: System) -> Iterator[tuple[sp.Indexed, sp.Indexed]]:
    """Each trained entry over index ranges twice, with indices of its own."""
    for coordinate in system.coordinates:
        if system.ranges and isinstance(coordinate.variable, sp.Indexed):
            letters = {each.name: list(each.letters) for each in system.ranges}
            for index in coordinate.variable.indices:
                letters[range_of(index)].remove(index.name)
            other = {index: like_index(index, letters[range_of(index)].pop(0)) for index in coordinate.variable.indices}
            yield coordinate.variable, coordinate.variable.xreplace(other)


def _expression(expression: sp.Expr, system: System) -> dict[str, str]:
    return {"expr": format_expression(expression), "latex": _latex(expression, system)}


def _latex(expression: sp.Expr, system: System) -> str:
    from symicl.render.printer import expression_latex

    return expression_latex(expression, system.symbols, system.ranges)


@click.command("latex", epilog=examples("symicl latex huang2024 --standalone -o updates.tex"))
@click.argument("name", metavar="SYSTEM|PAPER")
@click.option("--standalone", is_flag=True, help="A complete document instead of a fragment.")
@click.option("-o", "--output", metavar="FILE.tex", help="Write to a file instead of stdout.")
@json_option
def latex_command(name: str, standalone: bool, output: str | None, as_json: bool) -> None:
    """Typeset the update equations of a system, or of all systems of a paper."""
    from symicl.claims.loader import load_paper, paper_folders
    from symicl.render import latex

    folders = paper_folders()
    if name in folders:
        paper = load_paper(folders[name])
        title, text = paper.title, latex.paper_latex(paper.title, paper.systems)
    else:
        family = find_family(name)
        title, text = family.title, latex.system_latex(family)
    if standalone:
        text = latex.standalone(text, title)
    if output == "-":
        output = None
    if output is not None:
        try:
            Path(output).write_text(text, encoding="utf-8")
        except OSError as error:
            raise InputError(
                f"cannot write: {error.strerror}", where=output, remedy="name a file in a folder you may write to"
            ) from None
        note(f"wrote {output}")
    if output is None or as_json:
        present({"name": name, "latex": text, "file": output}, as_json, lambda: iter([text.rstrip("\n")]))
