"""What is said about the network that reads panel letters beside its numbers: its model card."""

from __future__ import annotations

from semscan.engine.figures.lettering import NAME

FONT_PACKAGES = (
    ("fonts-liberation", "1.07.4-11"),
    ("fonts-urw-base35", "20200910-7"),
    ("fonts-freefont-ttf", "20120503-10"),
    ("fonts-texgyre", "20180621-6"),
    ("fonts-crosextra-carlito", "20220224-1"),
    ("fonts-crosextra-caladea", "20200211-1"),
    ("fonts-dejavu-core", "2.37-6"),
    ("fonts-dejavu-extra", "2.37-6"),
    ("fonts-noto-core", "20201225-1"),
    ("fonts-open-sans", "1.11-2"),
    ("fonts-roboto-unhinted", "20170802-3"),
    ("fonts-lato", "2.0-2.1"),
    ("fonts-inter", "4.0~beta7+ds-1"),
    ("fonts-cantarell", "0.303.1-1"),
    ("fonts-linuxlibertine", "5.3.0-6"),
    ("fonts-lmodern", "2.005-1"),
    ("fonts-comic-neue", "2.51-4"),
    ("fonts-gfs-artemisia", "1.1-6"),
)
"""Debian 12 packages whose fonts the shipped network has seen, with their versions."""


def card(provenance: dict[str, object]) -> str:
    """The model card in Markdown."""
    packages = "\n".join(f"| {name} | {version} |" for name, version in FONT_PACKAGES)
    return f"""# Model card: {NAME}

Says which letter a shape near the corner of a panel is, so that the panels of a figure can be called what the figure
calls them.

* Three convolutions and a linear layer, trained by `semscan.training.letters`; weights stored in half precision.
* Input: squares of 24 px, a shape with what stands beside it, light on dark. Output: probabilities of a to z, A to Z,
  and of no panel letter.
* It is not believed shape by shape, but only where readings form a series over the panels (`engine/figures/series.py`).
* How often it is right: `docs/results/figures.md`.

## What it learned from
{provenance["pictures"]} pictures drawn by `training/letter_pictures.py`:
{provenance["letters"]} shapes that are panel letters and {provenance["rest"]} that are none:
words, numbers, scale bars, arrows, data bars, brackets and the texture of micrographs. Grounds are micrographs of the
data folder, none of its test split and no panels of journals or preprints, with the licences stated there. Letters are
set in fonts of these Debian 12 packages, under the licences in their copyright files; no font is in this repository.

| package | version |
|---|---|
{packages}

## What it does not know
* Letters in colour that are as dark as what is around them, and letters less than 8 px high.
* Scripts other than Latin; Roman numerals; letters with numbers (`a1`).
"""
