"""Small line plots as SVG, without a plotting library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

COLOURS = ("#1b6ca8", "#c8553d", "#6a8d3a")
_WIDTH, _HEIGHT, _LEFT, _TOP, _GAP = 250, 150, 44, 24, 44
_TICKS = 3


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a panel, ``y`` over ``x``."""

    label: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Panel:
    """One pair of axes."""

    title: str
    x_label: str
    lines: Sequence[Line]


def histogram(label: str, values: NDArray[np.float64], edges: NDArray[np.float64]) -> Line:
    """Shares of the values between edges, as an outline."""
    share = np.histogram(values, edges)[0] / len(values)
    return Line(label, np.repeat(edges, 2)[1:-1], np.repeat(share, 2))


def draw(panels: Sequence[Panel]) -> str:
    """Panels side by side as the text of an SVG file."""
    width = _LEFT + len(panels) * (_WIDTH + _GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {_TOP + _HEIGHT + 62}" '
        'font-family="sans-serif" font-size="10">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for index, panel in enumerate(panels):
        parts += _panel(panel, _LEFT + index * (_WIDTH + _GAP))
    return "\n".join([*parts, "</svg>", ""])


def _panel(panel: Panel, left: float) -> list[str]:
    xs, ys = (np.concatenate([getattr(line, axis) for line in panel.lines]) for axis in "xy")
    (x0, x1), (y0, y1) = ((float(v.min()), float(max(v.max(), v.min() + 1e-9))) for v in (xs, ys))
    bottom = _TOP + _HEIGHT
    parts = [
        f'<text x="{left}" y="{_TOP - 8}" font-size="11">{panel.title}</text>',
        f'<rect x="{left}" y="{_TOP}" width="{_WIDTH}" height="{_HEIGHT}" fill="none" stroke="#999"/>',
        f'<text x="{left + _WIDTH / 2}" y="{bottom + 26}" text-anchor="middle">{panel.x_label}</text>',
    ]
    for tick in range(_TICKS):
        share = tick / (_TICKS - 1)
        x, y = left + share * _WIDTH, bottom - share * _HEIGHT
        parts.append(f'<text x="{x:.0f}" y="{bottom + 13}" text-anchor="middle">{x0 + share * (x1 - x0):.3g}</text>')
        parts.append(f'<text x="{left - 4}" y="{y + 3:.0f}" text-anchor="end">{y0 + share * (y1 - y0):.2g}</text>')
    for place, (line, colour) in enumerate(zip(panel.lines, COLOURS, strict=False)):
        px = left + (line.x - x0) / (x1 - x0) * _WIDTH
        py = bottom - (line.y - y0) / (y1 - y0) * _HEIGHT
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(px, py, strict=True))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        parts.append(f'<text x="{left + place * 125}" y="{bottom + 44}" fill="{colour}">{line.label}</text>')
    return parts
