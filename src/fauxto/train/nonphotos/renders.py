"""3D renders: a small ray tracer of spheres, boxes, rooms and terrain, with textures, shadows, mirrors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from fauxto.train.nonphotos.material import Material, Template

Vectors = NDArray[np.float64]  # (N, 3)
Numbers = NDArray[np.float64]  # (N,)
FAR = 1e9
SUPERSAMPLING = 2


def _unit(vectors: Vectors) -> Vectors:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


@dataclass(frozen=True)
class Surface:
    """How a body looks: two colours by a pattern, gloss and mirror in [0, 1]."""

    first: Vectors
    second: Vectors
    pattern: str
    scale: float
    gloss: float
    mirror: float

    def colour(self, points: Vectors) -> Vectors:
        """Colours (N, 3) in [0, 1] at points (N, 3)."""
        p = points * self.scale
        match self.pattern:
            case "checks":
                mix = np.floor(p).sum(1) % 2
            case "stripes":
                mix = np.floor(p[:, 0] + 0.2 * np.sin(3 * p[:, 1])) % 2
            case "marble":
                mix = 0.5 + 0.5 * np.sin(
                    3 * p[:, 0] + 2 * np.sin(2.3 * p[:, 1]) + 1.5 * np.sin(3.1 * p[:, 2])
                )
            case "bricks":
                row = np.floor(p[:, 1] * 2)
                edge = ((p[:, 0] + p[:, 2] + 0.5 * (row % 2)) % 1 < 0.06) | (p[:, 1] * 2 % 1 < 0.12)
                mix = edge.astype(np.float64)
            case _:
                mix = np.zeros(len(p))
        return np.asarray(self.first + mix[:, None] * (self.second - self.first))


@dataclass(frozen=True)
class Sphere:
    """A ball."""

    centre: Vectors
    radius: float
    surface: Surface

    def hit(self, origins: Vectors, directions: Vectors) -> Numbers:
        """Distance along each ray, `FAR` where it misses."""
        to = origins - self.centre
        b = (to * directions).sum(1)
        c = (to * to).sum(1) - self.radius**2
        root = np.sqrt(np.maximum(b * b - c, 0))
        near, far = -b - root, -b + root
        distance = np.where(near > 1e-4, near, far)
        return np.where((b * b - c > 0) & (distance > 1e-4), distance, FAR)

    def normal(self, points: Vectors) -> Vectors:
        """Outward unit vectors at points on it."""
        return (points - self.centre) / self.radius


@dataclass(frozen=True)
class Box:
    """A box along the axes; `inside` makes it a room seen from within."""

    low: Vectors
    high: Vectors
    surface: Surface
    inside: bool = False

    def hit(self, origins: Vectors, directions: Vectors) -> Numbers:
        """Distance along each ray, `FAR` where it misses (slab method)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            a, b = (self.low - origins) / directions, (self.high - origins) / directions
        near, far = np.minimum(a, b).max(1), np.maximum(a, b).min(1)
        distance = far if self.inside else np.where(near > 1e-4, near, far)
        return np.where((near <= far) & (distance > 1e-4), distance, FAR)

    def normal(self, points: Vectors) -> Vectors:
        """Unit vectors, outward, or inward of a room."""
        middle, half = (self.low + self.high) / 2, (self.high - self.low) / 2
        offset = (points - middle) / half
        axis = np.abs(offset).argmax(1)
        rows = np.arange(len(points))
        normal = np.zeros_like(points)
        normal[rows, axis] = np.sign(offset[rows, axis]) * (-1 if self.inside else 1)
        return normal


Body = Sphere | Box


@dataclass(frozen=True)
class Scene:
    """Bodies under one lamp and a sky."""

    bodies: tuple[Body, ...]
    lamp: Vectors
    sky: tuple[Vectors, Vectors]
    ambient: float = 0.3
    fog: float = field(default=0.0)

    def background(self, directions: Vectors) -> Vectors:
        """The sky's colours (N, 3) in these directions."""
        height = np.clip(directions[:, 1] * 0.5 + 0.5, 0, 1)[:, None]
        return np.asarray(self.sky[0] + height * (self.sky[1] - self.sky[0]))

    def trace(self, origins: Vectors, directions: Vectors, bounces: int = 2) -> Vectors:
        """Colours (N, 3) in [0, 1] that come back along rays (Whitted 1980)."""
        distances = np.stack([body.hit(origins, directions) for body in self.bodies])
        nearest, distance = distances.argmin(0), distances.min(0)
        colours = self.background(directions)
        for number, body in enumerate(self.bodies):
            seen = np.flatnonzero((nearest == number) & (distance < FAR))
            if not len(seen):
                continue
            points = origins[seen] + directions[seen] * distance[seen, None]
            shaded = self._shade(body, points, directions[seen], bounces)
            clear = np.exp(-self.fog * distance[seen, None])
            colours[seen] = shaded * clear + colours[seen] * (1 - clear)
        return colours

    def _shade(self, body: Body, points: Vectors, directions: Vectors, bounces: int) -> Vectors:
        """Phong's model with a hard shadow, and what a mirror shows."""
        normals = body.normal(points)
        normals = np.where((normals * directions).sum(1, keepdims=True) > 0, -normals, normals)
        to_lamp = self.lamp - points
        reach = np.linalg.norm(to_lamp, axis=1)
        to_lamp = to_lamp / reach[:, None]
        lifted = points + normals * 1e-3
        shadow = np.zeros(len(points), dtype=bool)
        for other in self.bodies:
            shadow |= other.hit(lifted, to_lamp) < reach - 2e-3
        light = np.where(shadow, 0, np.maximum((normals * to_lamp).sum(1), 0))
        mirrored = directions - 2 * (normals * directions).sum(1, keepdims=True) * normals
        shine = np.where(shadow, 0, np.maximum((mirrored * to_lamp).sum(1), 0) ** 40) * body.surface.gloss
        colours = body.surface.colour(points) * (self.ambient + 0.8 * light)[:, None] + shine[:, None]
        if bounces and body.surface.mirror:
            share = body.surface.mirror
            colours = colours * (1 - share) + self.trace(lifted, mirrored, bounces - 1) * share
        return np.asarray(np.clip(colours, 0, 1))


