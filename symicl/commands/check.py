"""``symicl check``: judge claims, by name or from files, and keep what was decided whatever happens next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from symicl.claims.base import Claim, Verdict
from symicl.claims.check import Checked, check
from symicl.claims.loader import load_claims, paper_folders
from symicl.commands.options import examples, json_option, near
from symicl.errors import InputError, SymiclError
from symicl.output import note, present, progress, table


class BrokenClaim(SymiclError):
    """Deciding a claim failed in a way it should not: a bug."""


@dataclass
class _Report:
    """What has been decided so far, and what went wrong on the way."""

    checked: list[Checked] = field(default_factory=list)
    errors: list[SymiclError] = field(default_factory=list)
    interrupted: bool = False

    @property
    def exit_code(self) -> int:
        """130 interrupted, 3 a bug, 2 a file that cannot be read, 1 an unexpected verdict, 4 undecided, 0 else."""
        if self.interrupted:
            return 130
        if self.errors:
            return max(error.exit_code for error in self.errors)
        unexpected = [item for item in self.checked if not item.as_expected]
        if any(item.verdict is not Verdict.UNDECIDED for item in unexpected):
            return 1
        return 4 if unexpected else 0

    def as_json(self) -> dict[str, Any]:
        counts = Counter(item.verdict for item in self.checked)
        as_expected = sum(item.as_expected for item in self.checked)
        summary = {verdict.value: counts[verdict] for verdict in Verdict}
        summary |= {"as_expected": as_expected, "not_as_expected": len(self.checked) - as_expected}
        payload: dict[str, Any] = {"claims": [item.as_json() for item in self.checked], "summary": summary}
        if self.errors:
            payload["error"] = self.errors[0].as_json()
            payload["errors"] = [error.as_json() for error in self.errors]
        if self.interrupted:
            payload["interrupted"] = True
        return payload


@click.command("check", epilog=examples("symicl check huang2024.gradient", "symicl check my_results/bound.py --json"))
@click.argument("selectors", nargs=-1, metavar="[PAPER|CLAIM|PATH]...")
@json_option
def check_command(selectors: tuple[str, ...], as_json: bool) -> int:
    """Judge claims and compare the verdicts with the expected ones; without arguments, all that come with symicl.

    A name selects a claim or all claims below it; a path is a result file or a folder of them.
    """
    report = _Report()
    try:
        claims = _select(selectors, report)
        with progress("checking", len(claims), as_json) as step:
            for position, claim in enumerate(claims):
                step(position, claim.id)
                _decide(claim, report)
    except KeyboardInterrupt:
        report.interrupted = True
    present(report.as_json(), as_json, lambda: _lines(report))
    if not as_json:
        for error in report.errors:
            note(f"symicl: {error}")
        if report.interrupted:
            note("symicl: interrupted; the claims above are those decided so far")
    return report.exit_code


def _decide(claim: Claim, report: _Report) -> None:
    try:
        report.checked.append(check(claim))
    except SymiclError as error:
        report.errors.append(InputError(error.problem, where=f"{claim.id}: {error.where}", remedy=error.remedy))
    except Exception as error:
        problem = f"internal error: {type(error).__name__}: {error}"
        report.errors.append(BrokenClaim(problem, where=claim.id, remedy="this is a bug"))


def _lines(report: _Report) -> Iterator[str]:
    def mark(item: Checked) -> str:
        return "" if item.as_expected else f"EXPECTED {item.claim.expected.value}"

    if report.checked:
        yield from table(
            [(i.verdict.value, i.claim.id, f"{i.seconds:.2f} s", mark(i)) for i in report.checked],
        )
    for item in report.checked:
        if not item.as_expected:
            yield f"{item.claim.id}: {item.outcome.evidence.summary}"
            yield from (f"    {name}: {text}" for name, text in item.outcome.evidence.details)
    counts = report.as_json()["summary"]
    parts = [f"{counts[v.value]} {v.value}" for v in Verdict if counts[v.value]]
    yield f"{len(report.checked)} claims: {', '.join(parts) or 'none'}; {counts['as_expected']} as expected"


def _select(selectors: Sequence[str], report: _Report) -> list[Claim]:
    """The selected claims, each once. Unknown names raise; files that cannot be read are noted in the report."""
    folders = paper_folders()
    files = {f"{paper}.{path.stem}": path for paper, folder in folders.items() for path in result_files(folder)}
    cache: dict[Path, list[Claim]] = {}
    chosen: dict[tuple[str, str], Claim] = {}

    def take(path: Path, prefix: str = "") -> int:
        if path not in cache:
            cache[path] = _load(path, report)
        found = [claim for claim in cache[path] if _below(claim.id, prefix)]
        chosen.update({(str(path), claim.id): claim for claim in found})
        return len(found)

    for selector in selectors or folders:
        if not selector:
            raise InputError("an empty name", where="check", remedy="name a paper, a claim or a file, or nothing")
        near_by = [path for name, path in files.items() if _below(name, selector) or _below(selector, name)]
        before = len(report.errors)
        if sum(take(path, selector) for path in near_by) or len(report.errors) > before:
            continue
        if near_by or not _is_path(selector):
            known = {*folders, *files, *(claim.id for path in files.values() for claim in _load(path, _Report()))}
            raise InputError("no such paper, claim or file", where=selector, remedy=near(selector, known, "papers"))
        paths = _paths(Path(selector))
        if not sum(take(path.resolve()) for path in paths) and len(report.errors) == before:
            raise InputError("there is no claim in it", where=selector, remedy="bind a name to claim(...) in a file")
    return list(chosen.values())


def _is_path(selector: str) -> bool:
    return selector.endswith(".py") or "/" in selector or Path(selector).exists()


def _below(name: str, prefix: str) -> bool:
    """Whether a dotted name is the prefix or lies below it; everything lies below the empty one."""
    return not prefix or name == prefix or name.startswith(prefix + ".")


def _paths(path: Path) -> list[Path]:
    """The result files that a path stands for: itself, or those of a paper's folder or of a folder of papers."""
    if not path.is_dir():
        return [path]
    if (path / "__init__.py").is_file():
        return result_files(path)
    papers = paper_folders(path)
    return [file for folder in papers.values() for file in result_files(folder)] if papers else result_files(path)


def result_files(folder: Path) -> list[Path]:
    """The result files of a folder, in order."""
    return [path for path in sorted(folder.glob("*.py")) if path.stem != "systems" and not path.stem.startswith("_")]


def _load(path: Path, report: _Report) -> list[Claim]:
    try:
        return list(load_claims(path))
    except SymiclError as error:
        report.errors.append(error)
    except SystemExit:
        report.errors.append(InputError("the file exits when it is imported", where=str(path)))
    return []
