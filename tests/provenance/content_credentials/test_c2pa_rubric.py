"""What actions say of a picture's origin, after C2PA's local-signals rubric."""

from __future__ import annotations

from typing import Any

import pytest

from signed_files import IPTC, MADE_BY_AI, Recipe, maker, picture, row, rows, sign

HTTPS = IPTC.replace("http:", "https:")


def claimed(*actions: dict[str, Any], **extra: Any) -> str:
    """What a manifest with these actions claims."""
    content = {"actions": list(actions), **extra}
    fields = {"assertions": [{"label": "c2pa.actions.v2", "data": content}]}
    (only,) = rows(sign(picture(), maker("Studio"), Recipe(fields=fields)))
    return only.claim


@pytest.mark.parametrize(
    ("source_type", "claim"),
    [
        (IPTC + "trainedAlgorithmicMedia", "ai"),
        (HTTPS + "trainedAlgorithmicMedia", "ai"),
        ("trainedAlgorithmicMedia", "ai"),
        (IPTC + "compositeWithTrainedAlgorithmicMedia", "ai-edited"),
        (IPTC + "compositedWithTrainedAlgorithmicMedia", "ai-edited"),
        (IPTC + "compositeSynthetic", "ai-edited"),
        ("http://c2pa.org/digitalsourcetype/trainedAlgorithmicData", "ai-edited"),
        (IPTC + "digitalCapture", "camera"),
        (IPTC + "computationalCapture", "camera"),
        (IPTC + "algorithmicMedia", "other"),
        (IPTC + "digitalArt", "other"),
        (IPTC + "composite", "other"),
        ("not trainedAlgorithmicMedia", "other"),
    ],
)
def test_inception_by_its_source_type(source_type: str, claim: str) -> None:
    assert claimed({"action": "c2pa.created", "digitalSourceType": source_type}) == claim


def test_opening_can_be_the_inception() -> None:
    assert claimed({"action": "c2pa.opened", "digitalSourceType": IPTC + "trainedAlgorithmicMedia"}) == "ai"


AFTER_CAPTURE = {"action": "c2pa.created", "digitalSourceType": IPTC + "digitalCapture"}


@pytest.mark.parametrize("action", ["c2pa.edited", "c2pa.drawing", "c2pa.unknown", "com.maker.magic_fill"])
def test_a_perceptible_change_by_ai_is_an_edit(action: str) -> None:
    for source_type in ("trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia"):
        change = {"action": action, "digitalSourceType": IPTC + source_type}
        assert claimed(AFTER_CAPTURE, change) == "ai-edited"


@pytest.mark.parametrize(
    "action",
    [
        "c2pa.converted",
        "c2pa.published",
        "c2pa.repackaged",
        "c2pa.transcoded",
        "c2pa.resized.proportional",
        "c2pa.enhanced",
        "c2pa.edited.metadata",
        "c2pa.watermarked",
        "c2pa.watermarked.bound",
        "c2pa.watermarked.unbound",
    ],
)
def test_a_mechanical_step_changes_nothing(action: str) -> None:
    change = {"action": action, "digitalSourceType": IPTC + "trainedAlgorithmicMedia"}
    assert claimed(AFTER_CAPTURE, change) == "camera"


def test_googles_synthid_step_adds_only_that_it_was_declared() -> None:
    step = {
        "action": "c2pa.edited",
        "digitalSourceType": IPTC + "trainedAlgorithmicMedia",
        "description": "Applied imperceptible SynthID watermark.",
    }
    found = row(sign(picture(), maker("Studio"), Recipe([MADE_BY_AI, step])))
    assert (found.claim, found.data["synthid_declared"]) == ("ai", True)
    assert "SynthID" in found.detail
    denied = {**step, "description": "No SynthID watermark was applied."}
    assert not row(sign(picture(), maker("Studio"), Recipe([MADE_BY_AI, denied]))).data["synthid_declared"]
    plain = row(sign(picture(), maker("Studio"), Recipe([MADE_BY_AI])))
    assert not plain.data["synthid_declared"]


def test_adobes_own_name_for_the_source_type() -> None:
    parameters = {"com.adobe.digitalSourceType": IPTC + "trainedAlgorithmicMedia"}
    assert claimed(AFTER_CAPTURE, {"action": "c2pa.edited", "parameters": parameters}) == "ai-edited"


def test_a_template_says_what_its_actions_leave_out() -> None:
    template = {"action": "c2pa.edited", "digitalSourceType": IPTC + "compositeWithTrainedAlgorithmicMedia"}
    assert claimed(AFTER_CAPTURE, {"action": "c2pa.edited"}, templates=[template]) == "ai-edited"
    assert claimed(AFTER_CAPTURE, {"action": "c2pa.cropped"}, templates=[template]) == "camera"


def test_the_first_version_of_the_actions_assertion() -> None:
    fields = {
        "claim_version": 1,
        "assertions": [{"label": "c2pa.actions", "data": {"actions": [MADE_BY_AI]}}],
    }
    assert row(sign(picture(), maker("Studio"), Recipe(fields=fields))).claim == "ai"


def test_another_assertion_may_hold_the_same_words_and_say_nothing() -> None:
    fields = {"assertions": [{"label": "com.example.actions", "data": {"actions": [MADE_BY_AI]}}]}
    assert row(sign(picture(), maker("Studio"), Recipe(fields=fields))).claim == "other"


def test_the_software_agent_is_named_as_text_or_as_a_map() -> None:
    for agent in ("Painter 3", {"name": "Painter", "version": "3"}):
        found = row(sign(picture(), maker("Studio"), Recipe([{**MADE_BY_AI, "softwareAgent": agent}])))
        assert found.data["software_agents"] == ["Painter 3"]
