"""Where a claim stands in the tree of manifests, and what it is worth from there."""

from __future__ import annotations

import c2pa
import pytest

from fauxto.provenance.c2pa.store import Store
from fauxto.provenance.containers import parse
from signed_files import (
    BLANK,
    CAPTURED,
    EDITED_BY_AI,
    EDITED_BY_HAND,
    MADE_BY_AI,
    OPENED,
    PLACED,
    Know,
    Part,
    Recipe,
    fresh_maker,
    judged,
    maker,
    opened,
    picture,
    row,
    rows,
    sign,
)

STUDIO, EDITOR, CAMERA, STRANGER = (maker(one) for one in ("Studio", "Editor", "Camera", "Stranger"))
MADE = sign(picture(), STUDIO, Recipe([MADE_BY_AI]))
CAPTURE = sign(picture(), CAMERA, Recipe([CAPTURED]))
BY_STRANGER = sign(picture(), STRANGER, Recipe([MADE_BY_AI]))


@pytest.fixture(autouse=True)
def known_makers(know: Know) -> None:
    know(STUDIO, EDITOR, CAMERA)


def test_the_claim_in_a_parents_manifest() -> None:
    found = row(opened(MADE, EDITOR))
    assert (found.claim, found.strength, found.data["state"]) == ("ai", "strong", "known-signer")
    assert (found.data["found_in"], found.data["depth"]) == ("parent", 1)
    assert found.data["signer"]["organisation"] == "Studio"
    assert found.data["active_signer"]["organisation"] == "Editor"


def test_the_claim_in_a_parents_parent() -> None:
    found = row(opened(opened(MADE, EDITOR), STUDIO))
    assert (found.claim, found.strength, found.data["depth"]) == ("ai", "strong", 2)


def test_a_parent_with_no_action_in_the_active_manifest() -> None:
    old = {"claim_version": 1}
    made = sign(picture(), STUDIO, Recipe([MADE_BY_AI], fields=old))
    saved = sign(made, STUDIO, Recipe([], [Part("parentOf", made)], old))
    assert judged(saved) == ("ai", "strong", "known-signer")


def test_older_manifests_are_followed_too() -> None:
    old = {"claim_version": 1}
    made = sign(picture(), STUDIO, Recipe([MADE_BY_AI], fields=old))
    saved = sign(made, EDITOR, Recipe([OPENED], [Part("parentOf", made)], old))
    assert judged(saved) == ("ai", "strong", "known-signer")


def test_an_update_manifest_is_followed() -> None:
    saved = sign(MADE, EDITOR, Recipe(intent=c2pa.C2paBuilderIntent.UPDATE))
    assert judged(saved) == ("ai", "strong", "known-signer")


def test_a_capture_later_edited_with_ai() -> None:
    found = row(opened(CAPTURE, EDITOR, EDITED_BY_AI))
    assert (found.claim, found.strength) == ("ai-edited", "strong")
    assert found.data["signer"]["organisation"] == "Editor"


def test_an_ai_image_later_edited_by_hand_stays_ai() -> None:
    assert judged(opened(MADE, EDITOR, EDITED_BY_HAND)) == ("ai", "strong", "known-signer")


def test_an_ai_image_later_edited_with_ai_is_one_row() -> None:
    assert judged(opened(MADE, EDITOR, EDITED_BY_AI)) == ("ai", "strong", "known-signer")


def test_a_capture_later_edited_by_hand_is_still_a_capture() -> None:
    assert judged(opened(CAPTURE, EDITOR, EDITED_BY_HAND)) == ("camera", "strong", "known-signer")


def test_an_ai_picture_that_was_placed_makes_an_edit() -> None:
    saved = sign(picture(seed=1), EDITOR, Recipe([BLANK, PLACED], [Part("componentOf", MADE)]))
    found = row(saved)
    assert (found.claim, found.strength, found.data["found_in"]) == ("ai-edited", "strong", "component")


def test_a_component_of_a_parent_counts() -> None:
    collage = sign(picture(seed=1), EDITOR, Recipe([BLANK, PLACED], [Part("componentOf", MADE)]))
    assert judged(opened(collage, STUDIO)) == ("ai-edited", "strong", "known-signer")


def test_a_placed_capture_makes_no_camera() -> None:
    saved = sign(picture(seed=1), EDITOR, Recipe([BLANK, PLACED], [Part("componentOf", CAPTURE)]))
    assert judged(saved)[0] == "other"


def test_an_ai_picture_that_was_mere_input_says_nothing() -> None:
    saved = sign(picture(seed=1), EDITOR, Recipe([BLANK], [Part("inputTo", MADE)]))
    assert judged(saved)[0] == "other"


def test_a_genuine_manifest_wrapped_around_another_picture_is_not_strong() -> None:
    """Every hash holds, but nothing ties the parent's picture to this one."""
    attack = sign(picture(seed=9), STRANGER, Recipe([OPENED], [Part("parentOf", MADE)]))
    found = row(attack)
    assert (found.claim, found.strength, found.data["state"]) == ("ai", "moderate", "known-signer")
    assert found.data["active_signer"]["state"] == "unknown-signer"
    assert "only through a manifest signed by an unknown signer" in found.detail


