"""Recognise the generation settings that programs write into text, by their structure.

A caption that speaks of samplers and seeds is not one: the WebUI's line has to stand where the WebUI
puts it, graphs have to be graphs, and JSON has to have the program's own keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from fauxto.provenance.evidence import json_object
from fauxto.record import Claim, Strength

_MAX_TEXT = 1 << 20
_MAX_NODES = 20_000
_STEPS = re.compile(r"(?:^|\s)Steps: ?\d{1,6},([^\n]{0,2000})")
# What every writer of the line names, the numbers as numbers.
_SETTINGS = (
    re.compile(r"(?:^|,) ?Sampler: ?[^\s,]"),
    re.compile(r"(?:^|,) ?CFG scale: ?\d+(?:\.\d+)? ?(?:,|$)"),
    re.compile(r"(?:^|,) ?Seed: ?-?\d+ ?(?:,|$)"),
)
# To the end of the text nothing but names and values; sentences come to an end.
_PAIRS = re.compile(r"""(?: ?[A-Za-z][\w .()-]{0,60}: ?(?:"[^"]*"|[^,.\n]*(?:\.\w[^,.\n]*)*)(?:,|$))+""")
_POSTPROCESSING = re.compile(r"(?:^|\n|, ?)Postprocess [a-z ]+: ?\S")
_SAMPLER = re.compile(r"(?<!re)(?<!up)(?<!down)sampler(?!.{0,20}select)", re.IGNORECASE)
_INVOKE_MADE = {"generation_mode", "positive_prompt", "seed", "image"}
_INVOKE_SAMPLER = re.compile(r"denoise|t2l|text_to_latents|l2l", re.IGNORECASE)
_EASY_OWN = {"num_inference_steps", "guidance_scale", "use_stable_diffusion_model", "stable_diffusion_model"}
_EASY = _EASY_OWN | {"prompt", "seed", "sampler_name", "sampler", "use_vae_model"}
_DREAM = re.compile(r"\s-s ?\d+\b.*\s-S ?-?\d+\b", re.DOTALL)


@dataclass(frozen=True)
class Finding:
    """A program's mark: which program, what was found (as in "holds …"), and what it claims."""

    product: str
    what: str
    claim: Claim = "ai"
    strength: Strength = "moderate"


def webui_settings(text: str) -> Finding | None:
    """The settings line of Stable Diffusion WebUI and the many programs that write the same.

    The line begins with `Steps:` and names sampler, guidance and seed. Where line breaks were lost it
    follows `Negative prompt:`; with more than settings after it, it is weak: people quote such lines.
    """
    text = text[:_MAX_TEXT]
    for match in _STEPS.finditer(text):
        at_line_start = match.start() == 0 or text[match.start()] == "\n" or text[match.start() - 1] == "\n"
        rest = match.group(1).rstrip()
        if not at_line_start and "Negative prompt:" not in text[: match.start()]:
            continue
        if not all(setting.search(rest) for setting in _SETTINGS):
            continue
        product, what = "Stable Diffusion WebUI", "Stable Diffusion WebUI generation settings"
        if at_line_start or (not text[match.end() :].strip() and _PAIRS.fullmatch(rest)):
            return Finding(product, what)
        return Finding(product, f"{what} within other text, which may quote them", strength="weak")
    return None


def webui_postprocessing(text: str) -> Finding | None:
    """What the WebUI's extras tab writes; upscaled photographs carry it too."""
    if not _POSTPROCESSING.search(text[:_MAX_TEXT]):
        return None
    what = "Stable Diffusion WebUI upscaling or retouching settings, which processed photographs carry too"
    return Finding("Stable Diffusion WebUI", what, "ai-edited", "weak")


def _node_types(graph: dict[str, Any]) -> Iterator[str]:
    """Types of the nodes that run, in either of ComfyUI's formats (a node muted or bypassed does not)."""
    nodes = graph.get("nodes")
    if isinstance(nodes, list):
        for node in nodes[:_MAX_NODES]:
            if (
                isinstance(node, dict)
                and isinstance(node.get("type"), str)
                and node.get("mode") not in (2, 4)
            ):
                yield node["type"]
        definitions = graph.get("definitions")
        below = definitions.get("subgraphs") if isinstance(definitions, dict) else None
        for subgraph in below[:100] if isinstance(below, list) else ():
            if isinstance(subgraph, dict):
                yield from _node_types({"nodes": subgraph.get("nodes")})
        return
    for node in list(graph.values())[:_MAX_NODES]:
        if isinstance(node, dict) and isinstance(node.get("class_type"), str) and "inputs" in node:
            yield node["class_type"]


