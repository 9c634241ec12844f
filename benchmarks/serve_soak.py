"""Whether the server grows under hours of good and bad requests: memory, descriptors, threads, processes.

    python benchmarks/serve_soak.py [--seconds 3600] [--model auto] [--output results/serve-soak.json]

The first fifth of the time is the warm-up. Exit code 1 where the rest grew (the median memory of its last
quarter, that of the decoding processes included, above that of its first by more than 10 % and 20 MB; more
descriptors, threads or processes in the median of the last than ever in the first), where an answer was a 5xx
other than 503, or where a request was not answered.
"""

from __future__ import annotations

import argparse
import json
import random
import socket
import sys
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import monotonic, sleep

import httpx

import growth
from growth import Held
from live import Server, serving

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "corpus"))

from bad_files import bad_files  # noqa: E402

SAMPLES = 200
CLIENTS = 4


@dataclass
class Tally:
    """What the clients saw."""

    statuses: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, kind: str, status: int) -> None:
        with self.lock:
            self.statuses[str(status)] += 1
            if status >= 500 and status != 503:
                self.faults.append(f"{kind}: {status}")

    def fail(self, kind: str, error: Exception) -> None:
        with self.lock:
            self.faults.append(f"{kind}: {type(error).__name__}: {error}")


class Visitor:
    """One client that sends one kind of request after another, chosen by its own seed."""

    def __init__(self, server: Server, tally: Tally, seed: int) -> None:
        self._server, self._tally, self._random = server, tally, random.Random(seed)
        self._client = httpx.Client(base_url=server.url, timeout=120, trust_env=False)
        self._bad = list(bad_files().values())
        self._small = [path.read_bytes() for path in sorted((ROOT / "examples" / "thumbnails").glob("*.jpg"))]
        self._large = [path.read_bytes() for path in sorted((ROOT / "examples" / "photos").glob("*.jpg"))]
        self._kinds: list[tuple[int, Callable[[], int | None]]] = [
            (30, self.sound),
            (30, self.bad),
            (15, self.several),
            (10, self.inspect),
            (5, self.half_sent),
            (5, self.malformed),
            (3, self.other),
            (2, self.photograph),
            (2, self.heatmap),
            (1, self.too_large),
        ]

    def each_kind(self) -> None:
        """One request of each kind, so that the server has loaded and started all that it ever will."""
        for _, kind in self._kinds:
            self._do(kind)

    def run(self, end: float) -> None:
        """Visit until the time is over."""
        weights, kinds = zip(*self._kinds, strict=True)
        while monotonic() < end:
            self._do(*self._random.choices(kinds, weights))

    def _do(self, kind: Callable[[], int | None]) -> None:
        try:
            status = kind()
        except (httpx.HTTPError, OSError) as error:
            self._tally.fail(kind.__name__, error)
            return
        if status is not None:
            self._tally.add(kind.__name__, status)

    def _post(self, path: str, contents: Sequence[bytes], **options: object) -> int:
        files = [("files", (f"{index}.bin", content)) for index, content in enumerate(contents)]
        return self._client.post(path, files=files, **options).status_code  # type: ignore[arg-type]

    def sound(self) -> int:
        return self._post("/v1/scan", [self._random.choice(self._small)])

    def bad(self) -> int:
        return self._post("/v1/scan", [self._random.choice(self._bad)])

    def several(self) -> int:
        return self._post("/v1/scan", self._random.sample(self._bad, 4) + self._random.sample(self._small, 4))

    def photograph(self) -> int:
        return self._post("/v1/scan", [self._random.choice(self._large)])

    def heatmap(self) -> int:
        return self._post("/v1/scan", [self._random.choice(self._small)], params={"heatmap": "true"})

    def inspect(self) -> int:
        return self._post("/v1/inspect", [self._random.choice(self._bad + self._small)])

    def too_large(self) -> int:
        return self._post("/v1/scan", [bytes(33_000_000)])

    def malformed(self) -> int:
        headers = {"Content-Type": "multipart/form-data; boundary=edge"}
        content = b"--edge\r\nContent-Disposition: form-data" + self._random.choice(self._bad)[:2000]
        return self._client.post("/v1/scan", content=content, headers=headers).status_code

    def other(self) -> int:
        return self._client.get(
            self._random.choice(["/", "/docs", "/v1/models", "/metrics", "/no"])
        ).status_code

    def half_sent(self) -> None:
        """A request that ends within its body: there is nobody to answer."""
        head = "POST /v1/scan HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 90000\r\n"
        head += "Content-Type: multipart/form-data; boundary=edge\r\n\r\n--edge\r\n"
        with socket.create_connection(self._server.address, timeout=60) as connection:
            connection.sendall(head.encode() + bytes(self._random.randrange(50_000)))


def soak(server: Server, seconds: float, tally: Tally) -> list[Held]:
    """What the server held after the warm-up, at even times."""
    visitors = [Visitor(server, tally, seed) for seed in range(CLIENTS)]
    for one in visitors:
        one.each_kind()
    begun = monotonic()
    end = begun + seconds
    warm, samples = begun + seconds / 5, []
    count = int(min(SAMPLES, seconds * 4))
    with ThreadPoolExecutor(CLIENTS) as pool:
        visits = [pool.submit(one.run, end) for one in visitors]
        for index in range(count):
            sleep(max(0.0, warm + (end - warm) * index / count - monotonic()))
            samples.append(server.held())
        for visit in visits:
            visit.result()
    return samples


def grew(samples: Sequence[Held]) -> list[str]:
    """What grew after the warm-up."""
    return growth.grew(samples, 0.1, 20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--model", default="auto")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    tally = Tally()
    with serving("--model", arguments.model) as server:
        samples = soak(server, arguments.seconds, tally)
    found = grew(samples)
    report = {
        "seconds": arguments.seconds,
        "clients": CLIENTS,
        "model": arguments.model,
        "answers": dict(sorted(tally.statuses.items())),
        "faults": tally.faults[:50],
        "grew": found,
        "samples": [asdict(one) for one in samples],
    }
    if arguments.output:
        arguments.output.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps({**report, "samples": [report["samples"][0], report["samples"][-1]]}))
    sys.exit(bool(found or tally.faults or not tally.statuses.get("200")))


if __name__ == "__main__":
    main()
