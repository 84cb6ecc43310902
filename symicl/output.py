"""What the command line writes: one JSON object or plain lines on stdout, errors and progress on stderr."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import click
import sympy as sp

from symicl.errors import SymiclError

SCHEMA_VERSION = 1
LARGEST_NUMBER = 2**53
"""Integers from here on are text in JSON: readers that hold numbers in float64 would round them."""


class OutputError(SymiclError):
    """Stdout takes nothing."""


def jsonable(value: Any) -> Any:
    """A value as JSON holds it here: integers below 2^53 are numbers, every other number is text, None is null."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | sp.Integer):
        return int(value) if abs(value) < LARGEST_NUMBER else str(value)
    if value is sp.oo:
        return "inf"
    if isinstance(value, float):
        return repr(float(value))
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    return str(value)


def emit(payload: Mapping[str, Any]) -> None:
    """Write one JSON object to stdout."""
    say(json.dumps({"schema_version": SCHEMA_VERSION, **jsonable(payload)}, ensure_ascii=False))


def say(text: str) -> None:
    """Write text and a newline to stdout; a reader that has gone away is no error."""
    if sys.stdout is None:
        raise OutputError("stdout is closed", remedy="redirect it to a file or a pipe")
    try:
        sys.stdout.write(text.encode("utf-8", "replace").decode("utf-8") + "\n")
        sys.stdout.flush()
    except OSError as error:
        # Python flushes stdout once more at exit: that has to go somewhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            problem = f"cannot write to stdout: {error.strerror}"
            raise OutputError(problem, remedy="redirect it to where there is room") from None
    except UnicodeEncodeError:  # a terminal that cannot show Greek letters
        sys.stdout.write(ascii(text)[1:-1].replace("\\n", "\n") + "\n")


def present(payload: Mapping[str, Any], as_json: bool, lines: Callable[[], Iterator[str]]) -> None:
    """Write the payload under ``--json``, else the lines for a reader."""
    if as_json:
        emit(payload)
    else:
        say("\n".join(lines()))


def note(text: str) -> None:
    """Write one line to stderr; failing to do so is no error."""
    with contextlib.suppress(OSError):
        click.echo(" ".join(text.split()), err=True)


def report(error: SymiclError, as_json: bool) -> None:
    """Write an error: a JSON object on stdout under ``--json``, else one line on stderr."""
    if as_json:
        emit({"error": error.as_json()})
    else:
        note(f"symicl: {error}")


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows as aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()


def number_text(value: Mapping[str, Any]) -> str:
    """A number of the JSON output for a reader: ``mid ± rad``, or with its standard error."""
    error = value.get("rad") if value.get("rad") not in (None, "0") else value.get("standard_error")
    return f"{value['mid']}" if error is None else f"{value['mid']} ± {error}"


@contextlib.contextmanager
def progress(title: str, total: int | None, as_json: bool) -> Iterator[Callable[[int, str], None]]:
    """A progress bar on stderr when that is a terminal and a person reads: call it with (done so far, what now)."""
    if as_json or not sys.stderr.isatty():
        yield lambda done, now: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda done, now: bar.update(task, completed=done, description=f"{title} {now}".strip())
