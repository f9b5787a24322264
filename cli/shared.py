"""Options that several commands have: one name, one default and one help each."""

from __future__ import annotations

import click

from semscan.engine.options import ScanOptions

_DEFAULTS = ScanOptions()

jobs = click.option(
    "-j", "--jobs", type=int, metavar="N", help="Documents opened at once.  [default: usable cores]"
)  # fmt: skip
timeout = click.option(
    "--timeout", type=float, metavar="SEC", default=_DEFAULTS.timeout_s, show_default=True,
    help="Seconds that one document may take.",
)  # fmt: skip
model = click.option(
    "--model", metavar="NAME|FILE", help="A shipped model or a bundle.  [default: the shipped default]"
)
include = click.option("--include", multiple=True, metavar="GLOB", help="Only documents that match; may be repeated.")
exclude = click.option("--exclude", multiple=True, metavar="GLOB", help="No documents, folders or archives that match.")
all_images = click.option("--all-images", is_flag=True, help="Assess every panel, whatever it is taken for.")
quiet = click.option("-q", "--quiet", is_flag=True, help="Nothing on standard error but refusals.")
