"""OpenVINO as a model's runtime, made to give the scores that onnxruntime gives."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from threading import Lock
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fauxto.errors import BundleError
from fauxto.models.graph import check_graph
from fauxto.models.threads import usable_cores

# By itself it computes in bf16 where the processor can, and multiplies integer weights by activations that it
# rounds to integers: logits then move in the first decimal, and differently on each kind of processor.
FLOAT32 = {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0}
_TOOLS = "openvino.tools.ovc"


class OpenvinoSession:
    """One of fauxto's own models in OpenVINO, on the CPU, in float32.

    It does not bound the memory that a model asks for: not for a stranger's.

    Args:
        model: the ONNX file.
        threads: of the runtime; by default the cores that this process may use.

    Raises:
        BundleError: it is more than data, or this OpenVINO cannot load it.
    """

    def __init__(self, model: bytes, *, threads: int | None = None) -> None:
        check_graph(model)
        settings = {
            **FLOAT32,
            "INFERENCE_NUM_THREADS": threads or usable_cores(),
            # Several processes, as on a Ray node, would all be pinned to the same cores.
            "ENABLE_CPU_PINNING": False,
        }
        try:
            openvino = import_openvino()
            # From bytes, never from a path, as in onnxruntime.
            graph = _core().read_model(model)
            _restore_weights(graph, openvino)
            self._model = _core().compile_model(graph, "CPU", settings)
        except Exception as error:  # OpenVINO raises RuntimeError and its own classes
            raise BundleError(f"OpenVINO cannot load it ({type(error).__name__})") from error
        self.outputs = tuple(output.any_name for output in self._model.outputs)
        self._one_at_a_time = Lock()  # the compiled model has one request, which cannot be shared

    def run(self, batch: NDArray[np.float32], names: Sequence[str]) -> list[NDArray[Any]]:
        """As `Session.run`."""
        with self._one_at_a_time:
            found = self._model([batch])
        return [np.asarray(found[name]) for name in names]


def import_openvino() -> ModuleType:
    """OpenVINO without its conversion tools, which tell their maker over the network that they are imported.

    Raises:
        ImportError: it is not installed.
    """
    if "openvino" in sys.modules:
        return import_module("openvino")
    sys.modules[_TOOLS] = None  # type: ignore[assignment]  # so that importing them fails, which it expects
    try:
        return import_module("openvino")
    finally:
        del sys.modules[_TOOLS]


@cache
def _core() -> Any:
    # One for all models: each would load the plugins for itself.
    return import_openvino().Core()


def _restore_weights(graph: Any, openvino: ModuleType) -> None:
    """Turn weights stored as integers into float32 for good, as onnxruntime does at loading.

    Where the file restores them in half precision, OpenVINO leaves out the rounding to it. It is made up for
    here, exactly: an integer of 8 bits times a half has few enough digits for float32.
    """
    from openvino.passes import ConstantFolding, Manager

    halves = {
        step.get_friendly_name()
        for step in graph.get_ops()
        if step.get_type_name() == "Convert" and step.get_input_element_type(0) == openvino.Type.f16
    }
    folding = Manager()
    folding.register_pass(ConstantFolding())
    folding.run_passes(graph)
    for step in graph.get_ops():
        if step.get_type_name() == "Constant" and step.get_friendly_name() in halves:
            rounded = np.asarray(step.data).astype(np.float16).astype(np.float32)
            # A copy: what OpenVINO shares with numpy would end with this array.
            restored = openvino.op.Constant(rounded, shared_memory=False)
            for user in step.output(0).get_target_inputs():
                user.replace_source_output(restored.output(0))
