"""A bundle: a folder that holds one model and everything needed to use it honestly."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from fauxto.errors import BundleError, MissingExtraError, UsageError
from fauxto.models.config import BundleConfig
from fauxto.models.files import FILES, check_files, check_pin, is_released, read_file, read_json
from fauxto.models.golden import golden_images
from fauxto.models.preprocess import batch_input
from fauxto.models.session import OnnxruntimeSession, Runtime, Session, open_session
from fauxto.verdict import Thresholds

__all__ = [
    "FILES",
    "GOLDEN_TOLERANCE",
    "Bundle",
    "check_runtime",
    "load_bundle",
    "read_config",
    "read_json",
    "sigmoid",
]

GOLDEN_TOLERANCE = 1e-3
# Of a batch that go through the net together: more need memory and are no faster.
_PIXELS_AT_ONCE = 8 * 256 * 256


def sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """The logistic function, without overflow for large negative logits."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * logits)))


def log_odds(raw: NDArray[np.float64], config: BundleConfig) -> NDArray[np.float64]:
    """What a model gives, shape (N, K), as the logit of P(AI-generated), shape (N,).

    Raises:
        ValueError: K does not go with the config's `output` and `ai_index`.
    """
    classes, ai = raw.shape[1], config.ai_index
    fitting = {"logit": classes == 1, "softmax": classes > 1, "probability": classes > 0}
    if ai >= max(classes, 2) or not fitting[config.output]:
        raise ValueError(f"{classes} numbers for each image, as {config.output} with AI index {ai}")
    if config.output == "softmax":
        others = np.delete(raw, ai, axis=1)
        greatest = others.max(axis=1)
        return np.asarray(raw[:, ai] - greatest - np.log(np.exp(others - greatest[:, None]).sum(axis=1)))
    if classes > 1:
        return _logit(raw[:, ai])
    one = _logit(raw[:, 0]) if config.output == "probability" else raw[:, 0]
    return one if ai == 1 else -one


