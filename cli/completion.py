"""``semscan completion``: the script that makes a shell complete commands, options and files."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from semscan.cli.group import ExamplesFirst

EXAMPLES = """\
eval "$(semscan completion bash)"                               in ~/.bashrc
semscan completion fish > ~/.config/fish/completions/semscan.fish"""


@click.command("completion", cls=ExamplesFirst, examples=EXAMPLES, short_help="Print a shell completion script.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script for a shell."""
    from semscan.cli.main import cli

    completion = get_completion_class(shell)
    if completion is None:  # the choices above are the shells that click knows
        raise click.UsageError(f"click has no completion for {shell}")
    click.echo(completion(cli, {}, "semscan", "_SEMSCAN_COMPLETE").source())
