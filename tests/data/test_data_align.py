"""`fauxto data align`: both sides of a pair agree in everything but what the autoencoder leaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from command import fauxto
from fauxto.data import load
from fauxto.data.align.autoencoders import Autoencoder, load_autoencoder
from fauxto.data.align.distilled import build_decoder, build_encoder
from fauxto.data.align.pairs import AlignSettings, align, find_photographs
from fauxto.data.align.small import UPSAMPLERS, SmallAutoencoder, save_small, train_small
from fauxto.errors import DataError, UsageError
from fauxto.train.tower.pictures import load_pictures


def photograph(seed: int, width: int = 150, height: int = 110) -> Image.Image:
    """Smooth colours with some grain, as photographs have."""
    rng = np.random.default_rng(seed)
    soft = Image.fromarray(rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)).resize((width, height), 3)
    grain = rng.normal(0, 4, (height, width, 3))
    return Image.fromarray(np.clip(np.asarray(soft) + grain, 0, 255).astype(np.uint8))


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Six photographs in a plain folder."""
    folder = tmp_path / "mine" / "2026"
    folder.mkdir(parents=True)
    for seed in range(6):
        photograph(seed).save(folder / f"IMG_{seed}.jpg", quality=90)
    return folder.parent


@pytest.fixture
def small_file(tmp_path: Path) -> Path:
    """An untrained small autoencoder."""
    torch.manual_seed(0)
    save_small(SmallAutoencoder("nearest"), tmp_path / "weights" / "tiny.pth")
    return tmp_path / "weights" / "tiny.pth"


def distilled_weights(channels: int, pooled: bool) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Random weights of the TAESD family, as their files hold them."""
    marks = {f"{at}.pool.0.weight": torch.empty(0) for at in (*range(3, 6), *range(11, 14)) if pooled}
    encoder = build_encoder(
        {
            **{k: v for k, v in marks.items() if int(k.split(".")[0]) > 10},
            "14.weight": torch.empty(channels, 64, 3, 3),
        }
    )
    decoder = build_decoder(
        {
            **{k: v for k, v in marks.items() if int(k.split(".")[0]) < 10},
            "1.weight": torch.empty(64, channels, 3, 3),
        }
    )
    return tuple({k: v.half() for k, v in net.state_dict().items()} for net in (encoder, decoder))  # type: ignore[return-value]


@pytest.fixture
def distilled(tmp_path: Path) -> Path:
    """TAEF2-like files with random weights; gives the encoder's."""
    for part, weights in zip(("encoder", "decoder"), distilled_weights(32, True), strict=True):
        torch.save(weights, tmp_path / f"tiny_{part}.pth")
    return tmp_path / "tiny_encoder.pth"


def test_pairs_agree_in_size_format_and_quantisation(
    photographs: Path, small_file: Path, tmp_path: Path
) -> None:
    output = tmp_path / "pairs"
    made = align(find_photographs(photographs), output, AlignSettings((str(small_file),), crop=64))
    assert made.pairs == {"small-nearest": 6}
    for real in sorted((output / "real").iterdir()):
        one, other = Image.open(real), Image.open(output / "fake" / real.name)
        assert one.size == other.size == (64, 64)
        assert one.quantization == other.quantization  # type: ignore[attr-defined]
        assert one.layer == other.layer  # type: ignore[attr-defined]  # chroma subsampling
        assert not np.array_equal(np.asarray(one), np.asarray(other))


def test_the_output_is_data_that_fauxto_loads_with_pairs_and_sources(
    photographs: Path, small_file: Path, tmp_path: Path
) -> None:
    align(find_photographs(photographs), tmp_path / "pairs", AlignSettings((str(small_file),), crop=64))
    table, folders = load(tmp_path / "pairs" / "pairs.csv"), load(tmp_path / "pairs")
    assert sorted(table.labels.tolist()) == sorted(folders.labels.tolist()) == [0] * 6 + [1] * 6
    by_pair: dict[str | None, set[int]] = {}
    for item in table:
        by_pair.setdefault(item.pair, set()).add(item.label)
        assert item.source == ("2026-small-nearest" if item.label else "2026")
    assert len(by_pair) == 6
    assert all(labels == {0, 1} for labels in by_pair.values())


def test_a_copy_is_left_out_together_with_its_photograph(
    photographs: Path, small_file: Path, tmp_path: Path
) -> None:
    """Pairs of two collections are data for a recipe that leaves origins out; pairs of one are not."""
    settings = AlignSettings((str(small_file),), crop=64)
    align(find_photographs(photographs), tmp_path / "one", settings)
    with pytest.raises(DataError, match="1 origin holds photographs and AI-generated pictures"):
        load_pictures([tmp_path / "one" / "pairs.csv"], ())
    (photographs / "phone").mkdir()
    for image in sorted((photographs / "2026").iterdir())[:2]:
        image.rename(photographs / "phone" / image.name)
    align(find_photographs(photographs), tmp_path / "two", settings)
    pictures = load_pictures([tmp_path / "two" / "pairs.csv"], ())
    assert pictures.matched.all()
    assert {group: int((pictures.groups == group).sum()) for group in pictures.groups} == {
        "2026": 8,
        "phone": 4,
    }


