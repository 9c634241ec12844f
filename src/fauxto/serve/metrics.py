"""What the server counts, for Prometheus; no name, address or content of an image is among it."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client import generate_latest as _latest

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The counters of one server; each server has a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.images = Counter(
            "fauxto_images", "Images judged, by verdict or error code.", ("outcome",), registry=self.registry
        )
        self.requests = Counter(
            "fauxto_requests", "Answers, by route and status.", ("route", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "fauxto_request_seconds",
            "Time to the answer.",
            ("route",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.batch = Histogram(
            "fauxto_batch_images",
            "Images judged together.",
            buckets=(1, 2, 4, 8, 16, 32),
            registry=self.registry,
        )
        self.waiting = Gauge(
            "fauxto_images_in_flight", "Images that wait or are judged.", registry=self.registry
        )
        self.memory = Gauge("fauxto_upload_bytes", "Bytes of uploads held in memory.", registry=self.registry)

    def text(self) -> bytes:
        """Everything in Prometheus's text format."""
        return _latest(self.registry)
