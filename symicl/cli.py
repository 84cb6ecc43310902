"""The command line: parse, call, print.

Every failure becomes one line on stderr, or a JSON object on stdout under ``--json``, and an exit code: 0 as expected,
1 a verdict conflicts with the expected one, 2 bad usage or input, 3 internal, 4 undecided or out of budget, 130
interrupted.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import click

import symicl
from symicl.commands.catalog import derive_command, latex_command, list_command
from symicl.commands.check import check_command
from symicl.commands.constants import constants_command
from symicl.commands.doctor import doctor_command
from symicl.commands.margin import margin_command
from symicl.commands.mixture import mixture_command
from symicl.commands.options import examples, json_option
from symicl.commands.phases import phases_command
from symicl.commands.simulate import simulate_command
from symicl.commands.stability import stability_command
from symicl.commands.trace import trace_command
from symicl.errors import InputError, SymiclError
from symicl.output import OutputError, note, report

INTERRUPTED = 130


class UsageProblem(InputError):
    """A command line that cannot be read: an unknown command or option, a missing value."""


class Interrupted(SymiclError):
    """The user stopped the command."""

    exit_code = INTERRUPTED


class InternalError(SymiclError):
    """Something that should not happen: a bug."""


class Application(click.Group):
    """The commands, with every way to fail turned into symicl's own errors and exit codes."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command line; in standalone mode leave the process with the exit code, else return it."""
        words = list(sys.argv[1:] if args is None else args)

        def run() -> Any:
            return super(Application, self).main(
                words, prog_name or "symicl", complete_var, standalone_mode=False, **extra
            )

        code = guarded(run, "--json" in words)
        if standalone_mode:
            sys.exit(code)
        return code


def guarded(run: Callable[[], Any], as_json: bool) -> int:
    """The exit code of ``run``; what it raises is reported."""
    try:
        return run() or 0
    except OutputError as error:  # stdout takes nothing, not even JSON
        note(f"symicl: {error}")
        return error.exit_code
    except SymiclError as error:
        problem: SymiclError = error
    except click.ClickException as error:
        problem = _usage_problem(error)
    except (click.Abort, KeyboardInterrupt):
        problem = Interrupted("interrupted", remedy="what was written is complete up to here")
    except Exception as error:
        if os.environ.get("SYMICL_DEBUG"):
            traceback.print_exc()
        detail = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        remedy = "this is a bug; set SYMICL_DEBUG=1 to see where it happened"
        problem = InternalError(f"internal error: {detail}", remedy=remedy)
    try:
        report(problem, as_json)
    except OutputError:
        note(f"symicl: {problem}")
    return problem.exit_code


def _usage_problem(error: click.ClickException) -> UsageProblem:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "symicl"
    return UsageProblem(error.format_message().rstrip("."), where=path, remedy=f"see `{path} --help`")


@click.group(
    cls=Application,
    invoke_without_command=True,
    epilog=examples("symicl trace huang2024.balanced --set K=32 --set N=inf --eta 1 --until 'loss<=1/100'"),
)
@click.version_option(symicl.__version__, prog_name="symicl")
@json_option
@click.pass_context
def cli(context: click.Context, as_json: bool) -> None:
    """Derive, reduce, iterate, judge and typeset the training dynamics of in-context learners.

    Values are exact: 7/10, 0.3 (= 3/10), 10**20 or 1e20, and inf for an infinite prompt length. Every command takes
    --json and then writes one JSON object to stdout.
    """
    if context.invoked_subcommand is None:
        raise click.UsageError("no command given", context)


for _command in (
    list_command,
    derive_command,
    check_command,
    trace_command,
    phases_command,
    stability_command,
    simulate_command,
    constants_command,
    mixture_command,
    margin_command,
    latex_command,
    doctor_command,
):
    cli.add_command(_command)


def main() -> None:
    """Run the command line of the process."""
    cli.main()


if __name__ == "__main__":
    main()
