"""Each generator's mark counts in the places its program writes it, and nowhere else."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

import pytest

import made
from fauxto.provenance import read_evidence
from fauxto.record import Evidence

FOOOCUS = json.dumps(
    {
        "prompt": "cat",
        "negative_prompt": "",
        "base_model": "juggernaut",
        "seed": "5",
        "sampler": "dpmpp",
        "steps": 30,
    }
)
SWARM = json.dumps({"sui_image_params": {"prompt": "cat", "seed": 1}, "sui_extra_data": {}})
EASY = {
    "prompt": "cat",
    "negative_prompt": "dog",
    "seed": "4",
    "num_inference_steps": "25",
    "guidance_scale": "7.5",
}
INVOKE = json.dumps(
    {"app_version": "5.0", "generation_mode": "sdxl_txt2img", "positive_prompt": "cat", "seed": 3}
)
INVOKE_OLD = json.dumps({"model": "stable diffusion", "app_id": "invoke-ai/InvokeAI", "image": {"seed": 1}})
INVOKE_GRAPH = json.dumps({"id": "g", "nodes": {"a": {"type": "denoise_latents"}}, "edges": []})
DREAM = '"a cat" -s 50 -S 123456 -W 512 -H 512 -C 7.5 -A k_lms'
DRAW_THINGS = json.dumps({"c": "a cat", "uc": "blurry", "seed": 5, "steps": 8})
NOVELAI = json.dumps({"prompt": "1girl", "steps": 28, "sampler": "k_euler", "seed": 4, "uc": "bad"})
UUID = "0b8c6f1e-3a52-4f0e-9a1d-2f6c7f0d9e11"


def rows(data: bytes, source: str = "generator") -> list[Evidence]:
    return [row for row in read_evidence(data) if row.source == source and row.claim != "not-checked"]


def only(data: bytes) -> Evidence:
    found = rows(data)
    assert len(found) == 1, found
    return found[0]


def in_comment(text: str, kind: str, code: bytes = b"UNICODE\0", encoding: str = "utf-16-be") -> bytes:
    return made.with_exif(kind, inner={made.USER_COMMENT: made.comment(text, code, encoding)})


def xmp_text(name: str, value: str) -> bytes:
    escaped = value.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return made.packet(f'<{name}><rdf:Alt><rdf:li xml:lang="x-default">{escaped}</rdf:li></rdf:Alt></{name}>')


# Every row: product, a keyword of PNG text with its value, and texts that have to stand beside it.
PNG_ROWS: list[tuple[str, str, str, dict[str, str]]] = [
    ("Stable Diffusion WebUI", "parameters", made.WEBUI, {}),
    ("ComfyUI", "prompt", made.COMFYUI, {}),
    ("ComfyUI", "workflow", made.COMFYUI_WORKFLOW, {}),
    ("InvokeAI", "invokeai_metadata", INVOKE, {}),
    ("InvokeAI", "invokeai_graph", INVOKE_GRAPH, {}),
    ("InvokeAI", "sd-metadata", INVOKE_OLD, {}),
    ("InvokeAI", "Dream", DREAM, {}),
    ("Fooocus", "parameters", FOOOCUS, {"fooocus_scheme": "fooocus"}),
    ("Fooocus", "Comment", FOOOCUS, {}),
    ("SwarmUI", "parameters", SWARM, {}),
    ("Easy Diffusion", "negative_prompt", "dog", {k: v for k, v in EASY.items() if k != "negative_prompt"}),
    ("NovelAI", "Comment", NOVELAI, {"Software": "NovelAI", "Source": "NovelAI Diffusion V4", "Title": "AI"}),
    ("Midjourney", "Description", f"a cat --ar 3:2 Job ID: {UUID}", {"Author": "someone"}),
]


WRITERS: dict[str, Callable[[str, str], bytes]] = {
    "tEXt": made.text,
    "zTXt": made.ztext,
    "iTXt": made.itext,
    "iTXt compressed": partial(made.itext, compressed=True),
}


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize(("product", "keyword", "value", "beside"), PNG_ROWS)
def test_png_texts(product: str, keyword: str, value: str, beside: dict[str, str], writer: str) -> None:
    write = WRITERS[writer]
    data = made.with_chunks(write(keyword, value), *(write(k, v) for k, v in beside.items()))
    row = only(data)
    assert (row.claim, row.strength, row.data["product"]) == ("ai", "moderate", product)
    assert "anybody can write this" in row.detail


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG", "AVIF"])
@pytest.mark.parametrize(
    ("product", "value"),
    [("Stable Diffusion WebUI", made.WEBUI), ("SwarmUI", SWARM), ("Easy Diffusion", json.dumps(EASY))],
)
def test_exif_user_comment(product: str, value: str, kind: str) -> None:
    row = only(in_comment(value, kind))
    assert (row.claim, row.strength, row.data["product"]) == ("ai", "moderate", product)


@pytest.mark.parametrize(
    ("code", "encoding"),
    [
        (b"UNICODE\0", "utf-16-be"),
        (b"UNICODE\0", "utf-16-le"),
        (b"ASCII\0\0\0", "ascii"),
        (bytes(8), "utf-8"),
        (b"", "utf-8"),
    ],
)
def test_user_comments_in_every_encoding_that_writers_use(code: bytes, encoding: str) -> None:
    assert only(in_comment(made.WEBUI, "JPEG", code, encoding)).data["product"] == "Stable Diffusion WebUI"


def test_fooocus_in_exif_needs_its_own_mark_beside() -> None:
    comment = {made.USER_COMMENT: made.comment(FOOOCUS, bytes(8), "utf-8")}
    assert (
        only(made.with_exif("JPEG", {made.SOFTWARE: "Fooocus v2.5.5"}, comment)).data["product"] == "Fooocus"
    )
    assert (
        only(made.with_exif("WEBP", {}, {**comment, made.MAKER_NOTE: b"fooocus"})).data["product"]
        == "Fooocus"
    )


@pytest.mark.parametrize("kind", ["WEBP", "JPEG"])
def test_comfyui_in_exif(kind: str) -> None:
    both = {made.MODEL: "prompt:" + made.COMFYUI, made.MAKE: "workflow:" + made.COMFYUI_WORKFLOW}
    row = only(made.with_exif(kind, both))
    assert (row.claim, row.strength, row.data["product"]) == ("ai", "moderate", "ComfyUI")


EXIF_ROWS = [
    ("FLUX", {made.SOFTWARE: "AI generated;txt2img;flux", made.MAKE: "Black Forest Labs"}, "ai"),
    ("FLUX", {made.SOFTWARE: "AI generated;img2img;flux-dev"}, "ai"),
    ("Ideogram", {made.MAKE: "Ideogram AI"}, "ai"),
    ("Reve", {made.SOFTWARE: "reve.com"}, "ai"),
    ("Aphrodite AI", {made.MAKE: "Aphrodite AI"}, "ai"),
    ("Aphrodite AI", {made.SOFTWARE: "Aphrodite AI"}, "ai"),
    ("Apple Photos Clean Up", {made.SOFTWARE: "Apple Photos Clean Up"}, "ai-edited"),
    ("Grok", {made.ARTIST: UUID, made.DESCRIPTION: "Signature: " + "QUJD" * 20 + "="}, "ai"),
]


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG"])
@pytest.mark.parametrize(("product", "tags", "claim"), EXIF_ROWS)
def test_exif_tags(product: str, tags: dict[int, str], claim: str, kind: str) -> None:
    row = only(made.with_exif(kind, tags))
    assert (row.claim, row.strength, row.data["product"]) == (claim, "moderate", product)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG", "TIFF"])
def test_xmp_marks(kind: str) -> None:
    assert (
        only(made.with_xmp(kind, xmp_text("exif:UserComment", DRAW_THINGS))).data["product"] == "Draw Things"
    )
    assert (
        only(made.with_xmp(kind, made.packet(attributes='xmp:CreatorTool="reve.com"'))).data["product"]
        == "Reve"
    )
    made_with = only(made.with_xmp(kind, xmp_text("photoshop:Credit", "Made with Google AI")))
    assert (made_with.claim, made_with.strength) == ("ai", "moderate")
    edited = only(made.with_xmp(kind, made.packet(attributes='photoshop:Credit="Edited with Google AI"')))
    assert (edited.claim, edited.strength) == ("ai-edited", "moderate")


def test_googles_credit_in_iptc() -> None:
    assert only(made.iim((2, 110, b"Made with Google AI"))).data["product"] == "Google AI"


def test_midjourneys_pair_in_xmp() -> None:
    pair = f'Iptc4xmpExt:DigImageGUID="{UUID}" Iptc4xmpExt:DigitalSourceType="trainedAlgorithmicMedia"'
    assert only(made.with_xmp("JPEG", made.packet(attributes=pair))).data["product"] == "Midjourney"
    alone = made.packet(attributes=f'Iptc4xmpExt:DigImageGUID="{UUID}"')
    assert rows(made.with_xmp("JPEG", alone)) == []


def test_samsungs_editor_data_is_read_from_its_directory() -> None:
    jpeg = made.encode(made.picture(), "JPEG")
    settings = '{"originalPath":"/x.jpg","genAIType":%d}'
    row = only(jpeg + made.samsung_trailer(Other="1", PhotoEditor_Re_Edit_Data=settings % 2))
    assert (row.claim, row.strength, row.data["genAIType"]) == ("ai-edited", "moderate", "2")
    assert rows(jpeg + made.samsung_trailer(PhotoEditor_Re_Edit_Data=settings % 0)) == []
    assert rows(jpeg + made.samsung_trailer(Note=settings % 2)) == []
    assert rows(jpeg + (settings % 2).encode() + b"PhotoEditor_Re_Edit_Data SEFT") == []


def test_a_hosting_job_is_weak() -> None:
    assert only(made.with_chunks(made.text("hf-job-id", "6717a"))).strength == "weak"


# What also comes from processed photographs is an edit at most, and weak.


def test_webui_postprocessing_alone_is_a_weak_edit() -> None:
    value = "Postprocess upscale by: 4, Postprocess upscaler: R-ESRGAN 4x+"
    row = only(made.png(postprocessing=value))
    assert (row.claim, row.strength) == ("ai-edited", "weak")
    both = only(made.png(parameters=made.WEBUI, postprocessing=value))
    assert (both.claim, both.strength) == ("ai", "moderate")


def test_a_graph_without_a_sampler_is_a_weak_edit() -> None:
    row = only(made.png(prompt=made.COMFYUI_UPSCALE))
    assert (row.claim, row.strength) == ("ai-edited", "weak")


def test_the_graph_that_ran_counts_and_not_the_one_on_the_screen() -> None:
    assert only(made.png(prompt=made.COMFYUI_UPSCALE, workflow=made.COMFYUI_WORKFLOW)).claim == "ai-edited"
    muted = json.dumps({"nodes": [{"type": "KSampler", "mode": 4}, {"type": "SaveImage", "mode": 0}]})
    assert only(made.png(workflow=muted)).claim == "ai-edited"


# Words about AI art are not marks.

TALK = (
    "AI art made with Stable Diffusion, Midjourney and ComfyUI. I used Steps: 20, Sampler: Euler a, Seed: 5."
)
NEGATIVE = {
    "a caption": made.with_chunks(made.text("Description", TALK), made.text("Title", "Made with Google AI")),
    "an XMP caption": made.with_xmp("JPEG", xmp_text("dc:description", TALK + " trainedAlgorithmicMedia")),
    "an IPTC caption": made.iim((2, 120, b"Made with Google AI, trainedAlgorithmicMedia")),
    "an EXIF comment": in_comment(TALK, "JPEG"),
    "an EXIF description": made.with_exif("JPEG", {made.DESCRIPTION: made.WEBUI}),
    "a JPEG comment": made.encode(made.picture(), "JPEG", comment=made.WEBUI.encode()),
    "bytes after a PNG": made.encode(made.picture()) + made.text("parameters", made.WEBUI),
    "bytes after a JPEG": made.encode(made.picture(), "JPEG")
    + b"trainedAlgorithmicMedia AIGC{} "
    + made.WEBUI.encode(),
    "a PNG's own chunk": made.with_chunks(made.chunk(b"prVt", b"parameters\0" + made.WEBUI.encode())),
    "settings under a wrong keyword": made.with_chunks(made.text("Comment", made.WEBUI)),
    "a prompt that is no graph": made.with_chunks(made.text("prompt", "a cat by KSampler")),
    "JSON that is no graph": made.with_chunks(made.text("prompt", '{"class_type":"KSampler","inputs":{}}')),
    "parameters of another program": made.with_chunks(made.text("parameters", "Steps: 20, and then a rest")),
    "a talk as parameters": made.with_chunks(made.text("parameters", TALK)),
    "a name that is longer": made.with_exif(
        "JPEG", {made.MAKE: "Aphrodite AImaging", made.SOFTWARE: "reve.com tools"}
    ),
    "a credit that is longer": made.iim((2, 110, b"Not Made with Google AI")),
    "a UUID without a signature": made.with_exif(
        "JPEG", {made.ARTIST: UUID, made.DESCRIPTION: "Signature: none"}
    ),
    "another job's number with an author": made.with_chunks(
        made.text("Description", f"Scan from our print shop. Job ID: {UUID} (rush order)"),
        made.text("Author", "somebody"),
    ),
    "settings of a simulation": made.with_chunks(
        made.text("parameters", "Steps: 1000, Seed: 42, Size: 100x100, Model: Schelling")
    ),
    "settings of a focus stack": in_comment(
        "Focus stack\nSteps: 30, Size: 6000x4000, Model: Canon EOS R5", "JPEG"
    ),
    "a talk about settings": in_comment(
        "My photo of a monitor. Negative prompt: ugly Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5, and"
        " people laughed. Not AI.",
        "JPEG",
    ),
    "InvokeAI's version alone": made.with_chunks(made.text("invokeai_metadata", '{"app_version": "5.0"}')),
    "a graph that only chooses a sampler": made.with_chunks(
        made.text("prompt", json.dumps({"1": {"class_type": "KSamplerSelect", "inputs": {}}}))
    ),
    "a Midjourney prompt without its author": made.with_chunks(made.text("Description", f"Job ID: {UUID}")),
    "Easy Diffusion's key alone": made.with_chunks(made.text("negative_prompt", "dog")),
    "NovelAI's name alone": made.with_chunks(made.text("Software", "NovelAI")),
    "Fooocus settings without its scheme": made.with_chunks(made.text("parameters", FOOOCUS)),
    "an upscaler called resampler": made.with_chunks(
        made.text(
            "prompt",
            json.dumps(
                {"1": {"class_type": "LoadImage", "inputs": {}}, "2": {"class_type": "X", "inputs": {}}}
            ),
        )
    ),
}


@pytest.mark.parametrize("name", NEGATIVE)
def test_marker_words_in_other_places_do_not_count(name: str) -> None:
    deciding = [
        row
        for row in read_evidence(NEGATIVE[name])
        if row.strength != "weak" or (row.claim == "ai" and row.source != "generator")
    ]
    assert deciding == []


def test_marker_words_in_the_compressed_pixels_do_not_count() -> None:
    words = (made.WEBUI + " trainedAlgorithmicMedia AIGC Made with Google AI ").encode()
    stored = made.picture(8, 256).copy()
    stored[0].reshape(-1)[: len(words)] = list(words)
    for data in (made.stored_png(stored), made.encode(stored, "TIFF")):
        assert words in data
        assert read_evidence(data) == []


def test_raw_values_are_kept_but_bounded() -> None:
    row = only(made.png(parameters=made.WEBUI + ", Hashes: " + "x" * 100_000))
    assert row.data["value"].startswith("a cat on a mat")
    assert len(row.data["value"]) <= 2000
    assert json.loads(row.model_dump_json())["data"]["product"] == "Stable Diffusion WebUI"


@pytest.mark.parametrize(
    "value", ["[" * 100_000, '{"a":' * 50_000, "{" + '"a":1e999,' * 10 + "}", '{"seed":' + "9" * 9999 + "}"]
)
def test_hostile_json_is_not_settings(value: str) -> None:
    assert rows(made.png(parameters=value, prompt=value, workflow=value, invokeai_metadata=value)) == []


def test_settings_whose_line_breaks_were_lost_still_count_and_quoted_ones_are_weak() -> None:
    lost = made.WEBUI.replace("\n", " ") + ', Lora hashes: "a: 1, b: 2", Version: v1.6.0'
    assert only(in_comment(lost, "JPEG")).strength == "moderate"
    quoted = only(in_comment(lost + ". That is what the monitor showed.", "JPEG"))
    assert quoted.strength == "weak" and "may quote" in quoted.detail
