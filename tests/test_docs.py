"""The documents at the top say what is there: commands, links, codes and versions."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import click
import pytest

from semscan.engine.errors import CueCode, ExitCode, NoticeCode, Reason

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def fenced(page: str) -> list[str]:
    """Lines inside the fenced blocks of a page."""
    inside, lines = False, []
    for line in page.splitlines():
        if line.lstrip().startswith("```"):
            inside = not inside
        elif inside:
            lines.append(line.strip())
    return lines


def text(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def test_relative_links_resolve():
    assert len(PAGES) >= 5
    broken, checked = [], 0
    for page in PAGES:
        for target in LINK.findall(page.read_text("utf-8")):
            if target.startswith(("http://", "https://", "mailto:", "#")):
                continue
            checked += 1
            if not (page.parent / target.split("#")[0]).exists():
                broken.append(f"{page.relative_to(ROOT)} -> {target}")
    assert checked > 5
    assert broken == []


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_make_targets_exist(page):
    targets = set(re.findall(r"^([a-z]+):", text("Makefile"), re.MULTILINE))
    used = {match for line in fenced(text(page)) for match in re.findall(r"^make ([a-z]+)", line)}
    assert used
    assert used <= targets


def test_every_make_target_has_a_line_of_help():
    makefile = text("Makefile")
    phony = set(re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split()) - {"help"}
    assert phony == set(re.findall(r'@echo "make ([a-z]+)', makefile))


def commands(page: str) -> list[list[str]]:
    """The `semscan ...` lines of a page's fenced blocks, as words, explanations after two spaces left out."""
    lines = [line.split("  ")[0] for line in fenced(text(page))]
    return [line.split()[1:] for line in lines if line.startswith("semscan ")]


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/cli.md"])
def test_documented_commands_and_options_exist(page):
    from semscan.cli.main import cli

    used = commands(page)
    assert used
    for words in used:
        command, words = cli, list(words)
        if words[0] not in cli.list_commands(None):
            words.insert(0, "scan")  # semscan paper.pdf
        while words and isinstance(command, click.Group) and words[0] in command.list_commands(None):
            command = command.get_command(click.Context(command), words.pop(0))
        known = {"--help", "-h"} | {opt for param in command.params for opt in param.opts + param.secondary_opts}
        assert {word for word in words if word.startswith("-")} <= known, (page, words)


def test_changelog_names_the_current_version():
    version = tomllib.loads(text("pyproject.toml"))["project"]["version"]
    assert re.search(rf"^## {re.escape(version)}\b", text("CHANGELOG.md"), re.MULTILINE)


def test_every_code_has_a_line_in_the_user_docs():
    rows = re.findall(r"^\| `([a-z0-9_]+)` \|", text("docs/errors.md"), re.MULTILINE)
    missing = [code.value for code in (*Reason, *NoticeCode, *CueCode) if code.value not in rows]
    page = text("docs/cli.md")
    missing += [
        str(code.value) for code in ExitCode if not re.search(rf"^\| *`?{code.value}`? *\|", page, re.MULTILINE)
    ]
    assert missing == []


def test_reasons_that_no_code_writes_are_marked_as_reserved():
    written = set()
    for path in (ROOT / "engine").rglob("*.py"):
        written |= set(re.findall(r"\b(?:Reason|NoticeCode)\.([A-Z_]+)", path.read_text("utf-8")))
    reserved = set(re.findall(r"^\| `([a-z0-9_]+)` \| \(reserved", text("docs/errors.md"), re.MULTILINE))
    assert {reason.value for reason in Reason if reason.name not in written} == reserved


def test_the_words_about_images_are_the_agreed_ones():
    """A score is never called a probability, and no image is called authentic or fake to a user."""
    banned = re.compile(
        r"\b(probability of AI|AI probability|AI-generated with|authentic image|fake image)\b", re.IGNORECASE
    )
    guilty = []
    for folder in ("engine", "cli"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            guilty += [f"{path.name}: {match}" for match in banned.findall(path.read_text("utf-8"))]
    assert guilty == []


def test_nothing_names_the_place_where_it_was_made():
    """Paths of one machine have no business in a repository."""
    place = re.compile(r"(?<![\w.])/(?:work|home|root|tmp/v)/")
    guilty = []
    for path in [*ROOT.glob("*"), *ROOT.glob(".ci/*")] + [
        p
        for top in ("semscan", "engine", "export", "training", "cli", "tests", "benchmarks", "examples", "docs")
        for p in (ROOT / top).rglob("*")
    ]:
        if path.is_file() and path.suffix in {".py", ".md", ".toml", ".txt", ".json", ".csv", "", ".cfg"}:
            guilty += [
                f"{path.relative_to(ROOT)}: {m}" for m in place.findall(path.read_text("utf-8", errors="replace"))
            ]
    assert guilty == []
