"""Lets torchvision be imported beside a torch that it was not built for."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.library import Library

# A declaration lasts as long as the object that made it.
_declared: list[Library] = []


def declare_missing() -> None:
    """Declare two of torchvision's operators where its compiled part cannot be loaded.

    timm and torchmetrics import torchvision for classes written in Python; nothing here calls a compiled
    operator. Where torch is a CPU build and torchvision was built for CUDA, as a package index may combine
    them, the compiled part cannot be loaded, and torchvision's import then stops at two operators that it
    takes for granted. Declared without any code they let it pass.
    """
    spec = importlib.util.find_spec("torchvision")
    if _declared or "torchvision" in sys.modules or spec is None or not spec.submodule_search_locations:
        return
    import torch

    compiled = sorted(Path(spec.submodule_search_locations[0]).glob("_C.*"))
    try:
        torch.ops.load_library(compiled[0])  # type: ignore[no-untyped-call]
    except (IndexError, OSError):
        library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
        _declared.append(library)
