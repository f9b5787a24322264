"""Pictures drawn in code for the SEM-or-not gate: plots, tables, diagrams, maps, molecules, renderings and gels.

The data holds no graphics and no gels, so they are drawn here, at training time only, with Pillow. Everything is
drawn larger and reduced, which gives the smooth edges that plotting programs give.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

_OVER = 2
_INKS = [(0, 0, 0), (200, 20, 20), (20, 60, 200), (10, 140, 60), (230, 140, 10), (120, 40, 160), (90, 90, 90)]
_PAPERS = [(255, 255, 255)] * 6 + [(240, 240, 245), (255, 250, 230), (20, 20, 30)]
_WORDS = (
    "Intensity", "Temperature", "Time", "Voltage (V)", "Capacity", "Control", "Ratio", "2θ (deg)", "wt.%", "n = 3",
)  # fmt: skip


def draw_graphic(random: np.random.Generator) -> Image.Image:
    """A plot, table, diagram, map or rendering of random content, RGB, 200 to 900 px wide."""
    width, height = (int(v) for v in random.integers(200, 900, 2))
    width, height = max(width, height // 3), max(height, width // 3)
    paper = _PAPERS[random.integers(len(_PAPERS))]
    image = Image.new("RGB", (_OVER * width, _OVER * height), paper)
    canvas = ImageDraw.Draw(image)
    kinds: list[Callable[[Image.Image, ImageDraw.ImageDraw, np.random.Generator], None]] = [
        _curves, _curves, _scatter, _bars, _table, _flow, _network, _pie, _heat_map, _spheres, _mesh, _field, _map,
        _molecule, _surface,
    ]  # fmt: skip
    kinds[random.integers(len(kinds))](image, canvas, random)
    return image.resize((width, height), Image.Resampling.LANCZOS)


def draw_gel(random: np.random.Generator) -> Image.Image:
    """A simulated gel or blot in grey: smeared bands in lanes, bright on dark or dark on bright."""
    width, height = (int(v) for v in random.integers(180, 800, 2))
    y = np.arange(height)[:, None]
    x = np.arange(width)[None, :]
    lanes = int(random.integers(3, 14))
    picture = np.zeros((height, width))
    pitch = width / (lanes + 0.5)
    smeared = random.uniform(0, 0.8)
    for lane in range(lanes):
        centre, half = (lane + 0.75) * pitch, 0.5 * pitch * random.uniform(0.6, 0.95)
        profile = 0.5 - 0.5 * np.tanh((np.abs(x - centre) - half) / random.uniform(1.6, 6))
        smear = smeared * random.uniform(0.3, 1)
        smear = smear * np.exp(-(((y - random.uniform(0.3, 0.7) * height) / (random.uniform(0.2, 0.5) * height)) ** 2))
        bands = np.zeros((height, 1))
        for _ in range(int(random.integers(1, 14))):
            at, thick = random.uniform(0.12, 0.95) * height, random.uniform(0.003, 0.02) * height + 1
            bands += random.uniform(0.1, 1) * np.exp(-(((y - at) / thick) ** 2))
        picture += random.uniform(0.4, 1) * profile * (bands + smear)
    glow = 0.04 * np.cos(3 * x / width + random.uniform(0, 6)) + 0.03 * np.cos(2 * y / height)
    grain = random.normal(0, random.uniform(0.002, 0.02), (height, width))
    picture = np.clip(random.uniform(0.03, 0.2) + glow + 0.75 * np.minimum(picture, 1.3) + grain, 0, 1)
    if random.random() < 0.3:
        picture = 1 - picture
    gel = Image.fromarray((255 * picture).astype(np.uint8))
    if random.random() < 0.6:
        canvas = ImageDraw.Draw(gel)
        for lane in range(lanes):
            corner = ((lane + 0.6) * pitch, 0.02 * height)
            canvas.text(corner, str(lane) if lane else "M", fill=245, font=ImageFont.load_default(0.04 * height + 6))
        canvas.rectangle((0, 0, width - 1, height - 1), outline=230)
    return gel


def _ink(random: np.random.Generator) -> tuple[int, int, int]:
    return _INKS[random.integers(len(_INKS))]


def _words(canvas: ImageDraw.ImageDraw, random: np.random.Generator, at: tuple[float, float], size: float) -> None:
    word = _WORDS[random.integers(len(_WORDS))]
    canvas.text(
        at, word, fill=(128, 128, 128) if random.random() < 0.2 else (10, 10, 10), font=ImageFont.load_default(size)
    )


def _axes(
    image: Image.Image, canvas: ImageDraw.ImageDraw, random: np.random.Generator
) -> tuple[float, float, float, float]:
    width, height = image.size
    frame = (0.14 * width, 0.05 * height, 0.97 * width, 0.86 * height)
    line = int(random.integers(2, 7))
    if random.random() < 0.7:
        canvas.rectangle(frame, outline=(0, 0, 0), width=line)
    else:
        canvas.line((frame[0], frame[1], frame[0], frame[3], frame[2], frame[3]), fill=(0, 0, 0), width=line)
    size = 0.035 * height + 10
    for step in range(6):
        x = frame[0] + (frame[2] - frame[0]) * step / 5
        y = frame[3] - (frame[3] - frame[1]) * step / 5
        canvas.line((x, frame[3], x, frame[3] + 12), fill=(0, 0, 0), width=line)
        canvas.line((frame[0] - 12, y, frame[0], y), fill=(0, 0, 0), width=line)
        canvas.text((x - size, frame[3] + 14), str(20 * step), fill=(0, 0, 0), font=ImageFont.load_default(size))
        canvas.text(
            (frame[0] - 3 * size, y - size / 2), str(step / 2), fill=(0, 0, 0), font=ImageFont.load_default(size)
        )
        if random.random() < 0.1:
            canvas.line((frame[0], y, frame[2], y), fill=(200, 200, 200), width=2)
    _words(canvas, random, (0.45 * width, 0.92 * height), 1.2 * size)
    return frame


def _curves(image: Image.Image, canvas: ImageDraw.ImageDraw, random: np.random.Generator) -> None:
    x0, y0, x1, y1 = _axes(image, canvas, random)
    x = np.linspace(0, 1, 500)
    for curve in range(int(random.integers(1, 8))):
        y = sum(
            random.uniform(0.1, 1) * np.exp(-(((x - random.uniform(0, 1)) / random.uniform(0.005, 0.2)) ** 2))
            for _ in range(int(random.integers(1, 9)))
        )
        y = (y + random.normal(0, random.uniform(0, 0.03), x.size)) / 3 + curve * 0.08
        points = np.stack([x0 + (x1 - x0) * x, y1 - (y1 - y0) * np.clip(y, 0, 1)], axis=1)
        canvas.line([tuple(p) for p in points], fill=_ink(random), width=int(random.integers(2, 8)))


def _scatter(image: Image.Image, canvas: ImageDraw.ImageDraw, random: np.random.Generator) -> None:
    x0, y0, x1, y1 = _axes(image, canvas, random)
    ink = _ink(random)
    for x, y in random.random((int(random.integers(20, 1500)), 2)):
        r = 6
        cx, cy = x0 + (x1 - x0) * x, y1 - (y1 - y0) * (0.7 * x + 0.3 * y)
        canvas.ellipse((cx - r, cy - r, cx + r, cy + r), fill=ink)


def _bars(image: Image.Image, canvas: ImageDraw.ImageDraw, random: np.random.Generator) -> None:
    x0, y0, x1, y1 = _axes(image, canvas, random)
    count = int(random.integers(3, 16))
    ink = _ink(random)
    for bar in range(count):
        left = x0 + (x1 - x0) * (bar + 0.15) / count
        top = y1 - (y1 - y0) * random.uniform(0.1, 0.95)
        canvas.rectangle((left, top, left + 0.7 * (x1 - x0) / count, y1), fill=ink, outline=(0, 0, 0))


def _table(image: Image.Image, canvas: ImageDraw.ImageDraw, random: np.random.Generator) -> None:
    width, height = image.size
    rows, columns = int(random.integers(5, 30)), int(random.integers(2, 8))
    size = 0.6 * height / rows
    for row in range(rows):
        if random.random() < 0.3:
            canvas.line((0, row * height / rows, width, row * height / rows), fill=(0, 0, 0), width=3)
        for column in range(columns):
            _words(canvas, random, (column * width / columns + 6, row * height / rows + 3), max(8, size))


def _flow(image: Image.Image, canvas: ImageDraw.ImageDraw, random: np.random.Generator) -> None:
    width, height = image.size
    for _ in range(int(random.integers(3, 14))):
        x, y = random.uniform(0, 0.75) * width, random.uniform(0, 0.8) * height
        fill = tuple(int(v) for v in random.integers(60, 255, 3))
        canvas.rounded_rectangle((x, y, x + 0.22 * width, y + 0.14 * height), 14, fill=fill, outline=(0, 0, 0), width=3)
        _words(canvas, random, (x + 10, y + 8), 0.05 * height + 8)
        end = (random.uniform(0, 1) * width, random.uniform(0, 1) * height)
        canvas.line((x + 0.2 * width, y, *end), fill=_ink(random), width=5)


def _network(image: Image.Image, canvas: ImageDraw.ImageDraw, random: np.random.Generator) -> None:
    width, height = image.size
    nodes = random.random((int(random.integers(6, 60)), 2)) * (width, height)
    for _ in range(2 * len(nodes)):
        first, second = nodes[random.integers(len(nodes))], nodes[random.integers(len(nodes))]
        canvas.line((*first, *second), fill=(120, 120, 120), width=3)
    for x, y in nodes:
        r = random.uniform(5, 20)
        canvas.ellipse((x - r, y - r, x + r, y + r), fill=_ink(random))
        _words(canvas, random, (x + r, y), 22)


def _pie(image: Image.Image, canvas: ImageDraw.ImageDraw, random: np.random.Generator) -> None:
    width, height = image.size
    side = 0.9 * min(width, height)
    angle = 0.0
    while angle < 360:
        step = random.uniform(15, 120)
        fill = tuple(int(v) for v in random.integers(40, 255, 3))
        canvas.pieslice((10, 10, side, side), angle, min(360, angle + step), fill=fill)
        angle += step


def _heat_map(image: Image.Image, canvas: ImageDraw.ImageDraw, random: np.random.Generator) -> None:
    width, height = image.size
    cells = random.random((int(random.integers(5, 60)), int(random.integers(5, 40))))
    low, high = random.integers(0, 255, 3), random.integers(0, 255, 3)
    colours = (low + cells[:, :, None] * (high - low)).astype(np.uint8)
    picture = Image.fromarray(colours).resize((int(0.8 * width), int(0.85 * height)), Image.Resampling.NEAREST)
    image.paste(picture, (int(0.1 * width), int(0.05 * height)))
    _words(canvas, random, (0.2 * width, 0.92 * height), 0.05 * height + 8)


def _spheres(image: Image.Image, canvas: ImageDraw.ImageDraw, random: np.random.Generator) -> None:
    width, height = image.size
    picture = np.array(image)
    y, x = np.mgrid[:height, :width]
    for _ in range(int(random.integers(3, 16))):
        r = random.uniform(0.05, 0.18) * min(width, height)
        cx, cy = random.uniform(0, width), random.uniform(0, height)
        inside = np.hypot(x - cx, y - cy) < r
        shade = np.clip(1.1 - np.hypot(x - cx + 0.3 * r, y - cy + 0.3 * r) / (1.6 * r), 0.1, 1)[inside]
        picture[inside] = (shade[:, None] * random.integers(60, 256, 3)).astype(np.uint8)
    image.paste(Image.fromarray(picture))


def _mesh(image: Image.Image, canvas: ImageDraw.ImageDraw, random: np.random.Generator) -> None:
    width, height = image.size
    pitch, ink = random.uniform(20, 80), _ink(random)
    image.paste(tuple(int(v) for v in random.integers(90, 255, 3)), (0, 0, width, height))
    for line in range(int(max(width, height) / pitch) + 2):
        at = line * pitch + random.uniform(-4, 4)
        canvas.line((at, 0, at + random.uniform(-30, 30), height), fill=ink, width=2)
        canvas.line((0, at, width, at + random.uniform(-30, 30)), fill=ink, width=2)


def _smooth_field(random: np.random.Generator, width: int, height: int) -> NDArray[np.float64]:
    """A smooth random field between 0 and 1."""
    coarse = random.random((int(random.integers(3, 12)), int(random.integers(3, 12)))).astype(np.float32)
    field = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC), np.float64)
    whole: NDArray[np.float64] = (field - field.min()) / (np.ptp(field) + 1e-9)
    return whole


def _field(image: Image.Image, canvas: ImageDraw.ImageDraw, random: np.random.Generator) -> None:
    """A computed field in false colours or greys, with or without axes."""
    width, height = image.size
    field = _smooth_field(random, int(0.8 * width), int(0.85 * height))
    if random.random() < 0.4:
        field = np.round(field * random.integers(4, 14)) / 12
    stops = (
        random.integers(0, 256, (4, 3))
        if random.random() < 0.75
        else np.array([[0] * 3, [90] * 3, [170] * 3, [255] * 3])
    )
    at = np.linspace(0, 1, 4)
    colours = np.stack([np.interp(field, at, stops[:, band]) for band in range(3)], axis=2).astype(np.uint8)
    image.paste(Image.fromarray(colours), (int(0.1 * width), int(0.05 * height)))
    if random.random() < 0.7:
        canvas.rectangle((0.1 * width, 0.05 * height, 0.9 * width, 0.9 * height), outline=(0, 0, 0), width=4)
        _words(canvas, random, (0.4 * width, 0.92 * height), 0.04 * height + 8)


def _map(image: Image.Image, canvas: ImageDraw.ImageDraw, random: np.random.Generator) -> None:
    """Land and water, borders and names."""
    width, height = image.size
    field = np.round(_smooth_field(random, width, height) * random.integers(3, 9)).astype(np.int64)
    inks = random.integers(120, 256, (field.max() + 1, 3))
    colours = inks[field].astype(np.uint8)
    border = np.zeros(field.shape, bool)
    border[1:] |= field[1:] != field[:-1]
    border[:, 1:] |= field[:, 1:] != field[:, :-1]
    colours[border] = 60
    image.paste(Image.fromarray(colours))
    for _ in range(int(random.integers(2, 12))):
        _words(canvas, random, (random.uniform(0, 0.8) * width, random.uniform(0, 0.9) * height), 0.03 * height + 10)


def _molecule(image: Image.Image, canvas: ImageDraw.ImageDraw, random: np.random.Generator) -> None:
    """Hexagons joined by bonds, with letters of atoms; sometimes an arrow to the next."""
    width, height = image.size
    side, line = random.uniform(0.06, 0.16) * min(width, height), int(random.integers(3, 8))
    for _ in range(int(random.integers(1, 7))):
        cx, cy = random.uniform(0.15, 0.85) * width, random.uniform(0.15, 0.85) * height
        for ring in range(int(random.integers(1, 4))):
            x = cx + ring * 1.732 * side
            points = [(x + side * np.sin(k * np.pi / 3), cy + side * np.cos(k * np.pi / 3)) for k in range(7)]
            canvas.line(points, fill=(0, 0, 0), width=line)
            for k in (0, 2, 4):
                ends = [(x + 0.8 * (px - x), cy + 0.8 * (py - cy)) for px, py in points[k : k + 2]]
                canvas.line(ends, fill=(0, 0, 0), width=line)
        canvas.line((cx, cy + side, cx, cy + 1.8 * side), fill=(0, 0, 0), width=line)
        atom = ("OH", "N", "NH2", "COOH", "R", "Br")[random.integers(6)]
        canvas.text(
            (cx - 0.2 * side, cy + 1.8 * side), atom, fill=_ink(random), font=ImageFont.load_default(0.6 * side)
        )
    if random.random() < 0.5:
        y = random.uniform(0.2, 0.8) * height
        canvas.line((0.4 * width, y, 0.6 * width, y), fill=(0, 0, 0), width=line)
        canvas.polygon(((0.6 * width, y - 14), (0.6 * width, y + 14), (0.63 * width, y)), fill=(0, 0, 0))


def _surface(image: Image.Image, canvas: ImageDraw.ImageDraw, random: np.random.Generator) -> None:
    """A shaded relief: a rendering that is nothing but smooth greys or one tint."""
    width, height = image.size
    relief = sum(_smooth_field(random, width, height) / 2**k for k in range(3))
    down, across = np.gradient(relief)
    light = across * random.normal() + down * random.normal()
    shade = np.clip(0.55 + 0.25 * light / (light.std() + 1e-9), 0.05, 1)
    tint = random.integers(120, 256, 3) if random.random() < 0.6 else np.array([235, 235, 235])
    image.paste(Image.fromarray((shade[:, :, None] * tint).astype(np.uint8)))
