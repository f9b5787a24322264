"""Micrographs and maps simulated for the SEM-or-not gate: kinds of which the data hold few sources.

Transmission images are products of thicknesses (bright ground, overlaps darker), lattice images are sums of waves,
element maps are counts, diffraction patterns are rings and spots, scanning-probe images are height fields in lines.
The point is not that they look real, but that the gate sees what each way of imaging does to grey levels in more
arrangements than a few papers show. Used at training time only, with numpy and Pillow.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageOps
from scipy.ndimage import gaussian_filter

Field = NDArray[np.float64]
_HUES = ((255, 0, 0), (0, 255, 0), (0, 80, 255), (255, 255, 0), (255, 0, 255), (0, 255, 255), (255, 140, 0))


def draw_tem(random: np.random.Generator) -> Image.Image:
    """A simulated transmission image in grey, bright field or, less often, dark field."""
    shape = _shape(random)
    kinds: tuple[Callable[[tuple[int, int], np.random.Generator], Field], ...] = (
        _particles, _particles, _particles, _lattice, _vesicles, _sheets, _wires,
    )  # fmt: skip
    passed = kinds[random.integers(len(kinds))](shape, random)
    if random.random() < 0.08:
        passed = 1 - passed / passed.max()
    film = random.uniform(0.01, 0.06) * _smooth(shape, random.uniform(0.7, 3), random)
    slope = 1 + 0.15 * _smooth(shape, max(shape) / 3, random)
    grain = random.normal(0, random.uniform(0.005, 0.06), shape)
    return _grey((passed * slope + film + grain) * random.uniform(0.65, 0.95))


def draw_map(random: np.random.Generator) -> Image.Image:
    """An element map, diffraction pattern or scanning-probe image."""
    kind = random.random()
    if kind < 0.6:
        return _element_map(random)
    return _diffraction(random) if kind < 0.75 else _probe(random)


def _shape(random: np.random.Generator) -> tuple[int, int]:
    height, width = (int(v) for v in random.integers(180, 700, 2))
    return max(height, width // 2), max(width, height // 2)


def _smooth(shape: tuple[int, int], sigma: float, random: np.random.Generator) -> Field:
    """A random field with unit deviation."""
    step = max(1, int(sigma / 3))
    coarse = random.normal(0, 1, (shape[0] // step + 2, shape[1] // step + 2))
    field = gaussian_filter(coarse, sigma / step)
    if step > 1:
        field = np.asarray(Image.fromarray(field.astype(np.float32)).resize(shape[::-1], Image.Resampling.BICUBIC))
    field = field[: shape[0], : shape[1]]
    whole: Field = (field - field.mean()) / (field.std() + 1e-9)
    return whole


def _grey(passed: Field) -> Image.Image:
    return Image.fromarray((255 * np.clip(passed, 0, 1)).astype(np.uint8))


def _stamp(shape: tuple[int, int], points: list[tuple[float, float]], blur: float) -> Field:
    """A filled polygon, 0 to 1, with soft edges."""
    mask = Image.new("L", shape[::-1])
    ImageDraw.Draw(mask).polygon(points, fill=255)
    filled: Field = gaussian_filter(np.asarray(mask, np.float32) / 255, blur).astype(np.float64)
    return filled


def _outline(random: np.random.Generator, centre: Field, radius: float, corners: int) -> list[tuple[float, float]]:
    angles = np.sort(random.uniform(0, 2 * np.pi, corners)) if corners > 4 else np.arange(corners) * 2 * np.pi / corners
    angles = angles + random.uniform(0, 2 * np.pi)
    reach = radius * random.uniform(0.8, 1.1, corners)
    return [
        (float(centre[0] + r * np.cos(a)), float(centre[1] + r * np.sin(a))) for r, a in zip(reach, angles, strict=True)
    ]


def _particles(shape: tuple[int, int], random: np.random.Generator) -> Field:
    """Particles on a film; where they overlap it gets darker. Some are rods or cubes, some diffract."""
    passed = np.ones(shape)
    count = int(np.exp(random.uniform(np.log(3), np.log(120))))
    size = np.sqrt(shape[0] * shape[1] / count) * random.uniform(0.15, 0.6)
    corners = int(random.choice([4, 6, 14, 30, 30]))
    dark, blur = random.uniform(0.2, 0.9), random.uniform(0.6, 2.5)
    clustered, middle = random.random() < 0.4, random.random(2) * shape[::-1]
    for _ in range(count):
        place = random.random(2) * shape[::-1]
        if clustered:
            place = middle + random.normal(0, 0.2, 2) * shape[::-1]
        points = _outline(random, place, size * random.uniform(0.7, 1.3), corners)
        if random.random() < 0.15:
            points = [
                (float(place[0] + 2.5 * (x - place[0])), float(place[1] + 0.5 * (y - place[1]))) for x, y in points
            ]
        xs, ys = [p[0] for p in points], [p[1] for p in points]
        left, top = max(0, int(min(xs)) - 8), max(0, int(min(ys)) - 8)
        right, bottom = min(shape[1], int(max(xs)) + 9), min(shape[0], int(max(ys)) + 9)
        if right - left < 4 or bottom - top < 4:
            continue
        stamp = _stamp((bottom - top, right - left), [(x - left, y - top) for x, y in points], blur)
        inner = stamp * (1 + 0.3 * _smooth(stamp.shape, size / 3 + 1, random)) if random.random() < 0.3 else stamp
        passed[top:bottom, left:right] *= np.exp(-dark * random.uniform(0.6, 1.6) * np.clip(inner, 0, 2))
    return passed


def _lattice(shape: tuple[int, int], random: np.random.Generator) -> Field:
    """Atomic rows in patches of different directions on an amorphous ground."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    period = random.uniform(4, 16)
    total = random.uniform(0.1, 0.5) * _smooth(shape, period / 3, random)
    for _ in range(int(random.integers(1, 6))):
        envelope = np.clip(
            _smooth(shape, random.uniform(0.05, 0.3) * max(shape), random) + random.uniform(-0.5, 1), 0, 1
        )
        for _ in range(int(random.integers(1, 4))):
            angle, phase = random.uniform(0, np.pi), random.uniform(0, 7)
            total += envelope * np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / period + phase)
    thick = 0.12 * np.clip(_smooth(shape, max(shape) / 4, random), -1.5, 1.5)
    passed: Field = np.clip(0.55 + random.uniform(0.05, 0.15) * total - thick, 0.02, 1.2)
    return passed