def test_a_genuine_capture_wrapped_around_another_picture_is_weak() -> None:
    attack = sign(picture(seed=9), STRANGER, Recipe([OPENED], [Part("parentOf", CAPTURE)]))
    assert judged(attack) == ("camera", "weak", "known-signer")


def test_a_known_signer_on_top_does_not_lend_its_name_to_what_is_below() -> None:
    assert judged(opened(BY_STRANGER, EDITOR)) == ("ai", "moderate", "unknown-signer")
    between = opened(sign(picture(seed=9), STRANGER, Recipe([OPENED], [Part("parentOf", MADE)])), EDITOR)
    assert judged(between) == ("ai", "moderate", "known-signer")


def test_a_parent_that_was_broken_when_it_was_opened_is_not_followed() -> None:
    damaged = bytearray(MADE)
    damaged[-40] ^= 1
    found = row(opened(bytes(damaged), EDITOR))
    assert (found.claim, found.data["state"]) == ("other", "known-signer")
    assert "broken already" in found.data["broken_ingredients"][0]


def test_an_altered_parent_below_a_sound_manifest_takes_its_claim_away() -> None:
    saved = opened(CAPTURE, EDITOR)
    assert judged(saved) == ("camera", "strong", "known-signer")
    altered = saved.replace(b"digitalCapture", b"digitalCaptura", 1)
    assert judged(altered) == ("other", "weak", "tampered")


def test_an_altered_parent_does_not_hide_what_the_active_manifest_says() -> None:
    saved = opened(CAPTURE, EDITOR, EDITED_BY_AI)
    found = row(saved.replace(b"digitalCapture", b"digitalCaptura", 1))
    assert (found.claim, found.strength, found.data["state"]) == ("ai-edited", "strong", "known-signer")
    assert found.data["broken_ingredients"]


def test_a_stronger_edit_beside_a_weaker_origin_gives_both_rows() -> None:
    both = rows(opened(BY_STRANGER, EDITOR, EDITED_BY_AI))
    assert [(one.claim, one.strength) for one in both] == [("ai", "moderate"), ("ai-edited", "strong")]


def test_a_capture_by_a_known_camera_under_an_ai_claim_by_a_stranger() -> None:
    attack = sign(CAPTURE, STRANGER, Recipe([OPENED, EDITED_BY_AI], [Part("parentOf", CAPTURE)]))
    assert judged(attack) == ("ai-edited", "moderate", "unknown-signer")


def test_the_sample_certificate_on_top_weakens_what_is_below(know: Know) -> None:
    sample = fresh_maker("Sample")
    know(sample, origin="sample")
    assert judged(opened(MADE, sample))[:2] == ("ai", "weak")


def test_a_parent_on_the_trust_list_counts(tmp_path_factory: pytest.TempPathFactory) -> None:
    top, bottom = fresh_maker("Top"), fresh_maker("Bottom")
    path = tmp_path_factory.mktemp("lists") / "list.pem"
    path.write_bytes(top.root.pem + bottom.root.pem)
    saved = opened(sign(picture(), bottom, Recipe([MADE_BY_AI])), top)
    found = row(saved, trust_list=path)
    assert (found.claim, found.strength) == ("ai", "strong")
    assert found.data["active_signer"]["state"] == "trusted"


def test_what_the_sample_certificate_says_takes_no_capture_away(know: Know) -> None:
    sample = fresh_maker("Sample")
    know(sample, origin="sample")
    part = sign(picture(seed=3), sample, Recipe([MADE_BY_AI]))
    parts = [Part("parentOf", CAPTURE), Part("componentOf", part)]
    placed = rows(sign(CAPTURE, CAMERA, Recipe([OPENED, PLACED], parts)))
    assert [(one.claim, one.strength) for one in placed] == [("ai-edited", "weak"), ("camera", "strong")]


def test_a_parent_from_which_an_ingredient_was_redacted_keeps_its_claim() -> None:
    used = sign(picture(seed=3), EDITOR, Recipe([BLANK]))
    opening = {"action": "c2pa.opened", "parameters": {"ingredientIds": ["0"]}}
    parts = [Part("parentOf", CAPTURE), Part("inputTo", used)]
    edited = sign(CAPTURE, EDITOR, Recipe([opening, EDITED_BY_AI], parts))
    label = Store(parse(edited).c2pa or b"").active
    gone = "c2pa.ingredient.v3__1"
    address = f"self#jumbf=/c2pa/{label}/c2pa.assertions/{gone}"
    step = {"action": "c2pa.redacted", "reason": "c2pa.PII.present", "parameters": {"redacted": address}}
    recipe = Recipe([OPENED, step], [Part("parentOf", edited)], {"redactions": [address]})
    after = sign(edited, EDITOR, recipe)
    assert judged(after) == ("ai-edited", "strong", "known-signer")
    parent = Store(parse(after).c2pa or b"").manifest(label)
    assert parent.faults({(label, gone)}) == []
    assert parent.faults() == [f"assertion {gone} is missing"], "unless a manifest above says so"
