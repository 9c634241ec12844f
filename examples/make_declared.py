"""Draw examples/declared: pictures whose files say that a generative model made them.

No model made them: this script draws them with numpy, and writes into each file what a generator, or an
editor that follows IPTC's rules, would write. They show what fauxto reads, and how easily anyone can write
it: which is why such a statement counts as moderate evidence and never as strong.

    python examples/make_declared.py
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

OUT = Path(__file__).parent / "declared"
SIDE = 512
NOTE = "Made for fauxto's demo: drawn by examples/make_declared.py, not by a generative model"

WEBUI_PARAMETERS = (
    f"overlapping translucent discs ({NOTE})\n"
    "Negative prompt: text, watermark\n"
    f"Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 12, Size: {SIDE}x{SIDE}, "
    "Model: demo-no-such-model, Version: v1.10.1"
)

XMP = f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">
   <Iptc4xmpExt:DigitalSourceType>http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia</Iptc4xmpExt:DigitalSourceType>
   <dc:description><rdf:Alt><rdf:li xml:lang="x-default">{NOTE}</rdf:li></rdf:Alt></dc:description>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""

COMFYUI_PROMPT = {
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 34,
            "steps": 20,
            "cfg": 7.0,
            "sampler_name": "euler",
            "scheduler": "normal",
            "denoise": 1.0,
            "model": ["4", 0],
            "positive": ["6", 0],
            "negative": ["7", 0],
            "latent_image": ["5", 0],
        },
    },
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "demo-no-such-model.safetensors"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": SIDE, "height": SIDE, "batch_size": 1}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": f"waves of colour ({NOTE})", "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "text, watermark", "clip": ["4", 1]}},
    "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
    "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "demo", "images": ["8", 0]}},
}
COMFYUI_WORKFLOW = {
    "last_node_id": 9,
    "nodes": [{"id": int(key), "type": node["class_type"]} for key, node in COMFYUI_PROMPT.items()],
    "links": [],
    "extra": {"note": NOTE},
    "version": 0.4,
}


def grid() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rows and columns from 0 to 1."""
    steps = np.linspace(0, 1, SIDE)
    rows, columns = np.meshgrid(steps, steps, indexing="ij")
    return rows, columns


def picture(red: NDArray[np.float64], green: NDArray[np.float64], blue: NDArray[np.float64]) -> Image.Image:
    """Channels of 0 to 1 as an image."""
    return Image.fromarray((np.stack([red, green, blue], axis=2).clip(0, 1) * 255).round().astype(np.uint8))


def discs() -> Image.Image:
    rows, columns = grid()
    rng = np.random.default_rng(12)
    canvas = np.ones((SIDE, SIDE, 3)) * [0.96, 0.94, 0.9]
    for _ in range(14):
        row, column, radius = rng.uniform(0.1, 0.9), rng.uniform(0.1, 0.9), rng.uniform(0.08, 0.28)
        inside = (rows - row) ** 2 + (columns - column) ** 2 < radius**2
        canvas[inside] = 0.45 * canvas[inside] + 0.55 * rng.uniform(0.1, 0.9, 3)
    return picture(canvas[..., 0], canvas[..., 1], canvas[..., 2])


def rings() -> Image.Image:
    rows, columns = grid()
    distance = np.hypot(rows - 0.55, columns - 0.4)
    ripple = 0.5 + 0.5 * np.cos(60 * distance) * np.exp(-2 * distance)
    return picture(0.2 + 0.7 * ripple, 0.35 + 0.4 * columns, 0.9 - 0.6 * distance)


def waves() -> Image.Image:
    rows, columns = grid()
    bend = rows + 0.08 * np.sin(9 * columns) + 0.04 * np.sin(23 * columns + 1)
    return picture(
        0.5 + 0.5 * np.sin(14 * bend), 0.5 + 0.5 * np.sin(11 * bend + 2), 0.6 + 0.4 * np.sin(5 * bend + 4)
    )


def main() -> None:
    OUT.mkdir(exist_ok=True)
    webui = PngImagePlugin.PngInfo()
    webui.add_text("parameters", WEBUI_PARAMETERS)
    discs().save(OUT / "demo-webui-parameters.png", pnginfo=webui)

    rings().save(OUT / "demo-iptc-source-type.jpg", quality=88, xmp=XMP.encode(), comment=NOTE)

    comfyui = PngImagePlugin.PngInfo()
    comfyui.add_text("prompt", json.dumps(COMFYUI_PROMPT))
    comfyui.add_text("workflow", json.dumps(COMFYUI_WORKFLOW))
    waves().save(OUT / "demo-comfyui-workflow.png", pnginfo=comfyui)


if __name__ == "__main__":
    main()
