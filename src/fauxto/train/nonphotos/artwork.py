"""Paintings and drawings: photographs through filters that paint and draw, and pictures made of nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from fauxto.train.nonphotos.material import Material, Template

Plane = NDArray[np.float64]  # brightness, (H, W) in [0, 1]
Canvas = NDArray[np.float64]  # colours, (H, W, 3) in [0, 1]


def _photograph(material: Material) -> Canvas:
    """A photograph with a long side of 480 to 640 pixels."""
    picture = material.photograph()
    scale = material.whole(480, 640) / max(picture.size)
    size = (round(picture.width * scale), round(picture.height * scale))
    return np.asarray(picture.resize(size, Image.Resampling.BICUBIC), dtype=np.float64) / 255


def _picture(canvas: Canvas | Plane) -> Image.Image:
    if canvas.ndim == 2:
        canvas = canvas[..., None].repeat(3, 2)
    return Image.fromarray((np.clip(canvas, 0, 1) * 255).astype(np.uint8))


def _smooth(canvas: Canvas, sigma: float) -> Canvas:
    return np.asarray(ndimage.gaussian_filter(canvas, (sigma, sigma, 0)))


def _vivid(canvas: Canvas, amount: float) -> Canvas:
    """More saturated colours."""
    grey = canvas.mean(2, keepdims=True)
    return np.asarray(np.clip(grey + (canvas - grey) * amount, 0, 1))


def _weave(material: Material, height: int, width: int) -> Plane:
    """A canvas's or a paper's relief, around 0."""
    grain = ndimage.gaussian_filter(material.rng.normal(size=(height, width)), material.real(0.6, 1.6))
    y, x = np.mgrid[0:height, 0:width]
    threads = np.sin(x * material.real(0.9, 1.8)) * np.sin(y * material.real(0.9, 1.8))
    return np.asarray(grain / grain.std() * 0.6 + threads * material.real(0, 1))


def kuwahara(canvas: Canvas, radius: int) -> Canvas:
    """Each pixel takes the mean of the calmest of the four squares that meet in it (Kuwahara 1976)."""
    side = radius + 1
    means = ndimage.uniform_filter(canvas, (side, side, 1), mode="nearest")
    grey = canvas.mean(2)
    mean = ndimage.uniform_filter(grey, side, mode="nearest")
    spread = ndimage.uniform_filter(grey * grey, side, mode="nearest") - mean * mean
    half = (radius + 1) // 2
    moves = [(y, x) for y in (-half, half) for x in (-half, half)]
    spreads = np.stack([_moved(spread, move) for move in moves])
    colours = np.stack([_moved(means, move) for move in moves])
    calmest = spreads.argmin(0)[None, ..., None]
    return np.asarray(np.take_along_axis(colours, calmest, 0)[0])


def _moved(values: NDArray[np.float64], move: tuple[int, int]) -> NDArray[np.float64]:
    """Values (H, W, ...) moved by some pixels; the border is repeated, not brought from the other side."""
    height, width = values.shape[:2]
    rows = np.clip(np.arange(height) - move[0], 0, height - 1)
    columns = np.clip(np.arange(width) - move[1], 0, width - 1)
    return np.asarray(values[rows[:, None], columns])


def oil(material: Material) -> Image.Image:
    """Flat dabs with the canvas shining through."""
    painted = _photograph(material)
    for _ in range(material.whole(1, 3)):
        painted = kuwahara(painted, material.whole(3, 9))
    height, width = painted.shape[:2]
    return _picture(
        _vivid(painted, material.real(1.1, 1.8)) + 0.02 * _weave(material, height, width)[..., None]
    )


def strokes(material: Material) -> Image.Image:
    """Brush strokes along the edges, large ones first (after Hertzmann 1998)."""
    photograph = _photograph(material)
    height, width = photograph.shape[:2]
    grey = ndimage.gaussian_filter(photograph.mean(2), 3)
    angle = np.arctan2(ndimage.sobel(grey, 0), ndimage.sobel(grey, 1)) + np.pi / 2
    picture = _picture(_smooth(photograph, 12))
    draw = ImageDraw.Draw(picture)
    for thickness, count in ((18, 900), (9, 2500), (5, 5000)):
        colours = np.clip(_smooth(photograph, thickness / 3) * 255, 0, 255)
        ys, xs = material.rng.integers(0, height, count), material.rng.integers(0, width, count)
        jitter = material.rng.normal(0, 14, (count, 3))
        length = thickness * material.real(1, 3)
        for y, x, shift in zip(ys, xs, jitter, strict=True):
            dx, dy = np.cos(angle[y, x]) * length, np.sin(angle[y, x]) * length
            red, green, blue = (int(v) for v in np.clip(colours[y, x] + shift, 0, 255))
            draw.line((x - dx, y - dy, x + dx, y + dy), fill=(red, green, blue), width=thickness)
    return picture


def watercolour(material: Material) -> Image.Image:
    """Pale washes with dark rims on grained paper."""
    washed = _photograph(material)
    for _ in range(3):
        washed = ndimage.median_filter(washed, (9, 9, 1))
    levels = material.whole(5, 9)
    washed = _smooth(np.round(washed * levels) / levels, 1.2)
    rims = ndimage.gaussian_gradient_magnitude(washed.mean(2), 1.2)
    height, width = rims.shape
    paper = _weave(material, height, width) * 0.03
    return _picture(1 - (1 - washed) * material.real(0.6, 0.85) - rims[..., None] * 1.2 + paper[..., None])


def points(material: Material) -> Image.Image:
    """Dots of pure colours."""
    photograph = _vivid(_photograph(material), 2)
    height, width = photograph.shape[:2]
    picture = Image.new("RGB", (width, height), material.colour(200, 250))
    draw, radius = ImageDraw.Draw(picture), material.whole(3, 6)
    count = 3 * height * width // radius**2 // 3
    for y, x in zip(
        material.rng.integers(0, height, count), material.rng.integers(0, width, count), strict=True
    ):
        value = np.clip(photograph[y, x] * 255 + material.rng.normal(0, 30, 3), 0, 255)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=tuple(int(v) for v in value))
    return picture


def abstract(material: Material) -> Image.Image:
    """Fields of colour with soft edges, no photograph behind them."""
    height, width = material.whole(420, 640), material.whole(420, 640)
    canvas = np.ones((height, width, 3)) * np.array(material.colour()) / 255
    for _ in range(material.whole(4, 14)):
        waves = ndimage.gaussian_filter(material.rng.normal(size=(height, width)), material.real(15, 70))
        cover = 1 / (1 + np.exp(-(waves / waves.std() - material.real(0, 1.2)) * material.real(3, 60)))
        canvas += cover[..., None] * (np.array(material.colour()) / 255 - canvas)
    bristles = ndimage.gaussian_filter(material.rng.normal(size=(height, width)), (0.6, material.real(4, 20)))
    return _picture(canvas + 0.04 * (bristles / bristles.std())[..., None])


def landscape(material: Material) -> Image.Image:
    """Hills behind hills under a sky, painted from noise."""
    height, width = material.whole(380, 520), 640
    sky, ground = np.array(material.colour(120, 255)) / 255, np.array(material.colour(20, 170)) / 255
    y = np.linspace(0, 1, height)[:, None, None]
    canvas = sky * (1 - 0.5 * y) + 0.4 * y + np.zeros((height, width, 3))
    for layer in range(layers := material.whole(3, 7)):
        ridge = ndimage.gaussian_filter1d(material.rng.normal(size=width), material.real(8, 40))
        top = height * (0.35 + 0.6 * layer / layers) + ridge / ridge.std() * 18
        below = np.arange(height)[:, None] > top
        shade = sky + (ground - sky) * (layer + 1) / layers + material.rng.normal(0, 0.05, 3)
        canvas[below] = shade
    mottled = ndimage.gaussian_filter(material.rng.normal(size=(height, width)), (1, 3))
    return _picture(kuwahara(canvas + 0.03 * (mottled / mottled.std())[..., None], 5))


def pencil(material: Material) -> Image.Image:
    """A pencil sketch: the picture divided by its blurred negative (colour dodge)."""
    grey = _photograph(material).mean(2)
    soft = ndimage.gaussian_filter(1 - grey, material.real(3, 12))
    sketch = np.clip(grey / np.maximum(1 - soft, 0.02), 0, 1) ** material.real(1, 2.5)
    height, width = grey.shape
    return _picture(sketch + 0.03 * _weave(material, height, width))


def ink(material: Material) -> Image.Image:
    """Black lines where the brightness changes (extended difference of Gaussians, Winnemoeller 2012)."""
    grey, sigma = _photograph(material).mean(2), material.real(0.7, 1.8)
    sharp = ndimage.gaussian_filter(grey, sigma) - 0.97 * ndimage.gaussian_filter(grey, 1.6 * sigma)
    # The darkest of the differences become ink, whatever the photograph's contrast.
    level, slope = np.quantile(sharp, material.real(0.08, 0.3)), material.real(0.3, 2) / (sharp.std() + 1e-6)
    return _picture(np.clip(1 + np.tanh((sharp - level) * slope), 0, 1))


def cartoon(material: Material) -> Image.Image:
    """Flat colours with black contours."""
    photograph = _photograph(material)
    flat = photograph
    for _ in range(3):
        flat = kuwahara(flat, 4)
    levels = material.whole(4, 8)
    flat = np.round(_vivid(flat, 1.5) * levels) / levels
    edges = ndimage.gaussian_gradient_magnitude(photograph.mean(2), 1.3) > material.real(0.04, 0.08)
    return _picture(np.where(edges[..., None], 0.05, flat))


def hatching(material: Material) -> Image.Image:
    """Parallel lines, crossing where it is dark."""
    grey = ndimage.gaussian_filter(_photograph(material).mean(2), 1.5)
    y, x = np.mgrid[0 : grey.shape[0], 0 : grey.shape[1]]
    drawn = np.ones_like(grey)
    for number, darkness in enumerate((0.8, 0.6, 0.4, 0.25)):
        angle = 0.6 + number * 0.8
        lines = np.sin((x * np.cos(angle) + y * np.sin(angle)) * material.real(0.8, 1.3)) > 0.35
        drawn[(grey < darkness) & lines] = 0.1
    return _picture(ndimage.gaussian_filter(drawn, 0.6))


def halftone(material: Material) -> Image.Image:
    """Dots of changing size, as comics are printed."""
    photograph = _photograph(material)
    y, x = np.mgrid[0 : photograph.shape[0], 0 : photograph.shape[1]]
    pitch = material.real(0.6, 1.1)
    screens = [
        np.sin((x * np.cos(a) + y * np.sin(a)) * pitch) * np.sin((y * np.cos(a) - x * np.sin(a)) * pitch)
        for a in (0.26, 1.3, 0.8)
    ]
    screen = np.stack(screens, 2) * 0.5 + 0.5
    return _picture(ndimage.gaussian_filter((photograph > screen).astype(float), (0.6, 0.6, 0)))


def illustration(material: Material) -> Image.Image:
    """A flat scene as children's books have it: sun, hills, houses, trees."""
    picture = Image.new("RGB", (800, 600), material.colour(140, 255))
    draw = ImageDraw.Draw(picture)
    x, y, r = material.whole(60, 740), material.whole(60, 200), material.whole(30, 80)
    draw.ellipse((x - r, y - r, x + r, y + r), fill=material.colour(180, 255))
    for _ in range(material.whole(2, 4)):
        x, r = material.whole(-100, 900), material.whole(200, 500)
        draw.ellipse((x - r, 420, x + r, 420 + 2 * r), fill=material.colour(40, 200))
    for _ in range(material.whole(2, 9)):
        x, y, size = material.whole(20, 760), material.whole(380, 540), material.whole(20, 90)
        if material.chance(0.5):
            draw.rectangle((x, y - size, x + size, y), fill=material.colour(), outline="black", width=2)
            draw.polygon(
                [(x - 8, y - size), (x + size + 8, y - size), (x + size / 2, y - 1.7 * size)],
                fill=material.colour(),
            )
        else:
            draw.rectangle((x + size * 0.4, y - size, x + size * 0.6, y), fill="#6b4a2b")
            draw.ellipse((x, y - 2 * size, x + size, y - size * 0.7), fill=material.colour(20, 180))
    return picture


def posterised(material: Material) -> Image.Image:
    """A few flat colours and no lines, as screen prints have."""
    photograph = ndimage.median_filter(_photograph(material), (7, 7, 1))
    picture = _picture(photograph).quantize(material.whole(3, 8), kmeans=1)
    if material.chance(0.5):
        palette = [value for _ in range(8) for value in material.colour()]
        picture.putpalette(palette)
    return picture.convert("RGB")


PAINTINGS: dict[str, tuple[Template, ...]] = {
    "train": (oil, strokes, landscape),
    "test": (watercolour, points, abstract),
}
DRAWINGS: dict[str, tuple[Template, ...]] = {
    "train": (pencil, cartoon, illustration, halftone),
    "test": (ink, hatching, posterised),
}


def painting(material: Material) -> Image.Image:
    """A painting of the part's templates; most need photographs."""
    templates = PAINTINGS[material.part]
    return templates[material.whole(0, len(templates) - 1)](material)


def drawing(material: Material) -> Image.Image:
    """A drawing of the part's templates; most need photographs."""
    templates = DRAWINGS[material.part]
    return templates[material.whole(0, len(templates) - 1)](material)
