"""T5: pictures by generators that none of us trained. There are none among the data; what stands in is named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from semscan.training.evaluation.lab import Lab
from semscan.training.evaluation.parts import Context, Part, Result, not_measured, verdict
from semscan.training.evaluation.ranking import HEAD, RULE, line, ranking
from semscan.training.evaluation.textures import quilted, random_phase
from semscan.training.panels import through

CHANNELS = {"png": "stored without loss", "in_pdf": "as in a PDF"}
METHODS = {"random phase": random_phase, "quilting": quilted}
_MOST = 60


def measure(context: Context) -> Result:
    """Rank textures that classical methods make of genuine crops."""
    lab = Lab(context)
    genuine = lab.panels("genuine_small")
    if not genuine:
        return not_measured("the test split holds no genuine panels")
    chosen = [genuine[i] for i in np.unique(np.linspace(0, len(genuine) - 1, min(_MOST, len(genuine))).astype(int))]
    rows = []
    for name, method in METHODS.items():
        made = [replace(p, grey=method(p.grey, np.random.default_rng([p.seed, 5]))) for p in chosen]
        for channel in CHANNELS:
            found = lab.measured("genuine_small", channel), lab.judge.measure(through(p, channel) for p in made)
            sources = [p.source for p in genuine], [p.source for p in made]
            row = ranking(found[0], sources[0], found[1], sources[1], 300, context.recipe.seed)
            rows.append({"method": name, "channel": channel, **row})
    text = (
        "no pictures by foreign generators are among the data; classical texture synthesis, which is no AI, instead: "
        + ", ".join(f"{r['method']} AUC {r['auc']:.3f} (n = {r['n']})" for r in rows if r["channel"] == "in_pdf")
        + " in PDF"
    )
    return {"rows": rows, "verdict": verdict(text, "not measured")}


def render(result: Result) -> list[str]:
    """What is missing, then the stand-ins."""
    if "not_measured" in result:
        return [f"Not measured: {result['not_measured']}."]
    lines = [
        "**Not measured.** The data hold no micrographs by generators that we did not train ourselves, so nothing is "
        "known of those. The rows below are no substitute: they are classical, non-learned texture synthesis of "
        "genuine crops. Random phases keep a crop's spectrum and nothing else; quilting copies genuine pixels, so that "
        "a detector of up-sampling has nothing to find in it but seams.",
        "",
        HEAD,
        RULE,
    ]
    return lines + [line(row["method"], CHANNELS[row["channel"]], row) for row in result["rows"]]


PART = Part(
    "T5",
    "T5: generators that none of us trained",
    measure,
    render,
    aim="reported with what it misses",
    least="reported",
)
