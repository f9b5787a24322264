"""What is said about the SEM-or-not gate beside its numbers: the model card and the head of the report."""

from __future__ import annotations

from semscan.engine.figures.kind import NAME, Thresholds


def card(thresholds: Thresholds, provenance: dict[str, object]) -> str:
    """The gate's model card in Markdown."""
    pictures = provenance["pictures"]
    assert isinstance(pictures, dict)
    counted = "\n".join(f"| {name} | {count} |" for name, count in pictures.items())
    return f"""# Model card: {NAME}

Decides whether a panel of a figure is an SEM micrograph, before anything is scored.

* {provenance["method"]}; their probabilities are averaged.
* Input: {len(thresholds.numbers)} numbers measured on a thumbnail and six small squares of the panel and on its colour.
* Output: probabilities of {", ".join(thresholds.labels)}.
* {_limits(thresholds)} A panel with colour over more than half of it is never `sem`.
* How often it is right: `docs/results/kind_gate.md`.

## What it learned from
{provenance["sources"]} sources, each picture in several printed versions of ours. The preprints that the detector is
tested on, and the micrographs of the test split, had no part in it.

| origin: kind | pictures |
|---|---:|
{counted}

Preprints, papers and micrographs are those of the data folder, with the licences stated there. Photographs and clip art
come from Debian 12 packages, under the licences in their copyright files: tuxpaint-stamps-default, mate-backgrounds,
gnome-backgrounds, plasma-workspace-wallpapers, lomiri-wallpapers-16.04 and -20.04, python3-skimage; openclipart-png and
kgeography-data. None of them is in this repository. `made` pictures are drawn and simulated by code in `training/`.

## What it does not know
* Kinds were labelled by one person by looking; a few per cent of the labels will be wrong.
* Transmission images, element maps and scanning-probe images in grey, gels and light micrographs resemble SEM and are
  its likeliest mistakes. A panel taken for SEM by mistake is scored against genuine SEM panels, and its tail fraction
  means little.
* Few sources of light micrographs, fluorescence and gels; photographs mostly of everyday things.
"""


def report_head(thresholds: Thresholds) -> str:
    """What a reader needs to know before the tables."""
    return f"""# The SEM-or-not gate, `{NAME}`

Written by `python -m semscan.training.kind_gate`. Small networks on {len(thresholds.numbers)} numbers that are measured
on a thumbnail and six small squares of each panel, and on its colour.
{_limits(thresholds)}

How to read this:

* A panel is in a table once. Preprints and papers are judged as published; micrographs, photographs and drawings in
  one version printed by us (cut, reduced, marked, compressed).
* `shipped gate`: the networks that ship, which have not seen these sources; the thresholds are not computed from them
  either, but which share of SEM they keep was settled after looking at these tables (below), so these are not quite
  blind. `cross-validated`: networks trained on four fifths of the sources of all tables, never on the source judged.
* The thresholds were chosen on the cross-validated panels outside the test half, so those tables are slightly
  optimistic. They keep fewer SEM panels than could be kept, because what is taken for SEM by mistake may be flagged by
  mistake; the SEM panels lost by this are not dropped but listed as `uncertain`. Of published SEM panels 90 % were to
  be kept, every source counted by the square root of its size. 95 % and 88 % were tried before: with 95 %, half of the
  panels of the test half that are not SEM were taken for it; with 88 %, one panel of the example paper was `uncertain`.
* The shipped networks are fitted on the papers, so a scan of these papers looks better than their table here.
* Intervals resample whole sources, because panels of one source resemble each other.
* Labels were made by one person by eye (see `training/labels/README.md`)."""


def _limits(thresholds: Thresholds) -> str:
    return (
        f"`sem` from p = {thresholds.sem_from:.3f} on, `uncertain` from {thresholds.doubt_from:.3f} on, another label "
        f"from {thresholds.label_from:.2f} on."
    )
