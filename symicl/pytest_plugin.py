"""A claim is a test item: ``pytest proofs/mypaper/gradient.py`` judges every claim in the file.

Result files are collected when they stand on the command line, or match the ini option ``symicl_claims`` (patterns such
as ``proofs/*/*.py``, relative to the rootdir). A claim fails, with its evidence, when its verdict is not the expected
one or a stronger one; an ``undecided`` verdict fails too unless it is expected.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from symicl.claims.base import Claim
from symicl.claims.check import Checked, check
from symicl.claims.loader import FIELDS, load_claims
from symicl.errors import SymiclError

OPTION = "symicl_claims"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the ini option ``symicl_claims``."""
    parser.addini(OPTION, "patterns of result files whose claims are tests, relative to the rootdir", type="args")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> ClaimFile | None:
    """Collect result files that match the ini option and do not stand on the command line."""
    if parent.session.isinitpath(file_path) or not _matches(file_path, parent.config):
        return None
    return ClaimFile.from_parent(parent, path=file_path) if is_result_file(file_path) else None


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Take a result file on the command line for what it is; pytest itself would look for test functions in it."""
    if not parent.session.isinitpath(module_path) or not is_result_file(module_path):
        return None
    return ClaimFile.from_parent(parent, path=module_path)


def _matches(path: Path, config: pytest.Config) -> bool:
    if path.suffix != ".py" or path.stem == "systems" or path.stem.startswith("_"):
        return False
    patterns: list[str] = config.getini(OPTION)
    return any(path in config.rootpath.glob(pattern) for pattern in patterns)


def is_result_file(path: Path) -> bool:
    """Whether a file starts with a docstring that has a result file's fields, Paper to Tight; it is not run."""
    try:
        text = ast.get_docstring(ast.parse(path.read_bytes())) or ""
    except (SyntaxError, ValueError):
        return False  # pytest's own collector says what is wrong with it
    heads = {line.split(" ")[0].lower() for line in text.splitlines()}
    return set(FIELDS) <= heads or {"paper", "source"} <= heads


class ClaimFailed(Exception):
    """The verdict on a claim is not as expected; the only argument is the :class:`Checked` claim."""

    def __init__(self, checked: Checked) -> None:
        super().__init__(checked)
        self.checked = checked


class ClaimFile(pytest.File):
    """A result file."""

    def collect(self) -> Iterator[ClaimItem]:
        """One item a claim; a file that cannot be read as a result file is an error of collection."""
        try:
            claims = load_claims(self.path)
        except SymiclError as error:
            raise self.CollectError(str(error)) from error
        for claim in claims:
            yield ClaimItem.of(self, claim)


class ClaimItem(pytest.Item):
    """One claim. Its verdict is among the item's ``user_properties``, so that reports carry it."""

    claim: Claim

    @classmethod
    def of(cls, parent: ClaimFile, claim: Claim) -> ClaimItem:
        """The item of a claim, named by the claim's id."""
        item: ClaimItem = cls.from_parent(parent, name=claim.id)
        item.claim = claim
        return item

    def runtest(self) -> None:
        """Decide the claim. Raises ``ClaimFailed`` when the verdict is neither the expected one nor stronger."""
        checked = check(self.claim)
        self.user_properties.append(("verdict", checked.verdict.value))
        if not checked.as_expected:
            raise ClaimFailed(checked)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> str:
        """The verdict with its evidence; for any other exception the traceback."""
        if not isinstance(excinfo.value, ClaimFailed):
            return str(super().repr_failure(excinfo))
        checked = excinfo.value.checked
        evidence = checked.outcome.evidence
        lines = [
            f"{self.claim.id} is {checked.verdict.value}, expected {self.claim.expected.value}",
            f"{evidence.method}: {evidence.summary}",
            *(f"  {name}: {text}" for name, text in evidence.details),
        ]
        title = self.claim.about.get("title", "")
        return "\n".join([title, *lines] if title else lines)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Where the claim stands."""
        return self.path, None, self.claim.id
