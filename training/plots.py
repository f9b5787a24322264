"""Small line plots as SVG, without a plotting library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

COLOURS = ("#1b6ca8", "#c8553d", "#6a8d3a", "#8e5ea2", "#c09000", "#4d4d4d")
_WIDTH, _HEIGHT, _LEFT, _TOP, _GAP = 250, 150, 44, 24, 44
_TICKS = 3
_LEGEND_PX = 13


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a panel, ``y`` over ``x``."""

    label: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Panel:
    """One pair of axes.

    Attributes:
        title: above it.
        x_label: below it.
        lines: what is drawn.
        is_log: whether the x axis is logarithmic; points at or below zero are then drawn at its left end.
        y_range: of the y axis; ``None`` takes that of the lines.
    """

    title: str
    x_label: str
    lines: Sequence[Line]
    is_log: bool = False
    y_range: tuple[float, float] | None = None


def histogram(label: str, values: NDArray[np.float64], edges: NDArray[np.float64]) -> Line:
    """Shares of the values between edges, as an outline."""
    share = np.histogram(values, edges)[0] / len(values)
    return Line(label, np.repeat(edges, 2)[1:-1], np.repeat(share, 2))


def draw(panels: Sequence[Panel], columns: int = 0) -> str:
    """Panels as the text of an SVG file.

    Args:
        panels: what is drawn.
        columns: panels in a row; 0 puts all side by side.
    """
    columns = columns or len(panels)
    legend = max((-(-len(panel.lines) // 2) for panel in panels), default=0)
    down = _TOP + _HEIGHT + 49 + legend * _LEGEND_PX
    width, height = _LEFT + columns * (_WIDTH + _GAP), down * -(-len(panels) // columns)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="10">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for index, panel in enumerate(panels):
        row, column = divmod(index, columns)
        parts += [
            f'<g transform="translate(0 {row * down})">',
            *_panel(panel, _LEFT + column * (_WIDTH + _GAP)),
            "</g>",
        ]
    return "\n".join([*parts, "</svg>", ""])


def _panel(panel: Panel, left: float) -> list[str]:
    xs, ys = (np.concatenate([getattr(line, axis) for line in panel.lines]) for axis in "xy")
    floor = float(xs[xs > 0].min()) if panel.is_log and (xs > 0).any() else 0.0
    xs = _scaled(xs, floor) if panel.is_log else xs
    (x0, x1), (y0, y1) = ((float(v.min()), float(max(v.max(), v.min() + 1e-9))) for v in (xs, ys))
    y0, y1 = panel.y_range or (y0, y1)
    bottom = _TOP + _HEIGHT
    parts = [
        f'<text x="{left}" y="{_TOP - 8}" font-size="11">{escape(panel.title)}</text>',
        f'<rect x="{left}" y="{_TOP}" width="{_WIDTH}" height="{_HEIGHT}" fill="none" stroke="#999"/>',
        f'<text x="{left + _WIDTH / 2}" y="{bottom + 26}" text-anchor="middle">{escape(panel.x_label)}</text>',
    ]
    for tick in range(_TICKS):
        share = tick / (_TICKS - 1)
        x, y = left + share * _WIDTH, bottom - share * _HEIGHT
        at = x0 + share * (x1 - x0)
        told = f"{10**at if panel.is_log else at:.3g}"
        parts.append(f'<text x="{x:.0f}" y="{bottom + 13}" text-anchor="middle">{told}</text>')
        parts.append(f'<text x="{left - 4}" y="{y + 3:.0f}" text-anchor="end">{y0 + share * (y1 - y0):.2g}</text>')
    for place, line in enumerate(panel.lines):
        colour = COLOURS[place % len(COLOURS)]
        px = left + ((_scaled(line.x, floor) if panel.is_log else line.x) - x0) / (x1 - x0) * _WIDTH
        py = bottom - (np.clip(line.y, y0, y1) - y0) / (y1 - y0) * _HEIGHT
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(px, py, strict=True))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        x, y = left + place % 2 * 125, bottom + 44 + place // 2 * _LEGEND_PX
        parts.append(f'<text x="{x}" y="{y}" fill="{colour}">{escape(line.label)}</text>')
    return parts


def _scaled(values: NDArray[np.float64], floor: float) -> NDArray[np.float64]:
    return np.asarray(np.log10(np.maximum(values, floor or 1e-9)))
