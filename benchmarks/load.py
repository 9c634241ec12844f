"""What the server does under many clients at once: answers, times to them, and memory.

    python benchmarks/load.py [--seconds 60] [--clients 64] [--output results/load.json]

Each client sends one image after another, every eighth time four together, and waits as long as `Retry-After`
says when it is refused. The first fifth of the time is the warm-up. Exit code 1 where an answer was neither
200 nor 429 nor 503, where one did not come, or where the server grew (as in benchmarks/serve_soak.py).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from statistics import quantiles
from time import monotonic, perf_counter

import httpx

import fauxto
from growth import Held
from live import Server, serving
from serve_soak import grew

ROOT = Path(__file__).parents[1]


@dataclass
class Seen:
    """What the clients saw after the warm-up."""

    statuses: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    images: int = 0
    faults: list[str] = field(default_factory=list)


async def visit(client: httpx.AsyncClient, images: list[bytes], number: int, end: float, seen: Seen) -> None:
    """One client."""
    turn = number  # not all begin with the same
    while monotonic() < end:
        turn += 1
        count = 4 if turn % 8 == 0 else 1
        files = [("files", (f"{at}.jpg", images[(turn + at) % len(images)])) for at in range(count)]
        begun = perf_counter()
        try:
            answer = await client.post("/v1/scan", files=files)
        except httpx.HTTPError as error:
            seen.faults.append(f"{type(error).__name__}: {error}")
            continue
        seen.statuses[str(answer.status_code)] += 1
        if answer.status_code == 200:
            seen.seconds.append(perf_counter() - begun)
            seen.images += count
        elif answer.status_code in (429, 503):
            await asyncio.sleep(float(answer.headers["retry-after"]))
        else:
            seen.faults.append(f"{answer.status_code}: {answer.text[:200]}")


async def load(server: Server, seconds: float, clients: int, images: list[bytes]) -> tuple[Seen, list[Held]]:
    """Let the clients loose; what they saw, and what the server held meanwhile."""
    limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)
    async with httpx.AsyncClient(base_url=server.url, timeout=60, limits=limits, trust_env=False) as client:
        warm = monotonic() + seconds / 5
        await asyncio.gather(*(visit(client, images, at, warm, Seen()) for at in range(clients)))
        seen, samples = Seen(), list[Held]()
        end = monotonic() + seconds * 4 / 5
        visits = asyncio.gather(*(visit(client, images, at, end, seen) for at in range(clients)))
        while monotonic() < end:
            samples.append(server.held())
            await asyncio.sleep(0.25)
        await visits
    return seen, samples


def report(
    seen: Seen, samples: list[Held], seconds: float, clients: int, machine_load: float
) -> dict[str, object]:
    """The figures."""
    cuts = [1000 * cut for cut in quantiles(seen.seconds, n=100)]
    return {
        "fauxto": fauxto.__version__,
        "date": date.today().isoformat(),
        "cores": os.cpu_count(),
        "load_before": round(machine_load, 1),
        "clients": clients,
        "seconds": seconds,
        "answers": dict(sorted(seen.statuses.items())),
        "images_a_second": round(seen.images / (seconds * 4 / 5), 1),
        "milliseconds": {"p50": round(cuts[49]), "p95": round(cuts[94]), "p99": round(cuts[98])},
        "faults": seen.faults[:50],
        "grew": grew(samples),
        "held_first": asdict(samples[0]),
        "held_last": asdict(samples[-1]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--model", default="auto")
    parser.add_argument("--images", type=Path, default=ROOT / "examples" / "thumbnails")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    images = [path.read_bytes() for path in sorted(arguments.images.glob("*.jpg"))]
    machine_load = os.getloadavg()[0]
    with serving("--model", arguments.model) as server:
        seen, samples = asyncio.run(load(server, arguments.seconds, arguments.clients, images))
    found = report(seen, samples, arguments.seconds, arguments.clients, machine_load)
    text = json.dumps({"model": arguments.model, **found}, indent=2)
    if arguments.output:
        arguments.output.write_text(text + "\n")
    print(text)
    sys.exit(bool(found["faults"] or found["grew"]))


if __name__ == "__main__":
    main()