def comfyui_graph(text: str) -> Finding | None:
    """A ComfyUI prompt or workflow; without a sampler node it only processes a picture."""
    graph = json_object(text)
    types = [] if graph is None else list(_node_types(graph))
    if not types:
        return None
    if any(_SAMPLER.search(kind) for kind in types):
        return Finding("ComfyUI", "a ComfyUI graph with a sampler")
    what = "a ComfyUI graph without a sampler, which processed photographs carry too"
    return Finding("ComfyUI", what, "ai-edited", "weak")


def _is_fooocus(settings: dict[str, Any]) -> bool:
    """Fooocus's JSON: a prompt, a negative prompt, and settings of its own."""
    names = {name.lower().replace(" ", "_") for name in settings}
    own = {"seed", "base_model", "base_model_name", "sampler", "steps", "performance", "styles"}
    return {"prompt", "negative_prompt"} <= names and len(names & own) >= 2


def json_settings(text: str, fooocus: bool = False) -> Finding | None:
    """JSON settings of SwarmUI, and of Fooocus where `fooocus` says that its own mark stands beside."""
    settings = json_object(text)
    if settings is None:
        return None
    if isinstance(settings.get("sui_image_params"), dict):
        return Finding("SwarmUI", "SwarmUI generation settings")
    if fooocus and _is_fooocus(settings):
        return Finding("Fooocus", "Fooocus generation settings")
    return None


def easy_diffusion(names: Iterable[str]) -> Finding | None:
    """Easy Diffusion's settings by their names: keywords of separate texts, or keys of one JSON object."""
    names = {name.lower().replace(" ", "_") for name in names}
    if "negative_prompt" in names and names & _EASY_OWN and len(names & _EASY) >= 2:
        return Finding("Easy Diffusion", "Easy Diffusion generation settings")
    return None


def old_fooocus(text: str) -> Finding | None:
    """Early Fooocus: JSON in the PNG text `Comment`."""
    settings = json_object(text)
    if settings is None or not _is_fooocus(settings):
        return None
    return Finding("Fooocus", "Fooocus generation settings")


def invokeai_metadata(text: str) -> Finding | None:
    """InvokeAI's settings, new (`invokeai_metadata`) and old (`sd-metadata`)."""
    settings = json_object(text)
    if settings is None or not {"app_version", "app_id", "model", *_INVOKE_MADE} & settings.keys():
        return None
    if not _INVOKE_MADE & settings.keys():
        what = "InvokeAI's name and no settings, which processed photographs may carry too"
        return Finding("InvokeAI", what, "ai-edited", "weak")
    return Finding("InvokeAI", "InvokeAI generation settings")


def invokeai_graph(text: str) -> Finding | None:
    """InvokeAI's graph; without a denoising node it only processes a picture."""
    graph = json_object(text)
    nodes = None if graph is None else graph.get("nodes")
    if not isinstance(nodes, dict):
        return None
    types = [str(node.get("type")) for node in list(nodes.values())[:_MAX_NODES] if isinstance(node, dict)]
    if any(_INVOKE_SAMPLER.search(kind) for kind in types):
        return Finding("InvokeAI", "an InvokeAI graph that generates")
    what = "an InvokeAI graph that generates nothing, which processed photographs carry too"
    return Finding("InvokeAI", what, "ai-edited", "weak") if types else None


def invokeai_dream(text: str) -> Finding | None:
    """The command line that the first InvokeAI kept: a prompt with `-s` steps and `-S` seed."""
    if not _DREAM.search(text[:20_000]):
        return None
    return Finding("InvokeAI", "an InvokeAI command line")


def draw_things(text: str) -> Finding | None:
    """Draw Things' JSON with its prompt `c` and negative prompt `uc`."""
    settings = json_object(text)
    if settings is None or not all(isinstance(settings.get(name), str) for name in ("c", "uc")):
        return None
    return Finding("Draw Things", "Draw Things generation settings")
