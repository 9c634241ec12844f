"""`python -m fauxto.train.nonphotos`: render pictures that are no photographs into a parquet file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from fauxto.data.loading import load
from fauxto.errors import FauxtoError
from fauxto.train.negatives import Photograph
from fauxto.train.nonphotos.make import FROM_PHOTOGRAPHS, KINDS, PROGRAMS, NonPhoto, make, write


def photographs_of(data: Path) -> list[Photograph]:
    """The photographs of labelled images, decoded."""
    dataset = load(data, on_error="skip")
    real = dataset.subset(row for row, item in enumerate(dataset) if item.label == 0)
    return [Photograph(image.pixels, real[row].source or real[row].name) for row, image in real.decoded()]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fauxto.train.nonphotos", description=__doc__)
    parser.add_argument(
        "--photographs",
        type=Path,
        action="append",
        default=[],
        help="labelled images, may be repeated; without them no memes, paintings, drawings",
    )
    parser.add_argument("--output", type=Path, required=True, help="parquet file")
    parser.add_argument("--count", type=int, default=180, help="pictures of each kind")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument(
        "--only-test",
        action="store_true",
        help="all for testing, by the test's templates, from --photographs that no training has seen",
    )
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    """Render kind after kind; the file is written anew after each, so an end in between loses little."""
    arguments = _arguments()
    for kind in arguments.kinds:  # now, not after the minutes that the kinds before it take
        if kind in PROGRAMS:
            PROGRAMS[kind]()
    photographs = [one for data in arguments.photographs for one in photographs_of(data)]
    pictures: list[NonPhoto] = []
    for kind in arguments.kinds:
        if kind in FROM_PHOTOGRAPHS and not photographs:
            print(f"{kind}: left out, needs --photographs", file=sys.stderr)
            continue
        pictures += make(kind, arguments.count, photographs, arguments.seed, only_test=arguments.only_test)
        write(pictures, arguments.seed, arguments.output)
        print(f"{kind}: {arguments.count}, {len(pictures)} in all", file=sys.stderr)


if __name__ == "__main__":
    try:
        main()
    except FauxtoError as error:
        sys.exit(f"nonphotos: {error}")
