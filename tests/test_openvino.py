"""OpenVINO instead of onnxruntime: the same scores, for fauxto's own models, and no word to its maker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from command import fauxto
from fauxto import Detector
from fauxto.adapt.graph import FEATURES
from fauxto.errors import BundleError, MissingExtraError, UsageError
from fauxto.heatmap import contributions
from fauxto.models import load_bundle, shipped
from fauxto.models.golden import golden_images
from fauxto.models.openvino import OpenvinoSession
from fauxto.models.preprocess import batch_input
from fauxto.scan.cluster import Judge
from fauxto.scan.plan import from_state
from scan_runs import stored

THUMBNAILS = Path(__file__).parents[1] / "examples" / "thumbnails"
PICTURE = THUMBNAILS / "cat-32.jpg"


@pytest.mark.parametrize("name", shipped())
def test_golden_scores_and_logits_are_those_of_float32(name: str) -> None:
    # A tenth of what is promised: weights left in half precision alone would use up nearly all of that.
    assert load_bundle(shipped()[name], runtime="openvino").self_test() < 1e-4


@pytest.mark.parametrize("name", ["face", "photo"])
def test_heatmaps_and_features_are_those_of_onnxruntime(name: str) -> None:
    here, there = (load_bundle(shipped()[name], runtime=one) for one in ("onnxruntime", "openvino"))
    square = golden_images(here.config.input.side)[0]
    assert np.abs(contributions(here, square) - contributions(there, square)).max() < 5e-3
    batch = batch_input([square], here.config.input)
    (expected,), (given,) = (bundle.session.run(batch, [FEATURES]) for bundle in (here, there))
    assert given.shape == expected.shape
    assert np.abs(given - expected).max() < 1e-3 * np.abs(expected).max()


def test_a_scan_gives_the_records_of_onnxruntime() -> None:
    pictures = sorted(THUMBNAILS.iterdir())
    expected = list(Detector().scan_many(pictures))
    given = list(Detector(runtime="openvino").scan_many(pictures))
    for one, other in zip(expected, given, strict=True):
        assert one.score is not None and other.score == pytest.approx(one.score, abs=1e-3)
        assert (one.verdict, one.model, one.reason) == (other.verdict, other.model, other.reason)


def test_one_session_may_be_asked_from_several_threads() -> None:
    bundle = load_bundle(shipped()["thumb"], runtime="openvino")
    images = golden_images(32)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda image: bundle.scores([image])[0], images * 4))
    assert found == pytest.approx([*bundle.scores(images)] * 4, abs=1e-5)


def test_a_strangers_bundle_is_refused_for_its_memory_would_not_be_bounded(
    bright_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match="memory"):
        load_bundle(bright_bundle, runtime="openvino")
    with pytest.raises(UsageError, match="memory"):
        Detector(bright_bundle, runtime="openvino")
    for more in ((), ("--output", tmp_path / "out", "--resume")):
        options = ("--model", bright_bundle, "--runtime", "openvino", *more)
        result = fauxto(capsys, "scan", PICTURE, *options)
        assert result.code == 2 and "memory" in result.err and len(result.err.splitlines()) == 1
    assert not (tmp_path / "out" / "_fauxto").exists()
    result = fauxto(capsys, "serve", "--port", 0, "--model", bright_bundle, "--runtime", "openvino")
    assert result.code == 2 and "memory" in result.err


def test_what_is_no_model_is_refused_by_the_check_that_every_model_passes() -> None:
    with pytest.raises(BundleError, match="ONNX file"):
        OpenvinoSession(b"<?xml version='1.0'?><net name='m' version='11'></net>")


def test_a_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtraError, match=r"fauxto\[openvino\]"):
        Detector(runtime="openvino")
    for command in (
        ("scan", PICTURE),
        ("scan", PICTURE, "--output", tmp_path / "out", "--resume"),
        ("info", "--self-test"),
        ("evaluate", THUMBNAILS, "--model", "thumb", "--output", tmp_path / "evaluated"),
    ):
        result = fauxto(capsys, *command, "--runtime", "openvino")
        assert result.code == 2 and "fauxto[openvino]" in result.err, command


def test_nothing_is_written_and_no_address_is_asked_for(tmp_path: Path) -> None:
    """By itself OpenVINO reports each import, with a number for this user that it keeps at home."""
    code = (
        "import socket, sys\n"
        "def refuse(*arguments, **_): print('asked for', arguments, file=sys.stderr)\n"
        "socket.getaddrinfo = socket.create_connection = refuse\n"
        "from fauxto.cli import main\n"
        f"sys.argv = ['fauxto', 'scan', {str(PICTURE)!r}, '--runtime', 'openvino', '--format', 'jsonl']\n"
        "try: main()\n"
        "finally: print(*(name for name in sys.modules if 'telemetry' in name), file=sys.stderr)\n"
    )
    # Where OpenVINO sees continuous integration it is quiet; it must be quiet for everybody.
    silent = ("CI", "TF_BUILD", "JENKINS_URL")
    environment = {k: v for k, v in os.environ.items() if k not in silent} | {"HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0 and json.loads(done.stdout)["status"] == "ok"
    assert "asked for" not in done.stderr and "telemetry" not in done.stderr, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_conversion_tools_of_openvino_can_still_be_imported_by_whoever_wants_them() -> None:
    code = (
        "from fauxto.models.openvino import import_openvino\n"
        "import_openvino()\n"
        "import sys\n"
        "assert 'openvino.tools.ovc' not in sys.modules\n"
        "from openvino.tools.ovc import convert_model\n"
        "assert callable(convert_model)\n"
    )
    environment = os.environ | {"CI": "true"}  # here it is asked for, and told to be quiet
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr


def test_a_scan_that_began_with_one_runtime_does_not_go_on_with_another(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    scan = ("scan", PICTURE, "--model", "thumb", "--output", tmp_path / "out", "--resume")
    assert fauxto(capsys, *scan, "--runtime", "openvino").code == 0
    result = fauxto(capsys, *scan)
    assert result.code == 2 and "--runtime openvino, not onnxruntime" in result.err
    assert fauxto(capsys, *scan, "--runtime", "openvino").code == 0


def test_a_worker_of_a_cluster_computes_with_the_runtime_of_the_driver(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = ("scan", THUMBNAILS, "--model", "thumb", "--output", tmp_path / "out", "--resume")
    assert fauxto(capsys, *scan, "--runtime", "openvino").code == 0
    state = json.loads((tmp_path / "out" / "_fauxto" / "state.json").read_text("utf-8"))
    plan = from_state(state, tmp_path / "out" / "_fauxto" / "inputs.jsonl.gz")
    worker = Judge()
    assert worker.begin(plan.options) is None
    (partition,) = plan.partitions()
    given = [json.loads(line) for part in worker.judge(partition, 0).parts for line in part.data.splitlines()]
    for one, other in zip(given, stored(tmp_path / "out"), strict=True):
        score = one.pop("score")
        assert score == pytest.approx(other.pop("score"), abs=1e-6)
        assert one == other
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert "fauxto[openvino]" in (Judge().begin(plan.options) or "")


def test_the_self_test_runs_where_it_is_told_to(capsys: pytest.CaptureFixture[str]) -> None:
    result = fauxto(capsys, "info", "--self-test", "--runtime", "openvino")
    assert result.code == 0 and result.out.count("self-test passed") == len(shipped())
    assert "openvino 20" in result.out
    result = fauxto(capsys, "info", "--runtime", "openvino")
    assert result.code == 2 and "--self-test" in result.err
