"""Simulated electron micrographs: a height map, a rough secondary-electron signal, and the noise of a scan.

This is not a Monte Carlo of electron trajectories. It keeps what gives a micrograph its look and its grain: the
signal grows with the tilt of the surface, about as 1 / cos (Reimer, Scanning Electron Microscopy, 1998, chapter 4);
convex edges glow because electrons also leave through the side; pits are dark because electrons are caught again; the
side that faces the detector is brighter; the beam has a width; every pixel counts a limited number of electrons.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float64]

TEXTURE = 1.2
"""Standard deviation of the roughness of surfaces, in pixels of height."""


@dataclass(frozen=True, slots=True)
class Microscope:
    """Settings of the simulated instrument.

    Attributes:
        dose: mean number of electrons counted in a mid-grey pixel; the shot noise is its square root.
        beam_px: standard deviation of the Gaussian beam profile, in pixels.
        read_noise: standard deviation of the amplifier's noise, in grey levels.
        banding: standard deviation of the gain from line to line, as a share of the signal.
        detector_deg: direction of the detector in the image plane, in degrees.
        contrast: grey levels per unit of signal contrast.
        lag: share of the last pixel's signal that the amplifier still holds at the next one, along a line.
    """

    dose: float = 65.0
    beam_px: float = 0.75
    read_noise: float = 2.5
    banding: float = 0.006
    detector_deg: float = 60.0
    contrast: float = 38.0
    lag: float = 0.55


def micrograph(scene: str, seed: int, size: tuple[int, int], microscope: Microscope) -> NDArray[np.uint8]:
    """Simulate one micrograph.

    Args:
        scene: a key of :data:`SCENES`.
        seed: seed of everything random.
        size: width and height in pixels.
        microscope: the instrument's settings.

    Returns:
        uint8 [height, width].
    """
    rng = np.random.default_rng(seed)
    margin = 16  # filters below are periodic: what they wrap around is cut off
    height, composition = SCENES[scene](rng, (size[0] + 2 * margin, size[1] + 2 * margin))
    signal = blur(_secondary_electrons(height, microscope) + composition, microscope.beam_px)
    signal = signal[margin:-margin, margin:-margin]
    # operators set brightness and contrast so that little is clipped
    low, middle, high = np.percentile(signal, (1, 50, 99))
    scale = microscope.contrast / max(high - middle, middle - low, 1e-6)
    level = np.clip(105 + 1.6 * scale * (signal - middle), 6, None)
    lines = 1 + microscope.banding * rng.standard_normal((level.shape[0], 1))
    current = rng.poisson(level * lines * microscope.dose / 128.0) * 128.0 / microscope.dose
    for column in range(1, current.shape[1]):
        current[:, column] += microscope.lag * (current[:, column - 1] - current[:, column])
    grey = current + rng.normal(0, microscope.read_noise, level.shape)
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)


def _secondary_electrons(height: Plane, microscope: Microscope) -> Plane:
    """Signal of a surface given in pixels of height, without unit."""
    down, right = np.gradient(blur(height, 0.6))
    slope = np.hypot(down, right)
    tilt = np.minimum(np.sqrt(1 + slope**2), 3.5)
    angle = np.deg2rad(microscope.detector_deg)
    towards = -(np.cos(angle) * right - np.sin(angle) * down) / np.sqrt(1 + slope**2)
    edges = np.clip(blur(height, 0.8) - blur(height, 2.5), 0, 2.0)
    depth = np.clip((blur(height, 14.0) - height) / 14.0, -0.5, 1.5)
    return np.asarray(0.55 * tilt + 0.35 * towards + 0.45 * edges - 0.55 * depth)


def blur(plane: Plane, sigma_px: float) -> Plane:
    """Gaussian blur with periodic borders."""
    fy = np.fft.fftfreq(plane.shape[0])[:, None]
    fx = np.fft.rfftfreq(plane.shape[1])[None]
    gain = np.exp(-2 * (np.pi * sigma_px) ** 2 * (fy**2 + fx**2))
    return np.asarray(np.fft.irfft2(np.fft.rfft2(plane) * gain, plane.shape))


def rough(rng: np.random.Generator, shape: tuple[int, ...], exponent: float, longest_px: float = 200.0) -> Plane:
    """Random surface with a power-law spectrum, unit standard deviation, no waves longer than ``longest_px``."""
    fy = np.fft.fftfreq(shape[0])[:, None]
    fx = np.fft.rfftfreq(shape[1])[None]
    frequency = np.maximum(np.hypot(fy, fx), 1 / longest_px)
    waves = np.fft.rfft2(rng.standard_normal(shape)) * frequency ** (-exponent / 2)
    waves[0, 0] = 0
    plane = np.fft.irfft2(waves, shape)
    return np.asarray(plane / plane.std())


def wavy(rng: np.random.Generator, shape: tuple[int, ...], width_px: float) -> Plane:
    """Smooth random surface of bumps about ``width_px`` wide, unit standard deviation."""
    plane = blur(rng.standard_normal(shape), width_px)
    return np.asarray(plane / plane.std())


def _grid(size: tuple[int, int]) -> tuple[Plane, Plane]:
    y, x = np.mgrid[: size[1], : size[0]].astype(float)
    return y, x


def _powder(rng: np.random.Generator, size: tuple[int, int]) -> tuple[Plane, Plane]:
    """Atomised powder: spheres of many sizes on each other, with small satellites stuck to them."""
    y, x = _grid(size)
    height = 2 * wavy(rng, y.shape, 20) + 0.3 * rough(rng, y.shape, 2.2, 60)
    texture = TEXTURE * rough(rng, y.shape, 2.4, 30)
    composition = np.full_like(height, -0.35)  # the carbon tape below the powder

    def drop(cx: float, cy: float, radius: float, sink: float) -> None:
        x0, x1 = int(max(0, cx - radius)), int(min(size[0], cx + radius + 2))
        y0, y1 = int(max(0, cy - radius)), int(min(size[1], cy + radius + 2))
        if x0 >= x1 or y0 >= y1:
            return
        part = (slice(y0, y1), slice(x0, x1))
        inside = radius**2 - (x[part] - cx) ** 2 - (y[part] - cy) ** 2
        base = np.percentile(height[part], 60) + sink * radius
        ball = np.where(inside > 0, base + np.sqrt(np.maximum(inside, 0)) + texture[part], -np.inf)
        on_top = ball > height[part]
        composition[part] = np.where(on_top, rng.normal(0, 0.08), composition[part])
        height[part] = np.maximum(height[part], ball)

    for radius in np.sort(rng.lognormal(3.05, 0.5, 95))[::-1].clip(6, 75):
        cx, cy = rng.uniform(0, size[0]), rng.uniform(0, size[1])
        drop(cx, cy, radius, -0.1)
        if radius > 18:
            for angle in rng.uniform(0, 2 * np.pi, rng.integers(0, 4)):
                drop(cx + radius * np.cos(angle), cy + radius * np.sin(angle), radius * rng.uniform(0.12, 0.3), 0.0)
    return height, composition


def _dimples(rng: np.random.Generator, size: tuple[int, int]) -> tuple[Plane, Plane]:
    """Ductile fracture: cups that met at sharp ridges, small ones between large ones."""
    y, x = _grid(size)
    wx, wy = (3 * wavy(rng, y.shape, 9) + 6 * wavy(rng, y.shape, 30) for _ in range(2))
    height = 12 * wavy(rng, y.shape, 45) + 3 * rough(rng, y.shape, 3.2)
    for count, depth in ((45, 17.0), (260, 4.0)):
        centres = rng.uniform((-20, -20), (size[0] + 20, size[1] + 20), (count, 2))
        weight = rng.uniform(0.75, 1.3, count)
        nearest = np.full(y.shape, np.inf)
        for (cx, cy), w in zip(centres, weight, strict=True):
            np.minimum(nearest, w * np.hypot(x + wx - cx, y + wy - cy), out=nearest)
        typical = np.sqrt(size[0] * size[1] / count) / 2
        height += depth * np.minimum(nearest / typical, 2.2) ** 1.6
    return height + TEXTURE * rough(rng, y.shape, 2.4, 40), np.zeros_like(height)


def _foam(rng: np.random.Generator, size: tuple[int, int]) -> tuple[Plane, Plane]:
    """Porous ceramic: smooth walls around holes of one typical width, grains sintered on the walls."""
    shape = (size[1], size[0])
    field = blur(rng.standard_normal(shape), 7.5) - blur(rng.standard_normal(shape), 16)
    field /= field.std()
    walls = np.tanh(2.2 * (field + 0.25))
    grains = np.maximum(blur(rng.standard_normal(shape), 2.2) / 0.13, 0) * (walls > -0.2)
    return 15 * walls + 1.5 * grains + TEXTURE * rough(rng, shape, 2.4, 40), np.where(walls < -0.6, -0.25, 0.0)


def _fibres(rng: np.random.Generator, size: tuple[int, int]) -> tuple[Plane, Plane]:
    """Electrospun mat: long bent fibres in layers."""
    y, x = _grid(size)
    height = 3 * rough(rng, y.shape, 2.5) - 40
    for layer in range(55):
        angle, radius = rng.uniform(0, np.pi), float(np.clip(rng.lognormal(1.65, 0.35), 3, 12))
        cx, cy = rng.uniform(0, size[0]), rng.uniform(0, size[1])
        along = (x - cx) * np.cos(angle) + (y - cy) * np.sin(angle)
        across = -(x - cx) * np.sin(angle) + (y - cy) * np.cos(angle)
        wave, phase, bend = rng.uniform(150, 500), rng.uniform(0, 2 * np.pi), rng.uniform(4, 26)
        path = bend * np.sin(2 * np.pi * along / wave + phase)
        lean = 2 * np.pi * bend / wave * np.cos(2 * np.pi * along / wave + phase)
        inside = radius**2 - (across - path) ** 2 / (1 + lean**2)
        fibre = np.where(inside > 0, np.sqrt(np.maximum(inside, 0)) - 34 + 0.45 * layer, -np.inf)
        np.maximum(height, fibre, out=height)
    return height + 0.5 * TEXTURE * rough(rng, y.shape, 2.4, 30), np.zeros_like(height)


def _lamellae(rng: np.random.Generator, size: tuple[int, int]) -> tuple[Plane, Plane]:
    """Etched two-phase metal: colonies of parallel plates, each colony turned its own way."""
    y, x = _grid(size)
    wx, wy = (1.2 * wavy(rng, y.shape, 10) + 5 * wavy(rng, y.shape, 35) for _ in range(2))
    nearest, second = np.full(y.shape, np.inf), np.full(y.shape, np.inf)
    plates, shade = np.zeros_like(y), np.zeros_like(y)
    for _ in range(16):
        cx, cy = rng.uniform(-20, size[0] + 20), rng.uniform(-20, size[1] + 20)
        distance = np.hypot(x + wx - cx, y + wy - cy)
        angle, pitch = rng.uniform(0, np.pi), rng.uniform(15, 28)
        waves = np.sin(2 * np.pi * ((x + 1.6 * wx) * np.cos(angle) + (y + 1.6 * wy) * np.sin(angle)) / pitch)
        closer = distance < nearest
        second = np.where(closer, nearest, np.minimum(second, distance))
        plates = np.where(closer, np.tanh(2.5 * waves), plates)
        shade = np.where(closer, rng.normal(0, 0.12), shade)
        nearest = np.minimum(nearest, distance)
    boundary = np.exp(-(((second - nearest) / 2.5) ** 2))
    height = 2.4 * plates * (1 - boundary) + 2.5 * boundary + 2 * wavy(rng, y.shape, 25)
    return height + 0.6 * TEXTURE * rough(rng, y.shape, 2.4, 30), shade + 0.12 * plates


def _grains(rng: np.random.Generator, size: tuple[int, int]) -> tuple[Plane, Plane]:
    """Polished and lightly etched metal: flat grains, each as bright as its orientation lets it be, with pores."""
    y, x = _grid(size)
    wx, wy = (1.0 * wavy(rng, y.shape, 6) + 4 * wavy(rng, y.shape, 25) for _ in range(2))
    nearest, second = np.full(y.shape, np.inf), np.full(y.shape, np.inf)
    shade = np.zeros_like(y)
    for _ in range(60):
        distance = np.hypot(x + wx - rng.uniform(-20, size[0] + 20), y + wy - rng.uniform(-20, size[1] + 20))
        closer = distance < nearest
        second = np.where(closer, nearest, np.minimum(second, distance))
        shade = np.where(closer, rng.normal(0, 0.16), shade)
        nearest = np.minimum(nearest, distance)
    grooves = 3.5 * np.exp(-(((second - nearest) / 3.5) ** 2))
    pores = 14 * np.clip(wavy(rng, y.shape, 5) - 2.6, 0, 1)
    return TEXTURE * rough(rng, y.shape, 2.4, 40) - grooves - pores, shade


SCENES: dict[str, Callable[[np.random.Generator, tuple[int, int]], tuple[Plane, Plane]]] = {
    "powder": _powder,
    "dimples": _dimples,
    "foam": _foam,
    "fibres": _fibres,
    "lamellae": _lamellae,
    "grains": _grains,
}
"""Scene name -> function that returns a height map in pixels and a composition contrast."""
