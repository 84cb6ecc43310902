"""The command line as tests call it; what every answer and every refusal has to be is checked here."""

from __future__ import annotations

import json
from typing import Any

from click.testing import CliRunner, Result

from symicl.cli import cli


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, list(words))


def numbers(value: Any) -> list[Any]:
    """All numbers of a JSON value."""
    if isinstance(value, dict):
        return [n for item in value.values() for n in numbers(item)]
    if isinstance(value, list):
        return [n for item in value for n in numbers(item)]
    return [value] if isinstance(value, int | float) and not isinstance(value, bool) else []


def read_json(result: Result) -> dict[str, Any]:
    """The one JSON object on stdout; what it may not hold is checked here, for every command."""
    loaded = json.loads(result.stdout)
    assert loaded["schema_version"] == 1
    assert all(isinstance(n, int) and abs(n) < 2**53 for n in numbers(loaded))
    assert isinstance(loaded, dict)
    return loaded


def answer(*words: str, code: int = 0, quiet: bool = True) -> dict[str, Any]:
    """The JSON object on stdout; nothing on stderr, unless the command has something to warn of."""
    result = run(*words, "--json")
    assert result.exit_code == code, result.output
    assert not quiet or result.stderr == ""
    return read_json(result)


def refusal(*words: str, code: int = 2) -> str:
    """The one line on stderr; the same error is JSON under --json."""
    result = run(*words)
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("symicl: ")
    assert result.stderr.count("\n") == 1
    error = answer(*words, code=code)["error"]
    assert all(error[part] for part in ("kind", "problem"))
    assert set(error) == {"kind", "problem", "where", "remedy"}
    assert " ".join(error["problem"].split()) in result.stderr
    return result.stderr