def photograph_scene(scene: Scene, eye: Vectors, target: Vectors, width: int, height: int) -> Image.Image:
    """The scene through a pinhole camera with a field of view of 60 degrees."""
    forward = _unit(target - eye)
    right = _unit(np.cross(forward, [0.0, 1.0, 0.0]))
    up = np.cross(right, forward)
    w, h = width * SUPERSAMPLING, height * SUPERSAMPLING
    x = (np.arange(w) + 0.5 - w / 2) / w * 1.15
    y = -(np.arange(h) + 0.5 - h / 2) / w * 1.15
    rows = []
    for line in np.array_split(y, 8):  # parts, so that memory stays small
        xs, ys = np.meshgrid(x, line)
        directions = _unit(forward + xs.reshape(-1, 1) * right + ys.reshape(-1, 1) * up)
        rows.append(scene.trace(np.broadcast_to(eye, directions.shape), directions).reshape(len(line), w, 3))
    pixels = np.concatenate(rows).reshape(height, SUPERSAMPLING, width, SUPERSAMPLING, 3).mean((1, 3))
    return Image.fromarray((np.clip(pixels, 0, 1) ** (1 / 1.3) * 255).astype(np.uint8))


def _surface(material: Material, *patterns: str) -> Surface:
    first, second = (np.array(material.colour(20, 250)) / 255 for _ in range(2))
    pattern = material.one_of(*(patterns or ("plain", "plain", "checks", "stripes", "marble", "bricks")))
    mirror = material.real(0.1, 0.7) if material.chance(0.35) else 0.0
    return Surface(first, second, pattern, material.real(0.5, 3), material.real(0, 0.9), mirror)


def _sky(material: Material) -> tuple[Vectors, Vectors]:
    return np.array(material.colour(120, 255)) / 255, np.array(material.colour(30, 255)) / 255


def _vector(*values: float) -> Vectors:
    return np.array(values)


def _ground(material: Material) -> Box:
    surface = _surface(material, "plain", "checks", "marble", "bricks")
    return Box(_vector(-200, -1, -200), _vector(200, 0, 200), surface)


def balls(material: Material) -> Image.Image:
    """Balls on a floor."""
    bodies: list[Body] = [_ground(material)]
    for _ in range(material.whole(2, 9)):
        r = material.real(0.3, 1.4)
        bodies.append(Sphere(_vector(material.real(-4, 4), r, material.real(-3, 5)), r, _surface(material)))
    scene = Scene(
        tuple(bodies), _vector(material.real(-9, 9), 12, -8), _sky(material), material.real(0.15, 0.45), 0.01
    )
    return photograph_scene(
        scene,
        _vector(material.real(-4, 4), material.real(1, 4), -8),
        _vector(0, 1, 0),
        480,
        material.whole(300, 400),
    )


def town(material: Material) -> Image.Image:
    """Boxes as houses along a plain, in haze."""
    bodies: list[Body] = [_ground(material)]
    for _ in range(material.whole(8, 22)):
        x, z, w = material.real(-14, 14), material.real(0, 30), material.real(0.6, 2.2)
        top = material.real(0.5, 8)
        bodies.append(Box(_vector(x - w, 0, z - w), _vector(x + w, top, z + w), _surface(material)))
    scene = Scene(
        tuple(bodies),
        _vector(material.real(-60, 60), 80, -40),
        _sky(material),
        material.real(0.2, 0.5),
        material.real(0, 0.025),
    )
    eye = _vector(material.real(-6, 6), material.real(1.5, 9), -10)
    return photograph_scene(scene, eye, _vector(0, 2, 10), 480, material.whole(270, 400))


