"""The command line. A verb parses, calls one library function, and prints; it is imported when it is called."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

import click

from polyjudge.errors import InputError, PolyjudgeError, Stopped
from polyjudge.version import __version__

VERBS = {
    "check": "What is known before anything is paid: splits, leaks, ceilings, power, planned calls.",
    "optimize": "Fit a judge's prompt to human ratings.",
    "score": "Score new texts with a fitted judge.",
    "data": "List the registered data sets, or show one.",
}
INTERRUPTED = 130


class Verbs(click.Group):
    """Verbs in the order of their use, each imported only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command: click.Command = import_module(f"polyjudge.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="polyjudge")
def polyjudge() -> None:
    """Fit multi-criteria LLM judges to human ratings with textual gradients, and prove it."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with the exit code of docs/cli.md.

    Args:
        arguments: None reads those that the process was started with.
    """
    try:
        code = polyjudge.main(arguments, standalone_mode=False)
    except click.exceptions.Exit as leaving:
        code = leaving.exit_code
    except click.ClickException as wrong:
        wrong.show()
        code = InputError.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted; what was answered is kept, and the same command goes on from there", err=True)
        code = INTERRUPTED
    except BrokenPipeError:
        code = PolyjudgeError.exit_code
    except PolyjudgeError as error:
        click.echo(_told(error), err=True)
        code = error.exit_code
    sys.exit(code if isinstance(code, int) else 0)


def _told(error: PolyjudgeError) -> str:
    if isinstance(error, Stopped):
        return f"stopped: {error}; what was answered is kept, and the same command goes on from there"
    return f"error: {error}"
