"""Generators' settings in PNG texts, each under the keyword its program uses."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fauxto.provenance.generators.settings import (
    Finding,
    comfyui_graph,
    easy_diffusion,
    invokeai_dream,
    invokeai_graph,
    invokeai_metadata,
    json_settings,
    old_fooocus,
    webui_postprocessing,
    webui_settings,
)
from fauxto.provenance.metadata import Metadata

_JOB_ID = re.compile(r"\bJob ID: [0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\s*$", re.IGNORECASE)

# Keyword to recognisers, the first that recognises wins.
READERS = {
    "parameters": (webui_settings,),
    "postprocessing": (webui_postprocessing,),
    "extras": (webui_postprocessing,),
    "prompt": (comfyui_graph,),
    "workflow": (comfyui_graph,),
    "invokeai_metadata": (invokeai_metadata,),
    "sd-metadata": (invokeai_metadata,),
    "invokeai_graph": (invokeai_graph,),
    "Dream": (invokeai_dream,),
    "Comment": (old_fooocus,),
}


def _midjourney(metadata: Metadata) -> Finding | None:
    """Midjourney: `Description` ends with a job's number, `Author` stands beside."""
    description = metadata.png_text("Description") or ""
    if metadata.png_text("Author") is None or not _JOB_ID.search(description):
        return None
    return Finding("Midjourney", "a Midjourney job's prompt and number")


def _job(text: str) -> Finding | None:
    what = "a Hugging Face job's number, which names a hosting job and no model"
    return Finding("Hugging Face job", what, strength="weak") if text.strip() else None


def png_findings(metadata: Metadata) -> Iterator[tuple[str, Finding, str]]:
    """Place, finding and raw value of everything that the PNG texts hold."""
    texts = metadata.container.png_text
    if not texts:
        return
    names = {text.keyword: text.text for text in reversed(texts)}  # the first of each keyword
    novelai = names.get("Software", "").strip() == "NovelAI"
    for keyword, text in names.items():
        found = next((f for read in READERS.get(keyword, ()) if (f := read(text)) is not None), None)
        if keyword == "parameters" and found is None:
            found = json_settings(text, fooocus="fooocus_scheme" in names)
        elif keyword == "hf-job-id":
            found = _job(text)
        if found is not None and not (keyword == "Comment" and novelai):
            yield f"PNG text `{keyword}`", found, text
    separate = easy_diffusion(names)
    if separate is not None:
        yield "PNG text `negative_prompt`", separate, names.get("negative_prompt", "")
    midjourney = _midjourney(metadata)
    if midjourney is not None:
        yield "PNG text `Description`", midjourney, names["Description"]
