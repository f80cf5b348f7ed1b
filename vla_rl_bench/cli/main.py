"""The entry of ``vla-rl-bench``: what a user did wrong is one line and exit code 2; a defect keeps its traceback."""

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
    """-> the exit code: 0, 1 (something failed), 2 (wrong input), 130 (interrupted)."""
    deprecated.show_warnings()
    code = _run(argv)
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:  # now and then gloo's threads abort an interpreter that winds down
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
        return _say(str(error), WRONG_INPUT)
    except EnvironmentFailure as error:
        return _say(str(error), FAILED)
    except (KeyboardInterrupt, typer.Abort):
        return _say("interrupted; run the same command again to resume", INTERRUPTED)
    except BrokenPipeError:  # the reader of a pipe has seen enough, as in `vla-rl-bench list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        return _say(_usage(error), WRONG_INPUT)


def _usage(error: Any) -> str:
    """A mistake in the command line itself, in one line, with where to read on."""
    command = error.ctx.command_path if getattr(error, "ctx", None) else "vla-rl-bench"
    message = " ".join(error.format_message().split()).rstrip(".")
    return f"{message}. See: {command} --help"


def _say(message: str, code: int) -> int:
    print(message, file=sys.stderr)
    return code
