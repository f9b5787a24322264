"""The model card: what the detector is, what it was measured on and, as prominently, what it was not."""

from __future__ import annotations

from typing import Any

from semscan.training.report import (
    FAMILY_NAMES,
    NEVER_TESTED,
    false_flag_table,
    family_table,
    ranking_table,
    targets_table,
    tested_families,
)


def model_card(
    model_id: str, calibration: dict[str, Any], results: dict[str, Any], provenance: dict[str, Any], notes: str = ""
) -> str:
    """Markdown model card.

    Args:
        model_id: name of the bundle.
        calibration: the calibration tables.
        results: of :func:`semscan.training.evaluate.evaluate`.
        provenance: data sources, network, makers of the examples, recipe and revision.
        notes: list items about this model alone that its evaluation does not measure, each line ended.
    """
    rate, line, makers = results["rate"], calibration["smoothness"], provenance["makers"]
    strata = [
        f"| {name} | {t['n']} | {t.get('counted', t['sources'])} | {t['sources']} |"
        for name, t in calibration["strata"].items()
    ]
    data = [
        f"| {d['data_set']} | {d['split']} | {d['files']} | {d['independent_sources']} | {d['licence']} |"
        for d in provenance["data"]
    ]
    apart = [*provenance["recipe"].get("held_out", []), *provenance["recipe"].get("faithful", [])]
    return f"""# Model card: {model_id}

{caution(model_id, results)}

## What it is
The network `{provenance["network"]}` ({provenance["parameters"]:,} parameters) on native-resolution grey tiles of
{provenance["tile_px"]} x {provenance["tile_px"]} px; nothing is ever resized. The score of a panel is the mean of its
tile logits. {_smooth(line)} A score is then compared with genuine panels stored in the same way.
{_local(calibration)}
## What it learned from
Pairs of a genuine picture and what a generator made of it or beside it, with the same mean and spread, sent through one
identical chain of resampling, filtering and JPEG compression with the same random draw. {len(makers)} makers of
{len({name.partition("/")[0] for name in makers})} families, named below; all were trained by this code.
Held out of its training: {", ".join(apart) or "none"}.

## Families tested and not tested
{chr(10).join(family_table(makers, results))}

*When never seen*: the AUC of a detector that was trained without the family. Not tested at all:

{chr(10).join(f"* {what};" for what in NEVER_TESTED)}
* every family that the table calls not tested. No claim is made about any of these.

## What it does not know
{_faithful(results)}* Smooth genuine panels (denoised, averaged, enlarged, strongly compressed) may score higher than
  grainy ones; how often is in the table of genuine panels.
* A generator can be followed by smoothing, noise or re-photographing that takes away what the detector looks at.
{notes}* A panel that is *not* flagged is not thereby shown to come from a microscope.

## Measured
{chr(10).join(targets_table(results))}

{chr(10).join(ranking_table(results))}

Genuine panels of unseen sources at the shipped thresholds:

{chr(10).join(false_flag_table(results))}

{_swap(results)}Everything else, with plots and intervals: `docs/results/detector.md`.

## Calibration
One count per independent source (data set, paper or preprint), each panel once at its own size and once resampled by
0.5 to 2. Where one collection of panels gave most of the sources, each of its sources weighs less, so that it counts
twice as much as all the others at most; the sources are then worth fewer. The smallest rate that they support with
95 % confidence is {results["smallest_bound"]:.3f}, the default rate {rate:g}. No smaller rate can be stated, whatever
the score; `semscan calibrate` counts an archive of your own.

| stratum | genuine panels, each also resampled | sources | worth |
|---|---|---|---|
{chr(10).join(strata)}

Not assessed: shorter side under {provenance["tile_px"]} px, JPEG quality under 60, JPEG 2000, smoothness outside
{line["low"]:.2f} to {line["high"]:.2f}.

## Data
None of it is in this repository; the weights and these statistics were computed from it.

| data set | split | files | independent sources | licence as stated by the source |
|---|---|---|---|---|
{chr(10).join(data)}

The weights are ours, Apache-2.0. Training recipe sha256 `{provenance["recipe_sha256"][:16]}`, seed
{provenance["seed"]}, revision `{provenance["git_revision"]}`, torch {provenance["torch"]}.
"""


def caution(model_id: str, results: dict[str, Any]) -> str:
    """What is said first of a model's limits, wherever its scores are shown; one paragraph."""
    tested = tested_families(results)
    named = ", ".join(FAMILY_NAMES[family] for family in tested) or "no family of generators"
    others = [FAMILY_NAMES[family] for family in FAMILY_NAMES if family not in tested]
    return (
        f"Model {model_id} was tested on generators trained by its makers ({named})"
        + (f", not on {', '.join(others)}" if others else "")
        + ", and not on those that are sold or run on the web. About these, the absence of a flag says nothing."
        + _optimistic(results)
    )


def _optimistic(results: dict[str, Any]) -> str:
    """Says so where far more genuine test panels than one in twenty have a tail of at most 5 %."""
    named = {"png": "without loss", "q75": "as JPEG 75", "in_pdf": "as in a PDF"}
    shares = {
        name: results["conditions"][key]["false_flags"]["tail_5pct"]["rate"]
        for key, name in named.items()
        if key in results.get("conditions", {})
    }
    if not shares or max(shares.values()) <= 0.1:
        return ""
    told = ", ".join(f"{100 * share:.0f} % stored {name}" for name, share in shares.items())
    return (
        f" Its printed shares (1 in N) may be too small for other sources: 1 in 20 or less was reached by {told} of "
        "the assessed genuine test panels. Flags rest on a stricter bound."
    )


def _smooth(line: dict[str, float]) -> str:
    if line["slope"]:
        return f"A straight line in the panel's smoothness (slope {line['slope']:.3f}) is taken out of it."
    return "A smoothness correction was tried and did not help, so none is made."


def _local(calibration: dict[str, Any]) -> str:
    tables = calibration.get("local")
    if not tables:
        return ""
    counted = ", ".join(f"{name} {table['sources']}" for name, table in tables.items())
    return (
        "\nA second table says by how much the highest part of genuine panels stands out (its sources are worth: "
        f"{counted}). It is\nbehind the cue `region`, which shows where the model looked, not where an image was "
        "altered.\n"
    )


def _swap(results: dict[str, Any]) -> str:
    swap = results.get("swap") or {}
    if "genuine_png_made_q75" not in swap:
        return ""
    return (
        f"Swap test (AUC): genuine lossless against made JPEG 75 {swap['genuine_png_made_q75']:.3f}; genuine JPEG 75\n"
        f"against made lossless {swap['genuine_q75_made_png']:.3f}. "
    )


def _faithful(results: dict[str, Any]) -> str:
    """A line on decoders that were too faithful to be noticed, empty if there were none."""
    names, row = results["faithful"], results["conditions"]["png"].get("faithful")
    if not names or not row:
        return ""
    levels = " and ".join(f"{results['test']['psnr_db'][name]:.0f}" for name in names)
    return (
        f"* Faithful reconstructions leave little to see: decoders that reach {levels} dB on the test panels rank at\n"
        f"  AUC {row['auc']:.2f} (it was not trained on them).\n"
    )