def _vesicles(shape: tuple[int, int], random: np.random.Generator) -> Field:
    """Rings with thin dark walls, as membranes are in ice or stain."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    passed = np.ones(shape)
    radius, wall = random.uniform(0.03, 0.15) * min(shape), random.uniform(1, 4)
    for _ in range(int(random.integers(4, 50))):
        r = radius * random.uniform(0.6, 1.5)
        distance = np.hypot(
            x - random.uniform(0, shape[1]), (y - random.uniform(0, shape[0])) * random.uniform(0.9, 1.1)
        )
        passed *= 1 - random.uniform(0.2, 0.5) * np.exp(-(((distance - r) / wall) ** 2)) - 0.08 * (distance < r)
    return passed


def _sheets(shape: tuple[int, int], random: np.random.Generator) -> Field:
    """Thin sheets that overlap and fold, and the holes of a carbon film."""
    passed = np.ones(shape)
    for _ in range(int(random.integers(2, 9))):
        middle = random.random(2) * shape[::-1]
        points = _outline(random, middle, random.uniform(0.2, 0.7) * max(shape), int(random.integers(5, 12)))
        passed *= np.exp(-random.uniform(0.05, 0.35) * _stamp(shape, points, random.uniform(0.6, 2)))
    if random.random() < 0.4:
        film = _smooth(shape, random.uniform(0.04, 0.12) * max(shape), random) < random.uniform(0, 1)
        passed *= np.exp(-random.uniform(0.1, 0.8) * gaussian_filter(film.astype(np.float64), 1))
    return passed


def _wires(shape: tuple[int, int], random: np.random.Generator) -> Field:
    """Tubes and wires that cross, darker at their edges when hollow."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    passed = np.ones(shape)
    thick, hollow = random.uniform(0.01, 0.05) * max(shape) + 1, random.random() < 0.5
    bend = 3 * thick * _smooth(shape, max(shape) / 5, random)
    for _ in range(int(random.integers(1, 25))):
        angle = random.uniform(0, np.pi)
        across = (x - random.uniform(0, shape[1])) * np.cos(angle) + (y - random.uniform(0, shape[0])) * np.sin(angle)
        distance = np.abs(across + bend) / thick
        depth = np.sqrt(np.clip(1 - distance**2, 0, 1))
        if hollow:
            depth = depth - 0.8 * np.sqrt(np.clip(1 - (1.5 * distance) ** 2, 0, 1))
        passed *= np.exp(-random.uniform(0.2, 0.9) * depth)
    return passed


