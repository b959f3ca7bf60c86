"""How every command ends: bad input is one line on standard error and exit code 2, never a traceback."""

import sys
from typing import Any

import typer

from study.badinput import BadInput
from study.sweep.interrupt import FAILED, INTERRUPTED, StoppedError, storage_trouble

# Typer once used click's exceptions and now has its own; only this one is public in both.
_USAGE: tuple[Any, ...] = typer.BadParameter.__bases__


def run_command(app: typer.Typer) -> None:
    """Run a command line, and leave with its exit code where it is not 0."""
    try:
        # Returns the code of `typer.Exit`, which is also how Typer reports Ctrl-C.
        code = app(standalone_mode=False, prog_name="setsum")
    except BadInput as error:
        _leave(str(error), 2)
    except _USAGE as error:
        _leave(*_usage(error))
    except typer.Abort:
        _leave("interrupted", 1)
    except StoppedError as stopped:
        _leave(str(stopped), stopped.code)
    except OSError as error:
        _leave(storage_trouble(error), FAILED)
    except KeyboardInterrupt:
        code = INTERRUPTED
    if code == INTERRUPTED:
        _leave("interrupted; go on with: the same command", INTERRUPTED)
    if isinstance(code, int) and code:
        sys.exit(code)


def _usage(error: Any) -> tuple[str, int]:  # noqa: ANN401 - see _USAGE
    """A wrong command line in BadInput's words; a command without its arguments shows its help."""
    if type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(error.format_message(), err=True)
        sys.exit(error.exit_code)
    command = error.ctx.command_path if error.ctx else "setsum"
    return str(BadInput(error.format_message(), fix=f"See: {command} --help")), int(error.exit_code)


def _leave(line: str, code: int) -> None:
    typer.echo(f"setsum: {line}", err=True)
    sys.exit(code)
