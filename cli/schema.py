"""``semscan schema``: what the records look like, for programs that read them."""

from __future__ import annotations

import json

import click

from semscan.cli.group import ExamplesFirst


@click.command(
    "schema",
    cls=ExamplesFirst,
    examples="semscan schema > semscan-1.json",
    short_help="Print the records' JSON Schema.",
)
def command() -> None:
    """Print the JSON Schema of one record, that is of one line of `--json` output."""
    from semscan.cli.jsonschema import records_schema

    click.echo(json.dumps(records_schema(), indent=1))
