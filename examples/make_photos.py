"""Write examples/photos and examples/thumbnails from the pictures in scikit-image's wheel.

    pip download --no-deps scikit-image==0.26.0
    python examples/make_photos.py scikit_image-*.whl

Only pictures whose licence is clear are taken; README.md beside this script states each one's.
"""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

from PIL import Image, ImageOps

HERE = Path(__file__).parent
SOURCES = {
    "astronaut": "astronaut.png",
    "cat": "chelsea.png",
    "coffee": "coffee.png",
    "deep-field": "hubble_deep_field.jpg",
    "rocket": "rocket.jpg",
}
LONGEST_SIDE = 640
THUMBNAIL_SIDES = (32, 48)


def main(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for name, source in SOURCES.items():
            with Image.open(io.BytesIO(archive.read(f"skimage/data/{source}"))) as file:
                photo = file.convert("RGB")
            photo.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
            photo.save(HERE / "photos" / f"{name}.jpg", quality=88)
            for side in THUMBNAIL_SIDES:
                thumbnail = ImageOps.fit(photo, (side, side), Image.Resampling.LANCZOS)
                thumbnail.save(HERE / "thumbnails" / f"{name}-{side}.jpg", quality=95)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
