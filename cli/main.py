"""Entry point of ``semscan``; the one place where errors become exit codes."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

import click

from semscan.cli.group import ReaderGone, SemscanGroup
from semscan.cli.terminal import printable
from semscan.engine.errors import ExitCode, SemscanError

BROKEN_PIPE = 141
"""What a shell reports for a program ended by SIGPIPE: the reader of our output went away."""

HELP = """\
Examples:
  semscan paper.pdf                          look at one paper
  semscan papers/ -o run.jsonl -o flags.csv  screen a folder
  semscan paper.pdf --json | jq .            records for other programs
  semscan extract paper.pdf -o panels        the panels as PNG files
  semscan doctor                             is everything ready?

Usage: semscan [COMMAND] [OPTIONS] [PATH]...

Finds the SEM (scanning electron microscope) panels in scientific PDFs and images and says how rare each one's score is
among genuine panels like it. A flag is a prompt to look, not a finding; no flag does not show that an image is genuine.
Nothing leaves this computer. `semscan PATH` is short for `semscan scan PATH`; `semscan scan -h` lists its options.
"""

EPILOG = """\
Exit codes:
  0  every input was read      1  a --fail-on condition was met     2  refused, nothing was scanned
  3  an input was not read     4  no input of a supported kind      70  a bug     130  interrupted
Options can be set by SEMSCAN_ variables: SEMSCAN_JOBS=4 is --jobs 4 for scan."""


@click.group(
    cls=SemscanGroup,
    help=HELP,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "SEMSCAN", "max_content_width": 100},
)
@click.version_option(None, "-V", "--version", package_name="semscan", prog_name="semscan")
def cli() -> None:
    """Top of the command line; its help is :data:`HELP`."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: arguments without the program's name; ``None`` takes those of the process.

    Returns:
        The exit code, see :class:`semscan.engine.errors.ExitCode`.
    """
    try:
        with _orderly_end():
            return _run(argv)
    except KeyboardInterrupt:
        click.echo("semscan: interrupted; what was written so far is valid", err=True)
        return ExitCode.INTERRUPTED


def _run(argv: Sequence[str] | None) -> int:
    try:
        # Commands return their exit code; with standalone_mode off click hands it through instead of exiting.
        code = cli.main(None if argv is None else list(argv), prog_name="semscan", standalone_mode=False)
        if sys.stdout is not None:  # it is None where the caller closed it
            sys.stdout.flush()
    except SemscanError as error:
        return _refuse(error.message, error.remedy, error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else error.format_message(), err=True)
        return ExitCode.REFUSED
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "semscan"
        return _refuse(error.format_message(), f"see {command} --help", ExitCode.REFUSED)
    except click.ClickException as error:
        return _refuse(error.format_message(), "", ExitCode.REFUSED)
    except click.Abort as error:  # how click says KeyboardInterrupt
        raise KeyboardInterrupt from error
    except (ReaderGone, BrokenPipeError):  # the latter from the last flush
        _forget_stdout()
        return BROKEN_PIPE
    except Exception:  # a bug: every expected failure is one of the above
        traceback.print_exc()
        click.echo("semscan: this is a bug in semscan; please report it with the lines above", err=True)
        return ExitCode.INTERNAL
    return code if isinstance(code, int) else ExitCode.OK


@contextmanager
def _orderly_end() -> Iterator[None]:
    """Let signals of schedulers and closed terminals end a run as Ctrl-C does: outputs finished, workers gone."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {}
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:  # nohup ignores SIGHUP: leave it so
                before[number] = signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _refuse(message: str, remedy: str, code: ExitCode) -> ExitCode:
    click.echo(f"semscan: {printable(message)}", err=True)
    for line in remedy.splitlines():
        click.echo(f"  {printable(line)}", err=True)
    return code


def _forget_stdout() -> None:
    """Python flushes standard output when it ends; with the reader gone that would print a second error."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        return


if __name__ == "__main__":
    sys.exit(main())
