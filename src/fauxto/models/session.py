"""What runs a model, and an onnxruntime session for one whose author is a stranger."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from fauxto.errors import BundleError
from fauxto.models.threads import usable_cores

if TYPE_CHECKING:
    import onnxruntime as ort

# Weights and what is computed on the way, of all strangers' models in this process together.
MEMORY_BYTES = 6 << 30

Runtime = Literal["onnxruntime", "openvino"]


class Session(Protocol):
    """A loaded model, whatever runs it; it may be asked from several threads."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of what the model gives; the first is its answer."""
        ...

    def run(self, batch: NDArray[np.float32], names: Sequence[str]) -> list[NDArray[Any]]:
        """These outputs for a batch (N, 3, side, side), in this order, each of shape (N, ...).

        Raises:
            Exception: of the runtime's own kind, where the model does not take such a batch.
        """
        ...


class OnnxruntimeSession:
    """A session of onnxruntime."""

    def __init__(self, session: ort.InferenceSession) -> None:
        self._session = session
        self._input = session.get_inputs()[0].name
        self.outputs = tuple(output.name for output in session.get_outputs())

    def run(self, batch: NDArray[np.float32], names: Sequence[str]) -> list[NDArray[Any]]:
        """As `Session.run`."""
        return [np.asarray(found) for found in self._session.run(names, {self._input: batch})]


def open_session(
    model: bytes, *, threads: int | None = None, released: bool = False, as_written: bool = False
) -> ort.InferenceSession:
    """Check a model and load it.

    Args:
        model: the ONNX file.
        threads: of the runtime; by default the cores that this process may use.
        released: it is one of fauxto's own, by its hash: it needs no check and no bound of memory.
        as_written: without the shortcuts that a processor allows.

    Raises:
        BundleError: it is more than data, or this onnxruntime cannot load it.
    """
    if not released:
        from fauxto.models.graph import check_graph

        check_graph(model)
    import onnxruntime as ort

    ort.disable_telemetry_events()  # for who has imported it before fauxto could say so (fauxto/__init__.py)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or usable_cores()
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # The runtime would also take its own format, by its first bytes, and that one was not checked.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    # Idle threads that spin take the cores from decoding.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Weights stored as integers are restored once at loading, not for every batch, and multiplied as float32.
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    if not released:
        _bound_memory()
        options.add_session_config_entry("session.use_env_allocators", "1")
    if as_written:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        # From bytes, never from a path: a hostile file then has no folder to read external data from.
        return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises its own undocumented classes
        raise BundleError(f"onnxruntime cannot load it ({type(error).__name__})") from error


@cache
def _bound_memory() -> None:
    """Give the process one bounded store: a few bytes of a graph may ask for any number of terabytes."""
    import onnxruntime as ort

    where = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    ort.create_and_register_allocator(where, ort.OrtArenaCfg({"max_mem": MEMORY_BYTES}))
