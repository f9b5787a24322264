"""The words and tables of ``docs/results/generators.md``, from the numbers that ``generators.py`` measured."""

from __future__ import annotations

from typing import Any

from semscan.training.packs import MOST_LIKENESS


def markdown(result: dict[str, Any], seen: dict[str, str]) -> str:
    """The page."""
    mark = result["fingerprint"]
    rows = result["generators"]
    lines = [
        "# The generators",
        "",
        f"Written by {' and then '.join(f'`{command}`' for command in result['commands'])} from the packs in "
        f"`training/packs`. {mark['cpu']}, {mark['cores_usable']} "
        f"cores, {mark['system']}, Python {mark['python']}, {revisions(result)}. The times are those of "
        "trainings at low priority on two cores that other work shared.",
        "",
        "Tiles from *trained on: train* generators may teach a detector; those of *test* saw other sources only and "
        "are for testing. Generators were trained at 64 px; tiles that are wider were made in one piece by the same "
        "layers, from more latent vectors or more noise (`--size`), and are compared with genuine tiles of their side. "
        "What a small picture holds comes several times in a wide one, and the distances count that against the "
        "generator; wide blots are compared by their middle. "
        "Distances go from each generated tile to random genuine tiles, drawn as the training drew "
        "them. Least distances are medians over the generated tiles; other sources also show other materials, so even "
        "an honest generator may be nearer to what it was trained on, and only a least distance near zero speaks of "
        "repeating. "
        f"The perceptual distance is: {', '.join(sorted({r['perceptual'] for r in rows}))}. KID and FID are computed "
        f"on our own feature network, the encoder of {result['encoder']}{inceptions(rows)}; they see brightness, "
        "contrast and coarse texture, and are blind to the grids of an up-sampler. *Floor* is that of as many genuine "
        "tiles. Sets of fewer than a hundred tiles hold few sources: their excess may be off by 1.5 dB, and their KID "
        "by hundreds. Smoothness AUC is the chance that a generated tile is rougher than a genuine one: "
        "near .5 is best. Excess is the power of the upper half of the frequencies over that of genuine tiles.",
        "",
        "Reconstructions, translations and inpainting change genuine pictures and keep their layout. Most of such a "
        "tile is a picture that is not ours to pass on, so tiles whose grey levels correlate with their originals' by "
        f"more than {MOST_LIKENESS} in the median enter no pack and are not shown. They are made for this page from "
        "checkpoints, and for the detector's pool likewise, which is how it learns from them."
        f"{best_reconstruction(rows)}",
        "",
        "| generator | trained on | steps | minutes | KID x 1000 (floor) | FID (floor) | smoothness AUC | excess, dB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for r in rows:
        minutes = f"{r['manifest']['seconds'] / 60:.0f}" if "seconds" in r["manifest"] else "-"
        origin = r["manifest"]
        lines.append(
            f"| [{r['name']}](#{anchor(r['name'])}) | {origin['trained_on']} | {origin['step']} | {minutes} "
            f"| {r['kid']:.2f} ({r['kid_floor']:.2f}) | {r['fid']:.2f} ({r['fid_floor']:.2f}) "
            f"| {r['smoothness_auc']:.2f} | {r['high_excess_db']:+.1f} |"
        )
    lines += ["", "Recipes that ship and were **not trained**: " + ", ".join(result["not_trained"]) + ".", ""]
    lines += ["Those of 256 and 512 px ask for CUDA; none of this code has been run on a GPU yet.", ""]
    lines += cost_table(result.get("costs"))
    for r in rows:
        lines += section(r, seen.get(r["name"], "Nobody has looked at these samples yet."))
    return "\n".join(lines)


def section(r: dict[str, Any], sentence: str) -> list[str]:
    """One generator on the page."""
    stem, manifest = r["name"].replace("/", "-"), r["manifest"]
    parameters = ", ".join(f"{name} {count:,}" for name, count in manifest.get("parameters", {}).items())
    course = r["by_step"] if len(r["by_step"]) > 1 else []
    steps = "; ".join(f"step {s['step']}: {s['kid']:.2f}, {s['smoothness_auc']:.2f}" for s in course)
    facts = [f"**{manifest['variant']}**, {r['settings']}; stopped at step {manifest['step']}"]
    facts += [f"parameters: {parameters}"] if parameters else []
    facts += [f"reconstructs crops at {manifest['psnr_db']:.1f} dB"] if "psnr_db" in manifest else []
    facts += [
        f"recipe {manifest['recipe_sha256'][:12]}, {r['tiles']} tiles of {r['size_px']} px, compared at "
        f"{r['compared_px']}, seed {manifest['seed']}"
    ]
    licences = sorted({f"{row['data_set']} ({row['licence']})" for row in manifest.get("sources", [])})
    facts += [f"genuine pictures: {'; '.join(licences)}"] if licences else []
    if other := r.get("inception"):
        facts += [
            f"{other['network']}: KID x 1000 {other['kid']:.2f} (floor {other['kid_floor']:.2f}), "
            f"FID {other['fid']:.1f} (floor {other['fid_floor']:.1f})"
        ]
    facts += [f"KID and smoothness AUC by checkpoint: {steps}"] if steps else []
    return [
        f"## {r['name']}",
        "",
        sentence,
        "",
        *(f"* {fact}" for fact in facts),
        "",
        *([] if manifest.get("is_live") else [f"![samples](generators/{stem}.png)", ""]),
        *([f"By checkpoint, from the same seed: ![checkpoints](generators/{stem}-steps.png)", ""] if steps else []),
        f"![distances and spectra](generators/{stem}.svg)",
        "",
        "| distance | to pictures trained on: least, mean | to unseen ones: least, mean |",
        "|---|---|---|",
        *(
            f"| {label} | {r[f'{key}_trained_least']:.4g}, {r[f'{key}_trained_mean']:.4g} "
            f"| {r[f'{key}_unseen_least']:.4g}, {r[f'{key}_unseen_mean']:.4g} |"
            for key, label in (("mse", "mean squared error"), ("seen", r["perceptual"]))
        ),
        "",
    ]


def revisions(result: dict[str, Any]) -> str:
    """Revisions of the code that measured, the page's own where a row names none."""
    return "revision " + ", ".join(
        sorted({r.get("revision", result["fingerprint"]["revision"]) for r in result["generators"]})
    )


def inceptions(rows: list[dict[str, Any]]) -> str:
    """What the page says of Inception, whose weights are other people's."""
    names = {r["inception"]["network"] for r in rows if r.get("inception")}
    if names:
        return f", and where a section says so on {' and '.join(sorted(names))}"
    return ", not on Inception, whose weights were not at hand"


def best_reconstruction(rows: list[dict[str, Any]]) -> str:
    """Whether any autoencoder reconstructs as well as a decoder must that teaches more than blur."""
    best = max((r["manifest"].get("psnr_db", 0.0) for r in rows), default=0.0)
    return f" The best of the autoencoders reconstructs at {best:.1f} dB; 30 are wanted." if 0 < best < 30 else ""


def cost_table(costs: dict[str, Any] | None) -> list[str]:
    """What trainings on a processor cost, from ``generator_costs.py``."""
    if not costs:
        return []
    mark = costs["fingerprint"]
    return [
        "What a training on a processor costs: processor time of one thread, so on idle cores none takes longer. It is "
        f"the mean of {costs['timed_steps']} steps, or of a whole period of penalties ({mark['cpu']}, revision "
        f"{mark['revision']}). Memory is what networks and optimisers hold. Drawing crops, sheets of samples and "
        "checkpoints are not counted. Recipes with `amp` compute in bfloat16 and take longer on a processor without "
        "matrix units for it (AMX).",
        "",
        "| recipe | parameters | memory, MiB | s a step | steps | hours |",
        "|---|---|---|---|---|---|",
        *(
            f"| {c['recipe']} | {c['parameters']:,} | {c['state_mib']:.0f} | {c['cpu_s']:.2f} | {c['steps']} "
            f"| {c['cpu_s'] * c['steps'] / 3600:.2f} |"
            for c in costs["recipes"]
        ),
        "",
    ]


def anchor(name: str) -> str:
    """The link target that Markdown viewers make of a heading."""
    return name.lower().replace("/", "")
