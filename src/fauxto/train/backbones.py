"""timm's nets as backbones: where their weights come from, and how they go into a net of ours."""

from __future__ import annotations

import difflib
import hashlib
import socket
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import torch
from torch import nn

from fauxto.errors import MissingExtraError, UsageError
from fauxto.images import printable
from fauxto.train.blocks import read_blocks
from fauxto.train.nets import BackboneNet
from fauxto.train.recipe import BackboneSection

_POOLING = {"flatten": "", "average": "avg"}
_REMEDY = "give the file with --weights FILE, or start from random weights with --no-pretrained"
_ANSWER_WITHIN = 5.0


def load_timm() -> ModuleType:
    """The timm package.

    Raises:
        MissingExtraError: it is not installed.
        UsageError: it is, beside a torchvision that cannot be imported with this torch.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torchvision, about image readers that nobody uses here
            import timm
    except ImportError as error:
        raise MissingExtraError("a recipe with a timm backbone", "backbones") from error
    except RuntimeError as error:
        raise UsageError(
            f"timm cannot be loaded, because torchvision does not go with torch {torch.__version__} "
            f"({error}); install the torchvision that was built for this torch"
        ) from error
    module: ModuleType = timm
    return module


def pretrained_file(section: BackboneSection) -> Path:
    """The file of timm's weights for a backbone, downloaded unless it lies in the cache of an earlier time.

    Raises:
        UsageError: timm knows no such backbone or no weights of it, or the file cannot be had; names the
            repository and the file.
    """
    repository, names = _published(section)
    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    for name in names:
        cached = try_to_load_from_cache(repository, name)
        if isinstance(cached, str):
            return Path(cached)
    wanted = f"{repository}: {' or '.join(names)}, timm's weights of {section.backbone}"
    _require_hub(wanted)
    failure: Exception = FileNotFoundError("no such file there")
    for name in names:
        try:
            return Path(hf_hub_download(repository, name))
        except Exception as error:  # classes of the hub's and of its HTTP library, which changes
            failure = error
    reason = printable(str(failure).strip().split("\n")[0])
    raise UsageError(f"{wanted}, cannot be downloaded ({reason}); {_REMEDY}") from failure


def _published(section: BackboneSection) -> tuple[str, tuple[str, ...]]:
    """The repository of a backbone's weights, and the names that the file may have there."""
    found = _config(section.backbone)
    if not found.hf_hub_id:
        place = f"; they are at {found.url}" if found.url else ""
        raise UsageError(f"timm names no repository with weights of {section.backbone}{place}; {_REMEDY}")
    if found.hf_hub_filename:
        return found.hf_hub_id, (found.hf_hub_filename,)
    return found.hf_hub_id, ("model.safetensors", "pytorch_model.bin")


def _config(backbone: str) -> Any:
    """timm's description of a backbone: repository, input size, licence and more."""
    timm = load_timm()
    known = backbone.split(".")[0] in timm.list_models()
    config = timm.get_pretrained_cfg(backbone) if known else None
    if config is None:
        names = [*timm.list_models(), *timm.list_pretrained()]
        close = difflib.get_close_matches(backbone, names, n=3)
        hint = f"; close names: {', '.join(close)}" if close else ""
        raise UsageError(f"net.backbone: timm has no {printable(backbone)}{hint}")
    return config


def _require_hub(wanted: str) -> None:
    """Ask once whether the hub can be reached: its own client tries for half a minute.

    Raises:
        UsageError: it cannot.
    """
    from huggingface_hub import constants

    if getproxies():  # then names of other machines may well not be known here
        return
    hub = urlsplit(constants.ENDPOINT)
    try:
        address = (hub.hostname or "", hub.port or (80 if hub.scheme == "http" else 443))
        socket.create_connection(address, timeout=_ANSWER_WITHIN).close()
    except OSError as error:
        raise UsageError(
            f"{wanted}, are not on this machine and cannot be downloaded without a network "
            f"({error.strerror or error}); {_REMEDY}"
        ) from error


def build_backbone(section: BackboneSection, side: int, weights: Path | None = None) -> BackboneNet:
    """A timm net under the recipe's head.

    Args:
        section: of the recipe; `pretrained` is not looked at.
        side: of the images, in pixels.
        weights: of the whole timm net, as timm publishes them; None leaves it random.

    Raises:
        UsageError: no such backbone, not for this side, or the weights are of another net.
    """
    timm, config = load_timm(), _config(section.backbone)
    options: dict[str, Any] = {}
    if config.fixed_input_size and side != config.input_size[-1]:
        options["img_size"] = side
    if weights is not None:
        options |= {"pretrained": True, "pretrained_cfg_overlay": {"file": str(weights)}}
    try:
        backbone: nn.Module = timm.create_model(section.backbone, **options)
    except Exception as error:  # of timm, torch, safetensors and pickle, each with classes of its own
        reason = printable(str(error).strip().split("\n")[0]) or type(error).__name__
        what = "cannot be built" if weights is None else f"cannot be loaded from {printable(str(weights))}"
        raise UsageError(f"timm's {section.backbone} {what} at {side} x {side} pixels: {reason}") from error
    # Weights are loaded into the net as it was published, all of them; only then it loses its classifier.
    pooling = () if section.pooling == "own" else (_POOLING[section.pooling],)
    backbone.reset_classifier(0, *pooling)  # type: ignore[operator]
    if section.blocks:
        backbone = read_blocks(section.backbone, backbone, section.blocks, section.low_rank)
    return BackboneNet(
        backbone, _width(backbone, section, side), section.head, section.output, frozen=_frozen(section)
    )


def _frozen(section: BackboneSection) -> bool | None:
    """None leaves to `read_blocks` which numbers are trained."""
    return None if section.low_rank else section.frozen


def _width(backbone: nn.Module, section: BackboneSection, side: int) -> int:
    """How many features an image has, found by running one."""
    backbone.eval()
    try:
        with torch.inference_mode():
            features: torch.Tensor = backbone(torch.zeros(1, 3, side, side))
    except Exception as error:
        raise UsageError(
            f"timm's {section.backbone} does not take {side} x {side} pixels ({str(error).strip()}); "
            "change input.side"
        ) from error
    return features.flatten(1).shape[1]


def origin(weights: Path) -> str:
    """What to call a file of weights in records: its name, after its repository if it is from the hub."""
    for part in weights.parts:
        if part.startswith("models--"):
            return f"{part.removeprefix('models--').replace('--', '/')}: {weights.name}"
    return weights.name


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
