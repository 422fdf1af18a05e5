"""The command line. Each verb parses its options, calls one library function, and prints the result."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from importlib import import_module
from io import TextIOWrapper

import click

from polyjudge.errors import InputError, PolyjudgeError, Stopped
from polyjudge.version import __version__

VERBS = {
    "init": "Write a criteria file for rated data, guessed from the columns.",
    "check": "What is known before anything is paid: splits, leaks, annotators, power, planned calls.",
    "optimize": "Fit a judge's prompt to human ratings.",
    "study": "Run a grid of runs, such as the paper's ten configurations, and make its tables.",
    "pack": "Plan which criteria may share a judge call, with a certificate of the loss.",
    "diagnose": "Say what went wrong in a run: dilution, interference, disobedience.",
    "score": "Score new texts with a fitted judge.",
    "prompt": "Print exactly what a judge is sent: messages, schema, parameters.",
    "export": "Write a fitted judge for another tool: its prompts, or messages with their JSON schema.",
    "audit": "Audit a judge that already scores, from any tool; no model, no key.",
    "combine": "Make one judge of several from scores at hand, and prove it; no model, no key.",
    "report": "Write the report of a run or a study, one HTML file.",
    "view": "Open that report in the browser.",
    "data": "List the registered data sets, show or fetch one.",
    "cache": "The response cache: show, merge, prune.",
}
INTERRUPTED = 130
_ALLOCATIONS_BETWEEN_COLLECTIONS = 50_000


class Verbs(click.Group):
    """The verbs in the order of their use; each is imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command: click.Command = import_module(f"polyjudge.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        verb = args[0]
        if verb not in VERBS and not verb.startswith("-"):
            near = get_close_matches(verb, VERBS, n=1)
            meant = f" (did you mean {near[0]!r}?)" if near else f"; choose one of: {', '.join(VERBS)}"
            raise click.UsageError(f"No such command {verb!r}{meant}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=Verbs, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="polyjudge")
@click.pass_context
def polyjudge(context: click.Context) -> None:
    """Fit multi-criteria LLM judges to human ratings with textual gradients, and prove it."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with the exit code of docs/cli.md.

    Args:
        arguments: None reads those that the process was started with.
    """
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character must not end a run.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        with _terminated_as_interrupted(), _rare_collections():
            code = polyjudge.main(arguments, prog_name="polyjudge", standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
    except click.exceptions.Exit as leaving:
        code = leaving.exit_code
    except click.ClickException as wrong:
        _say(_wrong(wrong))
        code = InputError.exit_code
    except (KeyboardInterrupt, click.Abort):
        _say("interrupted; what was answered is kept, and the same command goes on from there")
        code = INTERRUPTED
    except BrokenPipeError:
        code = PolyjudgeError.exit_code
    except PolyjudgeError as error:
        _say(f"{'stopped' if isinstance(error, Stopped) else 'error'}: {error}")
        code = error.exit_code
    except OSError as error:
        _say(f"error: {_failed(error)}")
        code = PolyjudgeError.exit_code
    _drop_what_cannot_be_written()
    sys.exit(code if isinstance(code, int) else 0)


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Let SIGTERM, which schedulers and containers send, end a command as Ctrl-C does: what arrived is kept."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda _number, _frame: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Let the garbage collector run less often; it would stop all calls, which leave hardly a cycle behind."""
    threshold = gc.get_threshold()
    gc.set_threshold(_ALLOCATIONS_BETWEEN_COLLECTIONS, *threshold[1:])
    try:
        yield
    finally:
        gc.set_threshold(*threshold)


def _say(line: str) -> None:
    """Write a line to standard error, unless it is closed."""
    with suppress(OSError, ValueError):
        click.echo(line, err=True)


def _failed(error: OSError) -> str:
    """What the system refused, in one line."""
    try:
        os.getcwd()
    except OSError:
        return "the folder that this command was started in is gone; change to another one and run it again"
    place = f" {str(error.filename)!r}" if error.filename is not None else ""
    return f"the system refuses to read or write{place}: {error.strerror or error}; what was answered is kept"


def _drop_what_cannot_be_written() -> None:
    """Keep the interpreter from a second attempt at its end, which would replace the exit code by one of its own."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())
                os.close(nowhere)


def _wrong(error: click.ClickException) -> str:
    """A wrong use in one line, with where to read on."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    words = f"error: {' '.join(error.format_message().split())}"
    return f"{words.removesuffix('.')}; see {context.command_path if context else 'polyjudge'} --help"
