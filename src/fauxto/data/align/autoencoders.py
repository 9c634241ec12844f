"""Autoencoders by name: weights in a file, a model of the diffusers library, or one that is trained here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from fauxto.data.align.distilled import load_distilled
from fauxto.data.align.small import UPSAMPLERS, load_small
from fauxto.errors import MissingExtraError, UsageError
from fauxto.images import printable

DIFFUSERS = "diffusers:"
SMALL = "small:"


@dataclass(frozen=True)
class Autoencoder:
    """A coder and a decoder of RGB in [0, 1].

    Attributes:
        name: what pairs made by it are called; the `source` of their AI side.
        stride: sides must be multiples of it, in pixels.
        encode: (N, 3, H, W) to latents (N, C, H / stride, W / stride).
        decode: latents back to (N, 3, H, W), within [0, 1].
    """

    name: str
    stride: int
    encode: Callable[[Tensor], Tensor]
    decode: Callable[[Tensor], Tensor]

    @torch.inference_mode()
    def reconstruct(self, images: Tensor, noise: float, passes: int, generator: torch.Generator) -> Tensor:
        """Encode and decode.

        Args:
            images: (N, 3, H, W) in [0, 1].
            noise: standard deviation of Gaussian noise on the latents, in standard deviations of theirs.
            passes: how often the picture goes through, at least once.
            generator: source of the noise.

        Returns:
            The same shape, in [0, 1].
        """
        for _ in range(passes):
            latents = self.encode(images)
            if noise:
                drawn = torch.randn(latents.shape, generator=generator).to(latents)
                latents = latents + drawn * latents.std() * noise
            images = self.decode(latents).clamp(0, 1)
        return images


def load_autoencoder(name: str) -> Autoencoder:
    """An autoencoder that is there already; `small:` ones have to be trained first.

    Args:
        name: `diffusers:REPO` (or a folder; only a REPO that is not in the cache goes to the network), or a
            FILE: TAESD's encoder or decoder of any family (the other one lies beside it), or a small
            autoencoder that `fauxto data align` trained earlier.

    Raises:
        UsageError: nothing of that name, or the file holds something else.
        MissingExtraError: `diffusers:` without that library.
    """
    if name.startswith(DIFFUSERS):
        return _from_diffusers(name.removeprefix(DIFFUSERS))
    file = Path(name)
    if not file.is_file():
        raise UsageError(
            f"--autoencoder {printable(name)}: no such file; give a weights file, {DIFFUSERS}REPO, or "
            f"{SMALL}NAME with NAME one of {', '.join(UPSAMPLERS)}"
        )
    weights = read_weights(file)
    if "upsampler" in weights:
        small = load_small(weights, file)
        return Autoencoder(f"small-{small.upsampler}", small.stride, small.encode, small.decode)
    encoder, decoder = load_distilled(file, read_weights)
    return Autoencoder(file.stem.replace("_encoder", "").replace("_decoder", ""), 8, encoder, decoder)


def read_weights(file: Path) -> dict[str, object]:
    """A dictionary of tensors and plain values; nothing in the file is run.

    Raises:
        UsageError: it is missing or holds something else.
    """
    try:
        weights = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many undocumented classes on damaged files
        raise UsageError(
            f"--autoencoder {printable(str(file))}: not a readable file of weights ({type(error).__name__})"
        ) from error
    if not isinstance(weights, dict):
        raise UsageError(f"--autoencoder {printable(str(file))}: holds no dictionary of weights")
    return dict(weights)


def _from_diffusers(repo: str) -> Autoencoder:
    """The autoencoder of a repository or folder, at its root or in `vae/`."""
    try:
        from diffusers import AutoModel
    except ImportError:
        raise MissingExtraError("an autoencoder of the diffusers library", "train") from None
    failures = []
    for subfolder in ("vae", None):
        try:
            model = AutoModel.from_pretrained(repo, subfolder=subfolder)  # type: ignore[no-untyped-call]
            break
        except Exception as error:  # of the hub, of requests, of diffusers: any of dozens of classes
            failures.append(str(error).splitlines()[0])
    else:
        raise UsageError(
            f"--autoencoder {DIFFUSERS}{printable(repo)}: no autoencoder there ({printable(failures[-1])}); "
            "check the name and the network, accept the licence on the hub where it asks for that, or give a "
            "folder that holds it"
        )
    model.eval().requires_grad_(False)

    def encode(images: Tensor) -> Tensor:
        answer = model.encode(images * 2 - 1)
        if hasattr(answer, "latent_dist"):
            return torch.as_tensor(answer.latent_dist.mode())
        return torch.as_tensor(answer.latents if hasattr(answer, "latents") else answer.latent)

    def decode(latents: Tensor) -> Tensor:
        return torch.as_tensor(model.decode(latents).sample) / 2 + 0.5

    return Autoencoder(Path(repo).name, _stride(encode), encode, decode)


@torch.inference_mode()
def _stride(encode: Callable[[Tensor], Tensor]) -> int:
    """How many pixels one latent stands for, found by trying."""
    return 64 // encode(torch.zeros(1, 3, 64, 64)).shape[-1]
