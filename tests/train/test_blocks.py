"""A transformer read at several depths and tuned at low rank, from recipe to a bundle that scans."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from command import fauxto
from fauxto.errors import UsageError
from fauxto.models import load_bundle
from fauxto.train.backbones import build_backbone
from fauxto.train.recipe import BackboneSection, load_recipe

RECIPE = Path(__file__).parents[2] / "recipes" / "photo-vit.yaml"
TINY = "test_vit.r160_in1k"


def section(**changes: object) -> BackboneSection:
    plain = {"backbone": TINY, "pretrained": False, "blocks": (2, 4)}
    return BackboneSection.model_validate(plain | changes)


def test_features_are_class_tokens_and_patch_means_of_the_blocks() -> None:
    net = build_backbone(section(), 32)
    assert net.head[-1].in_features == 2 * 2 * 64  # blocks, token and mean, width
    assert net(torch.randn(3, 3, 32, 32)).shape == (3,)


def test_what_lies_behind_the_last_block_is_cut_off() -> None:
    def parameters(last: int) -> int:
        net = build_backbone(section(blocks=(last,)), 32)
        return sum(one.numel() for one in net.backbone.parameters())

    assert parameters(2) < parameters(4) < parameters(6)


def test_low_rank_starts_as_the_published_net_and_trains_little_of_it() -> None:
    torch.manual_seed(0)
    plain = build_backbone(section(frozen=True), 32).eval()
    torch.manual_seed(0)
    tuned = build_backbone(section(low_rank=2), 32).eval()
    images = torch.randn(2, 3, 32, 32)
    assert torch.allclose(plain.backbone(images), tuned.backbone(images), atol=1e-5)
    trained = {name for name, one in tuned.named_parameters() if one.requires_grad}
    assert trained and all(name.startswith("head.") or name.endswith((".up", ".down")) for name in trained)
    assert any("qkv" in name for name in trained) and any("fc2" in name for name in trained)
    tuned(images).sum().backward()
    assert all(one.grad is not None for one in tuned.parameters() if one.requires_grad)


def test_frozen_blocks_are_not_trained() -> None:
    net = build_backbone(section(frozen=True), 32)
    assert {name.split(".")[0] for name, one in net.named_parameters() if one.requires_grad} == {"head"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"blocks": (4, 2)}, "ascending"),
        ({"pooling": "average"}, "leave pooling out"),
        ({"blocks": (), "low_rank": 4}, "name them by blocks"),
        ({"frozen": True, "low_rank": 4}, "not tuned"),
        ({"released": "last year"}, "pattern"),
    ],
)
def test_contradictions_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        section(**changes)


def test_nets_without_such_blocks_are_refused() -> None:
    with pytest.raises(UsageError, match="has 6 blocks"):
        build_backbone(section(blocks=(7,)), 32)
    with pytest.raises(UsageError, match="no blocks to read"):
        build_backbone(section(backbone="test_resnet.r160_in1k"), 32)


def write_photographs(folder: Path, count: int) -> Path:
    """Class folders with two generators; AI-generated here means stripes."""
    rng = np.random.default_rng(0)
    for number in range(count):
        for name in ("real/phone", "fake/sd-1.5", "fake/nano-banana"):
            if name != "real/phone" and number % 2 == (name == "fake/sd-1.5"):
                continue
            pixels = rng.integers(60, 190, (48, 64, 3)).astype(np.uint8)
            pixels[::4] += np.uint8(60 * ("fake" in name))
            (folder / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


def test_the_recipe_runs_whole_on_a_tiny_random_transformer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = RECIPE.read_text()
    for field, value in {
        "backbone": TINY, "blocks": "[2, 3, 4]", "low_rank": "2", "side": "32", "epochs": "2",
        "batch_size": "16", "precision": "float32", "min_side": "16", "rate": "0.003", "validation": "0.2",
        "test": "0.2",
    }.items():  # fmt: skip
        text, found = re.subn(rf"^( *{field}: )(\[.*?\]|\S+)", rf"\g<1>{value}", text, flags=re.MULTILINE)
        assert found == 1, field
    recipe = tmp_path / "photo-vit.yaml"
    recipe.write_text(text)
    data = write_photographs(tmp_path / "data", 50)
    answer = fauxto(capsys, "train", recipe, "--data", data, "--output", tmp_path / "run", "--no-pretrained")
    assert answer.code == 0, answer.err
    bundle = tmp_path / "run" / "bundle"
    load_bundle(bundle).self_test()
    card = (bundle / "MODEL_CARD.md").read_text()
    assert re.search(r"\| nano-banana \| \d+ \| .* \| 2025-08 \| yes \|", card)
    assert re.search(r"\| sd-1.5 \| \d+ \| .* \| 2022-10 \| no \|", card)
    scanned = fauxto(capsys, "scan", data / "real", "--model", bundle, "--format", "json")
    assert scanned.code in (0, 1)
    assert scanned.out.count('"photo-vit"') == 50


def test_the_shipped_recipe_is_valid_and_says_its_licence() -> None:
    recipe = load_recipe(RECIPE)
    assert isinstance(recipe.net, BackboneSection)
    assert recipe.net.released == "2025-04"
    assert "Apache-2.0" in recipe.bundle.licence
