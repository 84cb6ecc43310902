"""What the documents show is what happens.

Conventions of the markdown files. A ``python`` block is run; blocks of one file share their names; a ``text`` block
right after it is what it printed. A block under a comment ``<!-- file: name -->`` is a file that later blocks of the
same document find in the working folder. In a ``console`` block every line ``$ symicl ...`` is run and what follows is
its standard output; it has to succeed unless ``$ echo $?`` comes next and shows another exit code. ``...`` stands for
anything, and times in seconds are not compared.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "benchmarks").glob("*.md"))]
LONG = ("gaussian_mixtures", "nonlinear_tasks", "normalized_descent", "phases")
"""Documents whose transcripts take more than a few seconds."""

BLOCK = re.compile(
    r"^(?:<!-- file: (?P<file>\S+) -->\n+)?```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
SECONDS = re.compile(r"\b\d+\.\d+ s\b")


@dataclass(frozen=True)
class Block:
    """A fenced block: where it starts, its kind, its text, and the name of the file it is (or "")."""

    line: int
    kind: str
    text: str
    file: str


@dataclass(frozen=True)
class Command:
    """A line of a terminal with the output shown below it."""

    line: str
    output: str


def blocks(path: Path) -> list[Block]:
    text = path.read_text(encoding="utf-8")
    return [
        Block(text.count("\n", 0, match.start()) + 1, match["kind"], match["text"], match["file"] or "")
        for match in BLOCK.finditer(text)
    ]


def commands(text: str) -> Iterator[Command]:
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        line, _, output = re.sub(r" *\\\n\s*", " ", part).partition("\n")
        yield Command(line, output)


def agrees(shown: str, actual: str) -> bool:
    """Whether the actual output is the one shown, with ``...`` as a wildcard and seconds masked."""
    shown, actual = (SECONDS.sub("0 s", text.strip()) + "\n" for text in (shown, actual))
    return doctest.OutputChecker().check_output(shown, actual, doctest.ELLIPSIS)


def run(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    program, *arguments = shlex.split(line)
    assert program == "symicl"
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "COLUMNS": "120"}
    command = [sys.executable, "-W", "error", "-m", "symicl.cli", *arguments]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env=environment, check=False, timeout=300
    )


def check_console(text: str, folder: Path) -> None:
    code = 0
    lines = list(commands(text))
    for position, command in enumerate(lines):
        if command.line == "echo $?":
            assert command.output.strip() == str(code)
        elif command.line.startswith("symicl "):
            done = run(command.line, folder)
            code = done.returncode
            assert agrees(command.output, done.stdout), f"$ {command.line}\n{done.stdout}{done.stderr}"
            if position + 1 == len(lines) or lines[position + 1].line != "echo $?":
                assert code == 0, f"$ {command.line}\nexit code {code}\n{done.stderr}"


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=pytest.mark.slow if path.stem in LONG else ()) for path in DOCUMENTS],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_a_document_shows_what_happens(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every python block runs, every transcript is what the command prints now."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "__document__"}
    printed = None
    for block in blocks(path):
        if block.file:
            target = tmp_path / block.file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.text, encoding="utf-8")
        elif block.kind == "python":
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                exec(compile("\n" * block.line + block.text, str(path), "exec"), names)
            printed = output.getvalue()
            continue
        elif block.kind == "text" and printed is not None:
            assert agrees(block.text, printed), f"{path.name}, line {block.line}: it printed\n{printed}"
        elif block.kind == "console":
            check_console(block.text, tmp_path)
        printed = None


def test_the_checks_of_this_file_can_fail(tmp_path: Path) -> None:
    """Wrong output, a wrong exit code and a failing command without one are all noticed."""
    check_console("$ symicl --version\nsymicl, version ...\n", tmp_path)
    for wrong in ("symicl, version 99\n", "", "symicl, version ...\n$ echo $?\n2\n"):
        with pytest.raises(AssertionError):
            check_console(f"$ symicl --version\n{wrong}", tmp_path)
    with pytest.raises(AssertionError):
        check_console("$ symicl derive no_such_system\n", tmp_path)
    assert agrees("a 0.10 s\n...\nz", "a 2.34 s\nb\nc\nz") and not agrees("a 1 s", "b 1 s")


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_and_targets_exist(path: Path) -> None:
    """A relative link names a file of the project, ``make x`` a target of the Makefile; a text block follows code."""
    text = path.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", BLOCK.sub("", text))
    assert [link for link in links if not (path.parent / link).exists()] == []
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"(?:`|^\$ )make ([a-z-]+)", text, re.MULTILINE)) - targets == set()
    assert text.count("\n```") % 2 == 0