def _logit(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    # Float32 rounds what is nearly certain to 0 or 1; a logit of 16 or so is as far as it can tell.
    clipped = np.clip(probabilities, 1e-7, 1 - 1e-7)
    return np.asarray(np.log(clipped) - np.log1p(-clipped))


@dataclass(frozen=True)
class Outputs:
    """What a model gave for a batch.

    Attributes:
        logits: raw outputs, shape (N,).
        accepted: False where the gate found that the image is not what the model can judge, shape (N,).
    """

    logits: NDArray[np.float64]
    accepted: NDArray[np.bool_]


@dataclass(frozen=True)
class Bundle:
    """One loaded model: its config and a session that runs it."""

    folder: Path
    config: BundleConfig
    session: Session

    @property
    def thresholds(self) -> Thresholds:
        """The verdict's two thresholds."""
        return self.config.thresholds.as_thresholds()

    def logits(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float64]:
        """Raw outputs, shape (N,), of images of any sizes, each (H, W, 3) uint8 RGB."""
        return self.run(batch_input(images, self.config.input))

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float64]:
        """Raw outputs, shape (N,), of a prepared batch (N, 3, side, side), whatever the gate says."""
        return self.outputs(batch).logits

    def outputs(self, batch: NDArray[np.float32]) -> Outputs:
        """Everything of a prepared batch (N, 3, side, side) that a verdict needs.

        Raises:
            BundleError: the model does not take such a batch, or gives something else.
        """
        at_once = max(1, _PIXELS_AT_ONCE // self.config.input.side**2)
        parts = [self._outputs(batch[start : start + at_once]) for start in range(0, len(batch), at_once)]
        return Outputs(
            np.concatenate([part.logits for part in parts]), np.concatenate([part.accepted for part in parts])
        )

    def _outputs(self, batch: NDArray[np.float32]) -> Outputs:
        names = [self.session.outputs[0], *self.gate_outputs]
        try:
            raw, *passed = (value.astype(np.float64) for value in self.session.run(batch, names))
            logits = log_odds(raw.reshape(len(batch), -1), self.config)
        except Exception as error:  # runtimes raise their own undocumented classes
            raise BundleError(
                f"{self.folder / 'model.onnx'}: does not turn a batch of images into one number each "
                f"({type(error).__name__}); export it again"
            ) from error
        return Outputs(logits, self.accepted(passed, len(batch)))

    @property
    def gate_outputs(self) -> tuple[str, ...]:
        """The names of the outputs that the gate reads; none where there is no gate."""
        return () if self.config.gate is None else ("photograph",)

    def accepted(self, passed: Sequence[NDArray[np.floating]], images: int) -> NDArray[np.bool_]:
        """What the gate lets through, (N,), by its outputs for so many images; all where there is no gate."""
        if self.config.gate is None:
            return np.ones(images, dtype=bool)
        return np.asarray(passed[0].reshape(images) >= self.config.gate.threshold)

    def cells(self, square: NDArray[np.uint8]) -> NDArray[np.float64] | None:
        """The calibrated logit of every part of a square (side, side, 3), from models that tell it.

        Returns:
            (g, g); the value is what the whole would get if all of it were like this part and the model as
            steep there as here, which a linear head is. None from a model without an output `cells`.
        """
        if "cells" not in self.session.outputs:
            return None
        (found,) = self.session.run(batch_input([square], self.config.input), ["cells"])
        calibration = self.config.calibration
        return np.asarray(calibration.slope * found[0].astype(np.float64) + calibration.intercept)

    def scores(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float64]:
        """P(AI-generated) in [0, 1], calibrated, shape (N,), of images each (H, W, 3) uint8 RGB."""
        return self.calibrate(self.logits(images))

    def calibrate(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Raw outputs to P(AI-generated), shape kept.

        Raises:
            BundleError: an output is not finite: the model file is broken or the runtime is.
        """
        if not np.isfinite(logits).all():
            raise BundleError(f"{self.folder}: the model gave a score that is not a number; reinstall it")
        calibration = self.config.calibration
        return sigmoid(calibration.slope * logits + calibration.intercept)

    def self_test(self) -> float:
        """The greatest difference to the golden scores on this processor.

        A score near 0 or 1 hides what the model gave, so where a bundle holds golden logits too, their
        differences count as well, relative for logits beyond 1.

        Raises:
            BundleError: it exceeds `GOLDEN_TOLERANCE`, so scores here would not be those that were measured.
        """
        images = golden_images(self.config.input.side)
        try:
            golden = read_json(self.folder / "golden.json")
            expected = np.asarray(golden["scores"], dtype=np.float64).reshape(len(images))
            raw = np.asarray(golden.get("logits", []), dtype=np.float64)
            raw = raw.reshape(len(images)) if raw.size else raw
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(f"{self.folder / 'golden.json'}: does not hold the golden scores") from error
        logits = self.logits(images)
        difference = float(np.abs(self.calibrate(logits) - expected).max())
        if raw.size:
            apart = np.abs(logits - raw) / np.maximum(1.0, np.abs(raw))
            difference = max(difference, float(apart.max()))
        if not difference <= GOLDEN_TOLERANCE:
            raise BundleError(
                f"{self.config.name}: scores on this machine differ by {difference:.2g} from the golden; "
                "do not rely on it here, and report the processor and the runtime's version"
            )
        return difference


def read_config(folder: Path) -> BundleConfig:
    """Check that a bundle is complete, and read its config without loading the model.

    Raises:
        BundleError: a file is missing, or config.json is not valid; says which.
    """
    check_files(folder)
    check_pin(folder / "config.json", hashlib.sha256(read_file(folder / "config.json")).hexdigest())
    for name in ("golden.json", "metrics.json"):  # read later or never, but a damaged bundle is not trusted
        read_json(folder / name)
    try:
        return BundleConfig.model_validate(read_json(folder / "config.json"))
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"])) or "config"
        raise BundleError(f"{folder / 'config.json'}: {place}: {fault['msg']}") from error


def check_runtime(folder: Path, runtime: Runtime) -> None:
    """Refuse a runtime that cannot run this bundle, before anything is loaded.

    Raises:
        MissingExtraError: it is not installed.
        UsageError: OpenVINO for a bundle that is not one of fauxto's own.
    """
    if runtime == "onnxruntime":
        return
    if not is_released(folder):
        raise UsageError(
            f"{folder}: OpenVINO does not bound the memory that a model asks for, so it runs only the models "
            "that come with fauxto; take the runtime onnxruntime"
        )
    if find_spec("openvino") is None:
        raise MissingExtraError("the runtime openvino", "openvino")


def load_bundle(folder: Path, threads: int | None = None, runtime: Runtime = "onnxruntime") -> Bundle:
    """Load a bundle, checking the model's hash before running it.

    Args:
        folder: the bundle.
        threads: of the runtime; by default the cores that this process may use.
        runtime: what computes; openvino runs only the models that come with fauxto.

    Raises:
        BundleError: incomplete, corrupt, not only data, or not loadable by this runtime.
        MissingExtraError: the runtime is not installed.
        UsageError: OpenVINO for a bundle that is not one of fauxto's own.
    """
    check_runtime(folder, runtime)
    config = read_config(folder)
    model = read_file(folder / "model.onnx")
    digest = hashlib.sha256(model).hexdigest()
    if digest != config.model_sha256:
        raise BundleError(
            f"{folder / 'model.onnx'}: does not match its hash in config.json; the bundle is corrupt"
        )
    check_pin(folder / "model.onnx", digest)
    try:
        session = _session(model, threads, runtime, released=is_released(folder))
    except BundleError as error:
        raise BundleError(f"{folder / 'model.onnx'}: {error}") from error
    return Bundle(folder, config, session)


def _session(model: bytes, threads: int | None, runtime: Runtime, *, released: bool) -> Session:
    if runtime == "onnxruntime":
        return OnnxruntimeSession(open_session(model, threads=threads, released=released))
    from fauxto.models.openvino import OpenvinoSession

    return OpenvinoSession(model, threads=threads)
