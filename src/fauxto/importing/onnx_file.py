"""An ONNX file as a source: what it takes and gives can be read, what its numbers mean has to be said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fauxto.errors import BundleError, UsageError
from fauxto.importing.answers import Answers
from fauxto.models.config import InputConfig
from fauxto.models.files import read_file
from fauxto.models.session import open_session


class OnnxModel:
    """An ONNX file under onnxruntime, for importing it.

    Args:
        path: the file; weights inside.
        name: what errors call it.

    Raises:
        UsageError: it is no model that takes batches of RGB images and gives numbers for each, or it is more
            than data.
        BundleError: the file cannot be read.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.data, self.name = read_file(path), name
        try:
            # As the file says, without a processor's shortcuts: golden scores are made here.
            self._session = open_session(self.data, as_written=True)
        except BundleError as error:
            raise UsageError(f"{name}: {error}") from error
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or inputs[0].type != "tensor(float)" or len(inputs[0].shape) != 4:
            raise UsageError(f"{name}: does not take one float32 batch of images (N, 3, side, side)")
        batch, channels, *self.sides = inputs[0].shape
        if isinstance(channels, int) and channels != 3:
            raise UsageError(f"{name}: takes {channels} channels and not (N, 3, side, side); export it again")
        if isinstance(batch, int):
            raise UsageError(f"{name}: takes batches of {batch} only; export it with a free batch size")

    @property
    def side(self) -> int | None:
        """The side in pixels that the file itself fixes, if it does."""
        fixed = [side for side in self.sides if isinstance(side, int)]
        return fixed[0] if fixed else None

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float64]:
        """The first output for a batch (N, 3, side, side), shape (N, K).

        Raises:
            UsageError: it cannot be run on such a batch.
        """
        try:
            found: Any = self._session.run(
                [self._session.get_outputs()[0].name], {self._session.get_inputs()[0].name: batch}
            )
            return np.asarray(found[0], dtype=np.float64).reshape(len(batch), -1)
        except Exception as error:  # onnxruntime raises its own undocumented classes
            raise UsageError(
                f"{self.name}: does not turn a batch of {batch.shape[2]}x{batch.shape[3]} pixels into "
                f"numbers ({type(error).__name__}); check --side"
            ) from error


def stated_input(answers: Answers, model: OnnxModel) -> InputConfig:
    """The preprocessing of a bare ONNX file, which only the user can state.

    Raises:
        UsageError: something is not stated; says what.
    """
    side = answers.side or model.side
    needed = {
        "--side": side,
        "--resize": answers.resize,
        "--interpolation": answers.interpolation,
        "--mean": answers.mean,
        "--std": answers.std,
        "--output-kind": answers.output,
        "--ai-index": answers.ai_index,
    }
    missing = [option for option, value in needed.items() if value is None]
    if missing:
        raise UsageError(
            f"{model.name}: an ONNX file does not say how images are prepared for it and what it gives; "
            f"state {', '.join(missing)}"
        )
    return checked_input(
        model.name,
        side=side,
        resize=answers.resize,
        resize_side=answers.resize_side,
        interpolation=answers.interpolation,
        antialias=answers.antialias is not False,
        mean=answers.mean,
        std=answers.std,
    )


def checked_input(name: str, **fields: Any) -> InputConfig:
    """An `InputConfig`, or an error that a person understands.

    Raises:
        UsageError: the fields do not go together.
    """
    from pydantic import ValidationError

    try:
        return InputConfig.model_validate(fields)
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"])) or "preprocessing"
        raise UsageError(f"{name}: {place}: {fault['msg']}") from error