def _element_map(random: np.random.Generator) -> Image.Image:
    shape = _shape(random)
    share = 1 / (1 + np.exp(-4 * _smooth(shape, random.uniform(0.03, 0.2) * max(shape), random)))
    counts = random.poisson(share ** random.uniform(0.5, 3) * np.exp(random.uniform(-4, 1)))
    dots = np.clip(counts * random.uniform(0.3, 1), 0, 1)
    if random.random() < 0.6:
        dots = gaussian_filter(dots, random.uniform(0.5, 2))
        dots = dots / max(float(dots.max()), 0.05)
    grey = _grey(dots)
    if random.random() < 0.25:
        return grey
    return ImageOps.colorize(grey, (0, 0, 0), _HUES[random.integers(len(_HUES))])


def _diffraction(random: np.random.Generator) -> Image.Image:
    side = int(random.integers(200, 600))
    y, x = np.mgrid[:side, :side]
    cy, cx = side * random.uniform(0.4, 0.6, 2)
    radius = np.hypot(y - cy, x - cx)
    picture = np.exp(-radius / (side * random.uniform(0.02, 0.15)))
    if random.random() < 0.5:
        for ring in random.uniform(0.1, 0.5, int(random.integers(2, 9))):
            picture += random.uniform(0.05, 0.5) * np.exp(-(((radius - ring * side) / random.uniform(1, 4)) ** 2))
    else:
        one, two = random.uniform(-0.2, 0.2, 2) * side, random.uniform(-0.2, 0.2, 2) * side
        for i in range(-4, 5):
            for j in range(-4, 5):
                distance = np.hypot(y - cy - i * one[0] - j * two[0], x - cx - i * one[1] - j * two[1])
                picture += random.uniform(0.1, 1) * np.exp(-((distance / random.uniform(2, 5)) ** 2))
    picture += random.normal(0, 0.02, picture.shape)
    image = _grey(picture)
    if random.random() < 0.4:
        canvas = ImageDraw.Draw(image)
        canvas.line((cx, cy, side * random.uniform(0.6, 1), side), fill=0, width=int(0.05 * side))
    return image if random.random() < 0.8 else ImageOps.invert(image)


def _probe(random: np.random.Generator) -> Image.Image:
    """Height, line by line: smooth, with steps between lines."""
    shape = _shape(random)
    height = _smooth(shape, random.uniform(2, 30), random) + random.normal(0, random.uniform(0, 0.4), (shape[0], 1))
    if random.random() < 0.4:
        height = np.maximum(height, random.uniform(-0.5, 1))
    grey = _grey(0.5 + 0.2 * height)
    if random.random() < 0.3:
        return grey
    low, middle, high = ((20, 5, 0), (170, 90, 20), (255, 245, 200)) if random.random() < 0.6 else (
        (0, 0, 90), (60, 200, 120), (255, 240, 60))  # fmt: skip
    return ImageOps.colorize(grey, low, high, mid=middle)
