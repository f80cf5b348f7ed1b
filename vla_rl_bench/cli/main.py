"""Entry point of ``vla-rl-bench``: wrong input is one line and exit code 2; a defect keeps its traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import typer

from vla_rl_bench import deprecated
from vla_rl_bench.cli.app import build
from vla_rl_bench.errors import EnvironmentFailure, UserError

WRONG_INPUT, FAILED, INTERRUPTED = 2, 1, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return the exit code: 0, 1 (something failed), 2 (wrong input), 130 (interrupted)."""
    deprecated.show_warnings()
    code = _run(argv)
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:  # gloo's threads sometimes abort an interpreter that exits
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


def _run(argv: Sequence[str] | None) -> int:
    try:
        result = build()(args=None if argv is None else list(argv), prog_name="vla-rl-bench", standalone_mode=False)
        sys.stdout.flush()
        if result == INTERRUPTED:  # newer typer turns the interrupt into this code itself
            raise KeyboardInterrupt
        return result if isinstance(result, int) else 0
    except UserError as error:
        return _print_error(str(error), WRONG_INPUT)
    except EnvironmentFailure as error:
        return _print_error(str(error), FAILED)
    except (KeyboardInterrupt, typer.Abort):
        return _print_error("interrupted; run the same command again to resume", INTERRUPTED)
    except BrokenPipeError:  # the reader of the pipe has ended, as in `vla-rl-bench list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        return _print_error(_usage(error), WRONG_INPUT)


def _usage(error: Any) -> str:
    """Describe a mistake in the command line in one line, with the command that prints the help."""
    command = error.ctx.command_path if getattr(error, "ctx", None) else "vla-rl-bench"
    message = " ".join(error.format_message().split()).rstrip(".")
    return f"{message}. See: {command} --help"


def _print_error(message: str, code: int) -> int:
    print(message, file=sys.stderr)
    return code
