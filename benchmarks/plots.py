"""Small line plots as SVG: those of the evaluation, under the name that the benchmarks use."""

from semscan.training.plots import Line, Panel, draw, histogram

__all__ = ["Line", "Panel", "draw", "histogram"]
