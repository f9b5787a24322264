"""The user documentation names every command, every option and every code, and no code that does not exist."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from semscan.cli.group import COMMANDS
from semscan.cli.main import cli
from semscan.cli.rows import Show
from semscan.cli.terminal import Style
from semscan.cli.text import TextView
from semscan.engine import errors
from semscan.engine.errors import ExitCode, NoticeCode, Reason, SemscanError

DOCS = Path(__file__).parent.parent.parent / "docs"


def sections(page):
    """Text of a Markdown page by heading."""
    parts = re.split(r"^#+ (.*)$", page, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def table(text):
    """First cells of the rows of a table, and whether every row says something."""
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in re.findall(r"^\|.*\|$", text, re.MULTILINE)]
    assert all(all(row) for row in rows)
    return [row[0].strip("`") for row in rows[2:]]


@pytest.mark.parametrize(
    ("heading", "codes"),
    [
        ("Why a panel was not assessed (`reason`)", [code.value for code in Reason]),
        ("What went wrong with an input (`notice` records)", [code.value for code in NoticeCode]),
        ("Exit codes", [str(code.value) for code in ExitCode]),
        (
            "Refusals (exit code 2)",
            [c.__name__ for c in vars(errors).values() if isinstance(c, type) and issubclass(c, SemscanError)],
        ),
    ],
)
def test_errors_page_is_complete_and_names_nothing_else(heading, codes):
    assert sorted(table(sections((DOCS / "errors.md").read_text("utf-8"))[heading])) == sorted(codes)


def test_exit_codes_have_their_names():
    text = sections((DOCS / "errors.md").read_text("utf-8"))["Exit codes"]
    for code in ExitCode:
        assert f"| {code.value} | `{code.name}` |" in text


def test_exit_codes_of_both_pages_and_the_help_agree():
    pages = [sections((DOCS / name).read_text("utf-8"))["Exit codes"] for name in ("errors.md", "cli.md")]
    assert table(pages[0]) == table(pages[1])
    assert cli.epilog is not None
    for code in ExitCode:
        assert re.search(rf"(^|\s){code.value}  ", cli.epilog), code


def documented(command, text, words):
    """Options of a command, and of its subcommands, that a text lacks."""
    missing = []
    for option in command.params:
        if isinstance(option, click.Option):
            absent = [name for name in option.opts if not re.search(rf"(?<![\w-]){name}(?![\w-])", text)]
            missing += [f"{words}: {name}" for name in absent]
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            subcommand = command.get_command(context, name)
            if f"semscan {words} {name}" not in text:
                missing.append(f"{words} {name}")
            missing += documented(subcommand, text, f"{words} {name}")
    return missing


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_has_its_place_in_the_docs(name):
    parts = sections((DOCS / "cli.md").read_text("utf-8"))
    heading = next(h for h in parts if h.startswith("semscan ") and name in re.split(r"[ ,]+", h))
    command = cli.get_command(click.Context(cli), name)
    assert documented(command, parts[heading], name) == []


def test_documented_options_exist():
    page = (DOCS / "cli.md").read_text("utf-8")
    existing = {"--help", "--version"}

    def collect(command):
        existing.update(name for option in command.params for name in (*option.opts, *option.secondary_opts))
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                collect(command.get_command(context, name))

    collect(cli)
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", page))
    assert len(named) > 20
    assert named <= existing


def test_a_gap_in_the_docs_would_be_found():
    command = cli.get_command(click.Context(cli), "scan")
    assert "scan: --fpr" in documented(command, "`-o` `--output`", "scan")


def test_the_sample_in_the_docs_is_what_is_printed(sample):
    """Rendered from records by the code itself, at the width of the page."""
    others = [sample.assessed(number) for number in range(3, 16)]
    records = [sample.run, sample.document(), sample.look, *others, sample.small, sample.summary()]
    texts = []
    view = TextView(texts.append, Style(width=114), Show.BRIEF)
    for record in records:
        view.write(record)
    page = sections((DOCS / "cli.md").read_text("utf-8"))["What one person sees"]
    shown = re.search(r"^```\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[1]
    assert len(shown) > 800
    assert "".join(texts).startswith(shown)