def test_a_perfect_autoencoder_gives_the_same_bytes_on_both_sides(
    photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Crop and encoding are therefore the same; only the decoder can make a difference."""
    perfect = Autoencoder("perfect", 1, nn.Identity(), nn.Identity())
    monkeypatch.setattr("fauxto.data.align.pairs.load_autoencoder", lambda name: perfect)
    align(find_photographs(photographs), tmp_path / "pairs", AlignSettings(("perfect",), crop=64, passes=3))
    for real in (tmp_path / "pairs" / "real").iterdir():
        assert real.read_bytes() == (tmp_path / "pairs" / "fake" / real.name).read_bytes()


def test_the_same_seed_gives_the_same_pairs(photographs: Path, small_file: Path, tmp_path: Path) -> None:
    def made(name: str, seed: int) -> list[bytes]:
        settings = AlignSettings((str(small_file),), crop=64, noise=0.5, passes=2, seed=seed)
        align(find_photographs(photographs), tmp_path / name, settings)
        return [
            file.read_bytes()
            for side in ("real", "fake")
            for file in sorted((tmp_path / name / side).iterdir())
        ]

    first = made("a", 1)
    assert first == made("b", 1)
    assert first != made("c", 2)


def test_noise_and_further_passes_lead_away_from_the_photograph() -> None:
    torch.manual_seed(0)
    images = torch.rand(1, 3, 16, 16)
    halving = Autoencoder("halving", 1, lambda x: x, lambda z: 0.5 * z)

    def distance(noise: float, passes: int) -> float:
        copy = halving.reconstruct(images, noise, passes, torch.Generator().manual_seed(0))
        return float((copy - images).abs().mean())

    assert distance(0, 2) > distance(0, 1) > 0
    assert distance(1.0, 1) > distance(0, 1)


def test_autoencoders_take_turns_and_are_told_apart(
    photographs: Path, small_file: Path, distilled: Path, tmp_path: Path
) -> None:
    settings = AlignSettings((str(small_file), str(distilled)), crop=64)
    made = align(find_photographs(photographs), tmp_path / "pairs", settings)
    assert made.pairs == {"small-nearest": 3, "tiny": 3}
    report = json.loads((tmp_path / "pairs" / "align.json").read_text())
    assert report["pairs"] == made.pairs
    assert report["psnr"].keys() == made.pairs.keys()
    assert any("poor" in warning for warning in made.warnings)  # random weights reconstruct nothing


@pytest.mark.parametrize(("channels", "pooled"), [(4, False), (16, False), (32, True)])
def test_every_family_of_distilled_autoencoders_is_read(channels: int, pooled: bool, tmp_path: Path) -> None:
    for part, weights in zip(("encoder", "decoder"), distilled_weights(channels, pooled), strict=True):
        torch.save(weights, tmp_path / f"fam_{part}.pth")
    for part in ("encoder", "decoder"):  # either file will do
        autoencoder = load_autoencoder(str(tmp_path / f"fam_{part}.pth"))
        latents = autoencoder.encode(torch.rand(1, 3, 64, 32))
        assert latents.shape == (1, channels, 8, 4)
        assert autoencoder.decode(latents).shape == (1, 3, 64, 32)
        assert autoencoder.name == "fam"


SHARED = Path(__file__).resolve().parents[2] / ".." / "shared" / "weights"


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared")
def test_published_weights_reconstruct_a_photograph() -> None:
    autoencoder = load_autoencoder(str(SHARED / "taef2_encoder.pth"))
    soft = photograph(1).resize((64, 64)).resize((128, 128), 3)
    images = torch.from_numpy(np.asarray(soft).copy()).permute(2, 0, 1)[None] / 255
    copy = autoencoder.reconstruct(images, 0, 1, torch.Generator())
    assert float((copy - images).pow(2).mean()) < 10**-2.5  # above 25 dB


@pytest.mark.parametrize("upsampler", UPSAMPLERS)
def test_every_upsampler_gives_back_a_picture_of_the_same_size(upsampler: str) -> None:
    net = SmallAutoencoder(upsampler)
    latents = net.encode(torch.rand(1, 3, 64, 32))
    assert latents.shape == (1, 12, 16, 8)
    assert net.decode(latents).shape == (1, 3, 64, 32)


def test_small_autoencoders_learn_the_photographs() -> None:
    crops = np.stack([np.asarray(photograph(seed, 64, 64)) for seed in range(2)])
    images = torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255

    def error(steps: int) -> float:
        net = train_small("shuffle", crops, steps, seed=0)
        return float((net.decode(net.encode(images)) - images).abs().mean())

    assert error(18) < 0.8 * error(1)


def test_a_small_autoencoder_trained_here_can_be_taken_again(photographs: Path, tmp_path: Path) -> None:
    settings = AlignSettings(("small:transposed",), crop=64, steps=2)
    align(find_photographs(photographs), tmp_path / "first", settings)
    kept = tmp_path / "first" / "autoencoders" / "small-transposed.pth"
    again = AlignSettings((str(kept),), crop=64)
    align(find_photographs(photographs), tmp_path / "second", again)
    for name in ("000000.jpg", "000005.jpg"):
        first, second = ((tmp_path / run / "fake" / name).read_bytes() for run in ("first", "second"))
        assert first == second


def test_an_autoencoder_of_diffusers_from_a_folder(photographs: Path, tmp_path: Path) -> None:
    import diffusers

    torch.manual_seed(0)
    vae: Any = diffusers.AutoencoderKL(  # type: ignore[no-untyped-call]
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 8),
        norm_num_groups=4,
    )
    vae.save_pretrained(tmp_path / "repository" / "vae")
    vae.save_pretrained(tmp_path / "alone")
    for folder in ("repository", "alone"):
        autoencoder = load_autoencoder(f"diffusers:{tmp_path / folder}")
        assert (autoencoder.name, autoencoder.stride) == (folder, 2)
    settings = AlignSettings((f"diffusers:{tmp_path / 'alone'}",), crop=64)
    assert align(find_photographs(photographs), tmp_path / "pairs", settings).pairs == {"alone": 6}


def test_ai_classes_are_left_out_and_parquet_or_class_folders_will_do(photographs: Path) -> None:
    for name in ("fake", "real"):
        (photographs / name).mkdir()
        photograph(9).save(photographs / name / "one.png")
    assert len(find_photographs(photographs)) == 7


def test_small_and_broken_photographs_are_counted_and_the_rest_goes_on(
    photographs: Path, small_file: Path, tmp_path: Path
) -> None:
    photograph(1, 60, 200).save(photographs / "narrow.png")
    (photographs / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    made = align(
        find_photographs(photographs), tmp_path / "pairs", AlignSettings((str(small_file),), crop=64)
    )
    assert made.pairs == {"small-nearest": 6}
    assert made.too_small == 1
    assert len(made.unreadable) == 1
    assert "broken.jpg" in made.unreadable[0]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.pth", None, "no such file"),
        ("text_encoder.pth", b"text", "not a readable file of weights"),
        ("plain.pth", {"0.weight": 1.0}, "named like"),
        ("other_encoder.pth", {"0.weight": 1.0}, "its other half"),
        ("small.pth", {"upsampler": "nearest", "weights": {}}, "not a small autoencoder of this version"),
    ],
)
def test_what_is_no_autoencoder_is_named_with_a_remedy(
    name: str, content: object, message: str, tmp_path: Path
) -> None:
    file = tmp_path / name
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content is not None:
        torch.save(content, file)
    with pytest.raises(UsageError, match=message) as raised:
        load_autoencoder(str(file))
    assert name in str(raised.value)


def test_weights_of_another_net_are_refused(distilled: Path) -> None:
    torch.save({"1.weight": torch.zeros(64, 4, 3, 3)}, distilled.with_name("tiny_decoder.pth"))
    with pytest.raises(UsageError, match="not weights of the TAESD family"):
        load_autoencoder(str(distilled))


def test_wrong_settings_and_folders_are_refused(photographs: Path, distilled: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--quality 90 20"):
        AlignSettings(("x",), quality=(90, 20))
    with pytest.raises(UsageError, match="multiple of 8"):
        align(find_photographs(photographs), tmp_path / "a", AlignSettings((str(distilled),), crop=65))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "note.txt").write_text("mine")
    with pytest.raises(UsageError, match="not an empty folder"):
        align(find_photographs(photographs), tmp_path / "full", AlignSettings((str(distilled),)))
    with pytest.raises(DataError, match="try a smaller --crop"):
        align(find_photographs(photographs), tmp_path / "b", AlignSettings((str(distilled),), crop=512))
    (tmp_path / "nothing").mkdir()
    with pytest.raises(DataError, match="no images"):
        find_photographs(tmp_path / "nothing")


def test_the_command_says_what_it_made(
    photographs: Path, small_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ("data", "align", photographs, "--output", tmp_path / "out", "--crop", 64, "--autoencoder")
    first = fauxto(capsys, *command, small_file)
    assert first.code == 0, first.err
    assert "small-nearest: 6 pairs" in first.out
    assert "pairs.csv" in first.out
    again = fauxto(capsys, *command, "no.pth")
    assert again.code == 2
    assert "not an empty folder" in again.err
