"""``semscan doctor``: is everything here that a scan needs, and does it give the right scores?"""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from semscan.cli.group import ExamplesFirst
from semscan.cli.terminal import style_for
from semscan.engine.errors import ExitCode

EXAMPLES = """\
semscan doctor           what is installed, what is usable, and the self-test of the model
semscan doctor --json    the same for a bug report"""


@click.command("doctor", cls=ExamplesFirst, examples=EXAMPLES, short_help="Check that everything is ready.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option("--no-color", is_flag=True, help="No colour; NO_COLOR does the same.")
def command(as_json: bool, no_color: bool) -> int:
    """Check Python, packages, runtime, memory and models, and score the golden tiles of the default model.

    They are scored on what a scan would run on and on every other runtime, device and precision that is usable here.

    Exit codes: 0 ready, 2 something that a scan needs is missing; the remedy is printed.
    """
    from semscan.cli.diagnosis import diagnose

    found = diagnose()
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=1, ensure_ascii=False))
    else:
        style = style_for(sys.stdout.isatty(), no_color)
        for topic, facts in found.facts.items():
            click.echo(f"{style.strong(f'{topic:10}')}  {_words(facts)}")
        click.echo()
        for problem in found.problems:
            click.echo(f"{style.warn('problem')}  {problem.message}\n  {problem.remedy}")
        click.echo(style.strong("not ready" if found.problems else "ready"))
    return ExitCode.REFUSED if found.problems else ExitCode.OK


def _words(facts: Any) -> str:
    if isinstance(facts, dict):
        return ", ".join(f"{key} {_words(value)}" for key, value in facts.items()) or "none"
    if isinstance(facts, list):
        return f"\n{'':12}".join(map(_words, facts)) or "none"
    return "not installed" if facts is None else str(facts)
