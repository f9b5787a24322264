"""The top of the command line: subcommands loaded when needed, and ``semscan PATH`` for ``semscan scan PATH``."""

from __future__ import annotations

import difflib
from importlib import import_module
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

COMMANDS = {
    "scan": "semscan.cli.scan",
    "extract": "semscan.cli.extract",
    "models": "semscan.cli.models",
    "calibrate": "semscan.cli.calibrate",
    "eval": "semscan.cli.eval",
    "doctor": "semscan.cli.doctor",
    "schema": "semscan.cli.schema",
    "train": "semscan.cli.train",
    "synthesize": "semscan.cli.synthesize",
    "evaluate": "semscan.cli.evaluate",
    "export": "semscan.cli.export",
    "completion": "semscan.cli.completion",
}
"""Command names in the order of the help, and the modules whose ``command`` they are."""

_OWN_OPTIONS = ("-h", "--help", "-V", "--version")


class ReaderGone(Exception):
    """Whoever read our standard output closed it. Not a BrokenPipeError: click turns those into exit code 1."""


class SemscanGroup(click.Group):
    """Loads a subcommand's module on first use and takes anything that is no subcommand for a path to scan."""

    def list_commands(self, ctx: click.Context | None) -> list[str]:
        """Names in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The subcommand, or ``None``."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(COMMANDS[cmd_name]).command
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Insert ``scan`` where the first word is neither a command nor an option of the group."""
        if args and args[0] not in COMMANDS and args[0] not in _OWN_OPTIONS:
            _refuse_misspelt(args[0])
            args = ["scan", *args]
        return super().parse_args(ctx, args)

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """As in click; help and version are printed in here.

        Raises:
            ReaderGone: nobody reads them.
        """
        try:
            return super().make_context(*args, **kwargs)
        except BrokenPipeError as error:
            raise ReaderGone from error

    def invoke(self, ctx: click.Context) -> Any:
        """As in click.

        Raises:
            ReaderGone: nobody reads what the command prints.
        """
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise ReaderGone from error

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Commands, and files because a bare path is scanned."""
        # Files first: bash forgets what it collected when it meets the item that asks for file names.
        return [CompletionItem(incomplete, type="file"), *super().shell_complete(ctx, incomplete)]

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Examples first."""
        formatter.write(f"{self.help}")
        self.format_options(ctx, formatter)
        formatter.write(f"\n{self.epilog}\n")


class ExamplesFirst(click.Command):
    """A command whose help starts with what to type.

    Args:
        examples: lines to show first.
    """

    def __init__(self, *args: Any, examples: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Examples, then usage, text and options."""
        if self.examples:
            formatter.write("Examples:\n" + "".join(f"  {line}\n" for line in self.examples.splitlines()) + "\n")
        super().format_help(ctx, formatter)


class ExamplesGroup(click.Group, ExamplesFirst):
    """A group of subcommands whose help starts with what to type."""


def _refuse_misspelt(word: str) -> None:
    """A bare word that names no file but resembles a command is a slip, not a path."""
    if word.startswith("-") or not word.isidentifier() or Path(word).exists():
        return
    close = difflib.get_close_matches(word, COMMANDS, n=1, cutoff=0.6)
    if close:
        raise click.UsageError(f"there is no command, file or folder {word!r}; did you mean 'semscan {close[0]}'?")
