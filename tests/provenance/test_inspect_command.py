"""`fauxto inspect FILE` shows everything found about one file, and nothing that could harm a terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

import made
from fauxto import Detector
from fauxto.cli.inspect import inspect
from fauxto.images import Limits
from fauxto.provenance.inspect import inspect_bytes

app = typer.Typer()
app.command()(inspect)


def run(path: Path | str, *options: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(app, [str(path), *options], input=stdin, env={"COLUMNS": "200"})


@pytest.fixture
def rich_png(tmp_path: Path) -> Path:
    """A marked PNG with texts, XMP and EXIF."""
    from fauxto.provenance.watermark import MARKS

    xmp = made.packet(attributes='Iptc4xmpExt:DigitalSourceType="trainedAlgorithmicMedia"')
    pixels = made.mark_dwt_dct(made.picture(512, 512), MARKS[0].bits)
    data = made.encode(pixels, exif=made.exif({made.MAKE: "Somebody"}, {made.ISO: 200}))
    extra = made.text("parameters", made.WEBUI) + made.chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp)
    path = tmp_path / "picture.jpg"
    path.write_bytes(data[:-12] + extra + data[-12:])
    return path


def entries(family: list[dict[str, str]]) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in family}


def test_json_holds_raw_values_of_every_family(rich_png: Path) -> None:
    result = run(rich_png, "--format", "json")
    assert result.exit_code == 0
    found: dict[str, Any] = json.loads(result.stdout)
    assert found["container"] == "png"
    assert entries(found["png_text"]) == {"parameters (tEXt)": made.WEBUI}
    assert entries(found["exif"])["IFD0 Make"] == "Somebody"
    assert entries(found["exif"])["Exif ISOSpeedRatings"] == "200"
    assert "trainedAlgorithmicMedia" in entries(found["xmp"]).values()
    assert found["watermark"][0]["matched"] >= 44
    assert len(found["watermark"][0]["bits"]) == 48
    assert {row["source"] for row in found["evidence"]} == {"iptc", "generator", "watermark"}
    assert found["path"].endswith("picture.jpg")


def test_the_table_shows_the_same_to_a_person(rich_png: Path) -> None:
    result = run(rich_png)
    assert result.exit_code == 0
    for word in (
        "png",
        "Somebody",
        "Sampler: Euler a",
        "trainedAlgorithmicMedia",
        "Open watermark",
        "moderate",
    ):
        assert word in result.stdout


def test_a_file_that_says_nothing_is_said_so(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(made.encode(made.picture()))
    result = run(path)
    assert "Evidence: none" in result.stdout
    assert "real" not in result.stdout.lower().split()


def test_iptc_comments_and_samsungs_blocks_are_shown() -> None:
    found = inspect_bytes(made.iim((2, 110, b"A credit")))
    assert [(e.name, e.value) for e in found.iptc] == [("Credit", "A credit")]
    jpeg = made.encode(made.picture(), "JPEG", comment=b"hello") + made.samsung_trailer(Note="{}")
    found = inspect_bytes(jpeg)
    assert found.comments[0].value == "hello"
    assert ("Samsung block Note", "{}") in [(e.name, e.value) for e in found.structure]


def test_terminal_escapes_and_bidi_marks_never_reach_the_terminal(tmp_path: Path) -> None:
    nasty = "\x1b]0;owned\x07\x1b[31mred\u202egnp.exe\x9b5m [bold]markup[/bold]"
    path = tmp_path / "x\x1b[31m.png"
    path.write_bytes(made.with_chunks(made.itext("parameters", nasty), made.itext("a\x1bb", nasty)))
    result = run(path)
    assert result.exit_code == 0
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(result.stdout)
    assert "[bold]markup[/bold]" in result.stdout
    as_json = run(path, "--format", "json")
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(as_json.stdout)
    assert entries(json.loads(as_json.stdout)["png_text"])["parameters (iTXt)"] == nasty


@pytest.mark.parametrize("options", [(), ("--format", "json")])
@pytest.mark.parametrize(
    ("content", "code"), [(None, "not-found"), (b"", "empty"), (b"just a text", "not-an-image")]
)
def test_what_cannot_be_inspected_is_an_error_with_a_remedy(
    tmp_path: Path, content: bytes | None, code: str, options: tuple[str, ...]
) -> None:
    path = tmp_path / "x.png"
    if content is not None:
        path.write_bytes(content)
    result = run(path, *options)
    assert result.exit_code == 2
    assert "x.png" in result.output
    assert "Traceback" not in result.output
    if options:
        assert json.loads(result.stdout)["error"]["code"] == code


def test_standard_input() -> None:
    result = run("-", "--format", "json", stdin=made.png(parameters=made.WEBUI))
    assert json.loads(result.stdout)["evidence"][0]["source"] == "generator"


def test_a_larger_file_is_inspected_where_the_limit_is_raised(tmp_path: Path) -> None:
    data = made.png(parameters=made.WEBUI)
    (tmp_path / "x.png").write_bytes(data)
    for source, stdin in ((tmp_path / "x.png", None), ("-", data)):
        refused = run(source, "--max-bytes", str(len(data) - 1), "--format", "json", stdin=stdin)
        assert refused.exit_code == 2 and json.loads(refused.stdout)["error"]["code"] == "too-large"
        assert run(source, "--max-bytes", str(len(data)), stdin=stdin).exit_code == 0


def test_no_bytes_on_standard_input() -> None:
    result = run("-", "--format", "json", stdin=b"")
    assert result.exit_code == 2 and json.loads(result.stdout)["error"]["code"] == "empty"


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8\xff", made.encode(made.picture(), "JPEG")[:300], bytes(100)]
)
def test_any_bytes_can_be_inspected(data: bytes) -> None:
    json.dumps(inspect_bytes(data).to_json(), allow_nan=False)


def test_ten_thousand_values_are_bounded() -> None:
    data = made.with_chunks(*[made.text(f"k{i}", "v" * 50) for i in range(10_000)])
    found = inspect_bytes(data)
    assert len(found.png_text) == 501
    assert "left out" in found.png_text[-1].value


def test_a_picture_that_a_scan_would_refuse_is_a_problem(tmp_path: Path) -> None:
    data = made.encode(made.picture(64, 64), kind="JPEG")
    (tmp_path / "cut.jpg").write_bytes(data[: len(data) // 2])
    (tmp_path / "whole.jpg").write_bytes(data)
    assert "Problem: the picture: " in run(tmp_path / "cut.jpg").stdout
    assert "Problem" not in run(tmp_path / "whole.jpg").stdout


def test_the_limit_of_pixels_is_an_option(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(made.encode(made.picture(64, 64), kind="JPEG"))
    over = run(tmp_path / "x.jpg", "--max-pixels", str(64 * 64 - 1)).stdout
    assert "raise the limit max_pixels" in over and "Evidence" in over
    assert "Problem" not in run(tmp_path / "x.jpg", "--max-pixels", str(64 * 64)).stdout


@pytest.mark.parametrize("isolate", [False, True])
def test_nothing_over_the_limit_of_pixels_is_decoded(rich_png: Path, isolate: bool) -> None:
    data = rich_png.read_bytes()
    within, over = (
        Detector(limits=Limits(max_pixels=most), isolate=isolate).inspect(data, "x")
        for most in (512 * 512, 512 * 512 - 1)
    )
    assert within["watermark"] and any(row["source"] == "watermark" for row in within["evidence"])
    assert not over["watermark"] and "over the limit" in over["watermark_note"]
    assert all(row["claim"] == "not-checked" for row in over["evidence"] if row["source"] == "watermark")
    assert over["png_text"] == within["png_text"]