def terrain(material: Material) -> Image.Image:
    """Hills of fractal noise, seen from above column by column (voxel space, 1992)."""
    side = 512
    octaves = [
        ndimage.gaussian_filter(material.rng.normal(size=(side, side)), 64 / 2**k, mode="wrap")
        for k in range(5)
    ]
    land = sum(layer / layer.std() / 1.9**k for k, layer in enumerate(octaves))
    land = (land - land.min()) / np.ptp(land)
    water = material.real(0.2, 0.45)
    light = np.clip(0.6 + ndimage.sobel(land, 1) * material.real(3, 8), 0.1, 1.2)
    heights = [water, water + 0.05, 0.6, 0.8, 1.0]
    colours = np.array(
        [
            material.colour(20, 160),
            material.colour(150, 220),
            material.colour(30, 130),
            material.colour(80, 150),
            material.colour(220, 255),
        ]
    )
    paint = np.stack([np.interp(land, heights, colours[:, c]) for c in range(3)], 2) * light[..., None]
    land = np.maximum(land, water)
    width, height = 480, material.whole(270, 380)
    sky = [np.array(colour) * 255 for colour in _sky(material)]
    pixels = (
        sky[1] + np.linspace(0, 1, height)[:, None, None] * (sky[0] - sky[1]) + np.zeros((height, width, 3))
    )
    horizon, eye = height * material.real(0.15, 0.4), 1.2
    bottom = np.full(width, height)
    columns = np.arange(width)
    for distance in np.geomspace(8, 420, 500):
        spread = (columns / width - 0.5) * distance * 1.1
        ys, xs = np.full(width, int(distance) % side), (spread.astype(int) + 256) % side
        top = ((eye - land[ys, xs]) * height * 28 / distance + horizon).astype(int).clip(0, height)
        haze = 1 - np.exp(-distance / 900)
        for column in np.flatnonzero(top < bottom):
            pixels[top[column] : bottom[column], column] = (
                paint[ys[column], xs[column]] * (1 - haze) + sky[0] * haze
            )
        bottom = np.minimum(bottom, top)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def room(material: Material) -> Image.Image:
    """A room with furniture of boxes and balls, lit from the ceiling."""
    wide, deep, high = material.real(3, 6), material.real(4, 8), material.real(2.5, 4)
    shell = Box(
        _vector(-wide, 0, -4),
        _vector(wide, high, deep),
        _surface(material, "plain", "bricks", "checks"),
        inside=True,
    )
    floor = Box(
        _vector(-wide, -0.1, -4), _vector(wide, 0.01, deep), _surface(material, "checks", "marble", "stripes")
    )
    bodies: list[Body] = [shell, floor]
    for _ in range(material.whole(3, 9)):
        x, z, s = (
            material.real(-wide + 0.5, wide - 0.5),
            material.real(0, deep - 0.6),
            material.real(0.2, 0.9),
        )
        if material.chance(0.6):
            bodies.append(
                Box(
                    _vector(x - s, 0, z - s / 2),
                    _vector(x + s, material.real(0.4, 2), z + s / 2),
                    _surface(material),
                )
            )
        else:
            bodies.append(Sphere(_vector(x, s, z), s, _surface(material)))
    lamp = _vector(material.real(-1, 1), high - 0.2, material.real(0, 3))
    scene = Scene(tuple(bodies), lamp, _sky(material), material.real(0.25, 0.5))
    return photograph_scene(scene, _vector(material.real(-1.5, 1.5), 1.5, -3.5), _vector(0, 1.1, 3), 480, 360)


def product(material: Material) -> Image.Image:
    """One thing of stacked balls and boxes on a glossy table before a plain ground."""
    table = Surface(
        np.array(material.colour(180, 255)) / 255, np.zeros(3), "plain", 1, 0.3, material.real(0.1, 0.4)
    )
    bodies: list[Body] = [Box(_vector(-90, -1, -90), _vector(90, 0, 90), table)]
    top = 0.0
    for _ in range(material.whole(2, 6)):
        r, surface = material.real(0.3, 0.8), _surface(material)
        if material.chance(0.5):
            bodies.append(Sphere(_vector(0, top + r, 0), r, surface))
        else:
            bodies.append(Box(_vector(-r, top, -r), _vector(r, top + 2 * r, r), surface))
        top += 2 * r
    sky = np.array(material.colour(180, 255)) / 255
    scene = Scene(tuple(bodies), _vector(material.real(-6, 6), top + 5, -6), (sky, sky), 0.4, 0.02)
    return photograph_scene(
        scene, _vector(material.real(-3, 3), top, -2.2 - top), _vector(0, top / 2, 0), 380, 480
    )


TRAIN: tuple[Template, ...] = (balls, town, terrain)
TEST: tuple[Callable[[Material], Image.Image], ...] = (room, product)


def render(material: Material) -> Image.Image:
    """A render of the part's templates."""
    templates = TRAIN if material.part == "train" else TEST
    return templates[material.whole(0, len(templates) - 1)](material)
