"""The model card: what the detector is, what it was measured on and, as prominently, what it was not."""

from __future__ import annotations

from typing import Any

from semscan.training.report import false_flag_table, ranking_table


def model_card(
    model_id: str, calibration: dict[str, Any], results: dict[str, Any], provenance: dict[str, Any], notes: str = ""
) -> str:
    """Markdown model card.

    Args:
        model_id: name of the bundle.
        calibration: the calibration tables.
        results: of :func:`semscan.training.evaluate.evaluate`.
        provenance: data sources, recipe and revision.
        notes: list items about this model alone that its evaluation does not measure, each line ended.
    """
    rate, line = results["rate"], calibration["smoothness"]
    conditions = results["conditions"]
    png, in_pdf = (conditions[name]["seen"] for name in ("png", "in_pdf"))
    strata = [f"| {name} | {t['n']} | {t['sources']} |" for name, t in calibration["strata"].items()]
    data = [
        f"| {d['data_set']} | {d['split']} | {d['files']} | {d['independent_sources']} | {d['licence']} |"
        for d in provenance["data"]
    ]
    apart = {*results["held_out"], *results["faithful"]}
    trained_on = [name for name in results["test"]["reconstructions"] if name not in apart]
    held = ", ".join(results["held_out"]) or "none"
    smooth = (
        f"A straight line in the panel's smoothness\n(slope {line['slope']:.3f}) is taken out of the score."
        if line["slope"]
        else "A smoothness correction was tried and did not help, so none is made."
    )
    return f"""# Model card: {model_id} (preliminary)

**Preliminary.** This first model shows that the whole path works, with weights that were really trained and rates that
were really measured. It is too weak to rely on: read "What it does not know" before reading anything into a score.

## What it is
The thesis network `npr5k` ({provenance["parameters"]:,} parameters) on native-resolution grey tiles of
128 x 128 px. It looks at differences between neighbouring pixels inside 2 x 2 cells. The score of a panel is the mean
of its tile logits. {smooth}
A score is then compared with genuine panels stored in the same way.

## What it learned from
Genuine micrographs and *reconstructions* of them by {len(trained_on)} autoencoders, named by recipe and up-sampler or
bottleneck ({", ".join(trained_on)}),
made moment-equal to their partners, partly blended with them, and sent through one identical chain of resampling,
filtering and JPEG compression with the same random draw.
Held out of the detector's training: {held}.

## What it does not know
* **It is not known to recognise images made by GANs or diffusion models.** In a study before this model, detectors
  trained on autoencoder reconstructions alone, this network among them, flagged between 0 and 6 of 23
  generated SEM panels taken from publications (DDPM, BigGAN, ControlNet, CycleGAN and pix2pix), at a threshold that
  5 % of genuine panels exceed, and none of those generators reliably. Reconstructions do not teach such images.
* Not tested: FastGAN, StyleGAN, any diffusion model, inpainted regions, image-to-image translation, retouching,
  CMYK or chroma-subsampled figures, screenshots, photographed prints, panels covered with annotations.
* Tested only on reconstructions by autoencoders of our own, of micrographs from other sources.
{_faithful(results)}* Smooth genuine panels (denoised, averaged, enlarged, strongly compressed) tend to score higher
  than grainy ones.
{notes}* A panel that is *not* flagged is not thereby shown to come from a microscope.

## Measured
AUC on reconstructions by decoders seen in training, genuine sources unseen: {png["auc"]:.3f} stored without loss,
{in_pdf["auc"]:.3f} as in a PDF.

{chr(10).join(ranking_table(results))}

Genuine panels of unseen sources at the shipped thresholds:

{chr(10).join(false_flag_table(results))}

Swap test (AUC): genuine lossless against made JPEG 75 {results["swap"]["genuine_png_made_q75"]:.3f}; genuine JPEG 75
against made lossless {results["swap"]["genuine_q75_made_png"]:.3f}. Details by source: `docs/results/detector.md`.

## Calibration
Thin. One count per independent source (data set, paper or preprint), each panel once at its own size and once
resampled by 0.5 to 2. The smallest rate that it supports with 95 % confidence is {results["smallest_bound"]:.3f}, the
default rate {rate:g}. No smaller rate can be stated, whatever the score.

| stratum | genuine panels, each also resampled | sources |
|---|---|---|
{chr(10).join(strata)}

Not assessed: shorter side under 128 px, JPEG quality under 60, JPEG 2000, smoothness outside
{line["low"]:.2f} to {line["high"]:.2f}.

## Data
None of it is in this repository; the weights and these statistics were computed from it.

| data set | split | files | independent sources | licence as stated by the source |
|---|---|---|---|---|
{chr(10).join(data)}

Training recipe sha256 `{provenance["recipe_sha256"][:16]}`, seed {provenance["seed"]}, revision
`{provenance["git_revision"]}`, torch {provenance["torch"]}.
"""


def _faithful(results: dict[str, Any]) -> str:
    """A line on decoders that were too faithful to be noticed, empty if there were none."""
    names, row = results["faithful"], results["conditions"]["png"]
    if not names:
        return ""
    levels = " and ".join(f"{results['test']['psnr_db'][name]:.0f}" for name in names)
    return (
        f"* Faithful reconstructions leave it blind: decoders that reach {levels} dB on the test panels rank at AUC\n"
        f"  {row['faithful']['auc']:.2f}, like a coin (it was not trained on them: there is nothing for it to learn).\n"
    )
