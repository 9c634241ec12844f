"""A bundle is data that is checked before it is used, and its scores are the same everywhere."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import resource
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from fauxto.errors import BundleError, UsageError
from fauxto.models import files, find_bundle, load_bundle, read_config, shipped
from fauxto.models.files import FILES, pins
from fauxto.models.golden import golden_images
from fauxto.models.graph import MAX_NODES, check_graph
from fauxto.models.session import open_session
from tiny_bundle import write_bundle


@pytest.fixture
def copy(bright_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bright_bundle, tmp_path / "copy"))


def test_score_is_the_calibrated_probability(bright_bundle: Path) -> None:
    images = [np.full((16, 16, 3), value, dtype=np.uint8) for value in (0, 255)]
    black, white = load_bundle(bright_bundle).scores(images)
    assert black == pytest.approx(1 / (1 + np.exp(4)), abs=1e-6)
    assert white == pytest.approx(1 / (1 + np.exp(-4)), abs=1e-6)


def test_calibration_moves_the_score(tmp_path: Path) -> None:
    calibration = {"slope": 0.5, "intercept": 1.0, "fitted_on": "x"}
    bundle = load_bundle(write_bundle(tmp_path / "b", calibration=calibration))
    (white,) = bundle.scores([np.full((16, 16, 3), 255, dtype=np.uint8)])
    assert white == pytest.approx(1 / (1 + np.exp(-(0.5 * 4 + 1))), abs=1e-6)


@pytest.mark.parametrize("missing", FILES)
def test_missing_file_is_named(copy: Path, missing: str) -> None:
    (copy / missing).unlink()
    with pytest.raises(BundleError, match=missing):
        load_bundle(copy)


def test_changed_model_is_refused(copy: Path) -> None:
    model = bytearray((copy / "model.onnx").read_bytes())
    model[len(model) // 2] ^= 1
    (copy / "model.onnx").write_bytes(model)
    with pytest.raises(BundleError, match="does not match its hash"):
        load_bundle(copy)


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("thresholds", {"ai": 0.2, "no_sign": 0.3, "max_fpr": 0, "max_miss": 0, "chosen_on": ""}, "no-sign"),
        (
            "thresholds",
            {"ai": 1.5, "no_sign": 0.3, "max_fpr": 0, "max_miss": 0, "chosen_on": ""},
            "thresholds.ai",
        ),
        ("calibration", {"slope": float("nan"), "intercept": 0, "fitted_on": ""}, "calibration.slope"),
        (
            "domain",
            {"min_side": 100, "max_side": 50, "content": "", "automatic": False},
            "domain: .*min_side 100 .*max_side 50",
        ),
        ("format", 2, "format"),
        ("surprise", 1, "surprise"),
    ],
)
def test_invalid_config_is_refused_by_field(tmp_path: Path, field: str, value: object, named: str) -> None:
    with pytest.raises(BundleError, match=named):
        read_config(write_bundle(tmp_path / "b", **{field: value}))


def test_config_that_is_no_json_is_refused(copy: Path) -> None:
    (copy / "config.json").write_text("{")
    with pytest.raises(BundleError, match=r"config\.json.*not valid JSON"):
        read_config(copy)


def test_self_test_notices_a_runtime_that_computes_something_else(copy: Path) -> None:
    bundle = load_bundle(copy)
    assert bundle.self_test() < 1e-5
    golden = json.loads((copy / "golden.json").read_text())
    golden["scores"][0] += 0.01
    (copy / "golden.json").write_text(json.dumps(golden))
    with pytest.raises(BundleError, match="differ"):
        bundle.self_test()


def test_unknown_model_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match="thumb"):
        find_bundle("no-such-model")


@pytest.mark.parametrize("name", shipped())
def test_shipped_bundle_gives_its_golden_scores_here(name: str) -> None:
    assert load_bundle(shipped()[name]).self_test() < 1e-3


def test_thumb_is_shipped() -> None:
    assert "thumb" in shipped()


# A bundle is data, not code


def rehashed(bundle: Path, model: onnx.ModelProto) -> Path:
    """The bundle with another model, its hash in order, as its author would have made it."""
    data = model.SerializeToString()
    (bundle / "model.onnx").write_bytes(data)
    config = json.loads((bundle / "config.json").read_text())
    config["model_sha256"] = hashlib.sha256(data).hexdigest()
    (bundle / "config.json").write_text(json.dumps(config))
    return bundle


def model_of(bundle: Path) -> onnx.ModelProto:
    return onnx.load_model_from_string((bundle / "model.onnx").read_bytes())


def external(tensor: onnx.TensorProto, location: str) -> None:
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)


@pytest.mark.parametrize("location", ["secret.bin", "../secret.bin", "/etc/hostname"])
def test_weights_in_another_file_are_refused(
    copy: Path, monkeypatch: pytest.MonkeyPatch, location: str
) -> None:
    monkeypatch.chdir(copy)
    for folder in (copy, copy.parent):
        (folder / "secret.bin").write_bytes(bytes(64))
    model = model_of(copy)
    external(model.graph.initializer[1], location)
    with pytest.raises(BundleError, match="keeps weights in another file"):
        load_bundle(rehashed(copy, model))


def test_weights_in_another_file_are_refused_within_a_branch_and_an_attribute(copy: Path) -> None:
    model = model_of(copy)
    tensor = numpy_helper.from_array(np.zeros(1, np.float32), "hidden")
    external(tensor, "secret.bin")
    inner = helper.make_graph([helper.make_node("Constant", [], ["c"], value=tensor)], "inner", [], [])
    model.graph.node.append(helper.make_node("If", ["gain"], ["x"], then_branch=inner, else_branch=inner))
    with pytest.raises(BundleError, match="keeps weights in another file"):
        load_bundle(rehashed(copy, model))


@pytest.mark.parametrize("domain", ["com.example", "ai.onnx.contrib", "com.microsoft"])
def test_operators_from_elsewhere_are_refused(copy: Path, domain: str) -> None:
    model = model_of(copy)
    model.graph.node[0].domain = domain
    model.opset_import.append(helper.make_opsetid(domain, 1))
    with pytest.raises(BundleError, match=re.escape(domain)):
        load_bundle(rehashed(copy, model))


def test_a_graph_nested_without_end_is_refused(copy: Path) -> None:
    def field(number: int, content: bytes) -> bytes:
        size, rest = b"", len(content)
        while rest > 0x7F:
            size, rest = size + bytes([rest & 0x7F | 0x80]), rest >> 7
        return bytes([number << 3 | 2]) + size + bytes([rest]) + content

    graph = b""
    for _ in range(5_000):
        graph = field(1, field(5, field(6, graph)))
    with pytest.raises(BundleError, match="nested without end"):
        check_graph(field(7, graph))


@pytest.mark.parametrize("operator", ["Loop", "Scan", "SequenceMap"])
def test_a_model_that_repeats_steps_as_often_as_it_likes_is_refused(copy: Path, operator: str) -> None:
    model = model_of(copy)
    body = helper.make_graph([helper.make_node("Identity", ["c"], ["d"])], "body", [], [])
    endless = helper.make_graph([helper.make_node(operator, ["n", "c"], ["x"], body=body)], "inner", [], [])
    model.graph.node.append(helper.make_node("If", ["gain"], ["x"], then_branch=endless, else_branch=endless))
    with pytest.raises(BundleError, match=rf"repeats steps.*{operator}"):
        load_bundle(rehashed(copy, model))


def called(model: onnx.ModelProto, calls: dict[str, list[str]]) -> onnx.ModelProto:
    """The model with functions that call each other, and a last step that calls the last of them."""
    imports = [helper.make_opsetid("", 18), helper.make_opsetid("me", 1)]
    for name, names in calls.items():
        nodes = [
            helper.make_node(one, ["x"], ["y"], domain="" if one == "Identity" else "me") for one in names
        ]
        model.functions.append(helper.make_function("me", name, ["x"], ["y"], nodes, imports))
    model.opset_import.append(imports[1])
    model.graph.node.append(helper.make_node(list(calls)[-1], ["gain"], ["unused"], domain="me"))
    return model


def test_functions_that_the_file_defines_may_be_called(copy: Path) -> None:
    bundle = rehashed(copy, called(model_of(copy), {"f0": ["Identity"], "f1": ["f0"]}))
    assert load_bundle(bundle).self_test() < 1e-3


def test_functions_that_grow_without_end_are_refused_before_they_are_written_out(copy: Path) -> None:
    calls = {"f0": ["Identity"]} | {f"f{level}": [f"f{level - 1}"] * 2 for level in range(1, 24)}
    with pytest.raises(BundleError, match="steps"):
        load_bundle(rehashed(copy, called(model_of(copy), calls)))


@pytest.mark.parametrize("calls", [{"f": ["f"]}, {"f": ["g"], "g": ["f"]}])
def test_functions_that_call_themselves_are_refused(copy: Path, calls: dict[str, list[str]]) -> None:
    with pytest.raises(BundleError, match="call each other without end"):
        load_bundle(rehashed(copy, called(model_of(copy), calls)))


def test_a_graph_of_too_many_steps_is_refused(copy: Path) -> None:
    model = model_of(copy)
    step = helper.make_node("Identity", ["gain"], ["unused"])
    model.graph.node.extend([step] * (MAX_NODES + 1))
    with pytest.raises(BundleError, match="steps"):
        load_bundle(rehashed(copy, model))


def test_memory_that_a_model_asks_for_is_bounded(copy: Path) -> None:
    model = model_of(copy)
    model.graph.initializer.append(numpy_helper.from_array(np.array([1 << 34], np.int64), "shape"))
    logit, last = model.graph.output[0].name, model.graph.node[-1]
    last.output[0] = "small"
    model.graph.node.extend(
        [
            helper.make_node("ConstantOfShape", ["shape"], ["giant"]),
            helper.make_node("ReduceSum", ["giant"], ["total"], keepdims=0),
            helper.make_node("Add", ["small", "total"], [logit]),
        ]
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BundleError, match="batch of images"):
        load_bundle(rehashed(copy, model)).scores([np.zeros((16, 16, 3), np.uint8)])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1 << 20  # kB: of its 64 GB not one


def test_the_runtimes_own_format_which_nobody_checked_is_refused(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "model.ort")
    options.add_session_config_entry("session.save_model_format", "ORT")
    onnxruntime.InferenceSession(copy / "model.onnx", options, providers=["CPUExecutionProvider"])
    data = (tmp_path / "model.ort").read_bytes()
    onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])  # by itself it takes it
    with pytest.raises(BundleError, match="ONNX file"):
        open_session(data)
    monkeypatch.setattr(
        "fauxto.models.graph.check_graph", lambda model: None
    )  # as if a file were of both formats
    with pytest.raises(BundleError, match="cannot load it"):
        open_session(data)


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_check_of_a_graph(data: bytes) -> None:
    with contextlib.suppress(BundleError):
        check_graph(data)


@pytest.mark.parametrize("name", FILES)
def test_a_symbolic_link_is_refused(copy: Path, tmp_path: Path, name: str) -> None:
    shutil.move(copy / name, tmp_path / "elsewhere")
    (copy / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BundleError, match="symbolic link"):
        load_bundle(copy)


@pytest.mark.parametrize("name", FILES)
def test_a_pipe_is_refused_and_does_not_hang(copy: Path, name: str) -> None:
    (copy / name).unlink()
    os.mkfifo(copy / name)
    with pytest.raises(BundleError, match="not a regular file"):
        load_bundle(copy)


@pytest.mark.parametrize("name", FILES)
def test_a_giant_is_refused_before_it_is_read(copy: Path, name: str) -> None:
    os.truncate(copy / name, 2 << 30)
    with pytest.raises(BundleError, match="over the limit"):
        load_bundle(copy)


def test_json_nested_without_end_is_refused(copy: Path) -> None:
    (copy / "config.json").write_text('{"a":' * 100_000)
    with pytest.raises(BundleError, match="not valid JSON"):
        read_config(copy)


def test_a_model_of_other_shapes_is_an_error_of_the_bundle(copy: Path) -> None:
    model = model_of(copy)
    model.graph.input.append(helper.make_tensor_value_info("other", TensorProto.FLOAT, [1]))
    bundle = load_bundle(rehashed(copy, model))
    with pytest.raises(BundleError, match="batch of images"):
        bundle.scores([np.zeros((16, 16, 3), np.uint8)])


def test_a_saturated_score_does_not_hide_another_logit(copy: Path) -> None:
    golden = json.loads((copy / "golden.json").read_text())
    bundle = load_bundle(copy)
    logits = bundle.logits(golden_images(bundle.config.input.side)).tolist()
    (copy / "golden.json").write_text(json.dumps(golden | {"logits": logits}))
    assert load_bundle(copy).self_test() < 1e-5
    logits[3] += 0.01 * max(1.0, abs(logits[3]))
    (copy / "golden.json").write_text(json.dumps(golden | {"logits": logits}))
    with pytest.raises(BundleError, match="differ"):
        load_bundle(copy).self_test()


@pytest.mark.parametrize(
    "golden", [{}, {"scores": [0.0] * 12, "logits": [1]}, {"scores": "x"}, {"scores": [1]}]
)
def test_broken_golden_scores_are_an_error_of_the_bundle(copy: Path, golden: object) -> None:
    (copy / "golden.json").write_text(json.dumps(golden))
    with pytest.raises(BundleError, match="golden scores"):
        load_bundle(copy).self_test()


def test_every_shipped_file_is_the_pinned_one() -> None:
    found = {
        f"{name}/{file}": hashlib.sha256((folder / file).read_bytes()).hexdigest()
        for name, folder in shipped().items()
        for file in FILES
    }
    assert found == pins(), "after a change of a shipped bundle: make pins"


@pytest.mark.parametrize("name", ["model.onnx", "config.json"])
def test_a_shipped_bundle_that_was_changed_is_refused(
    copy: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(files, "_HERE", copy.parent)
    right = {f"copy/{one}": hashlib.sha256((copy / one).read_bytes()).hexdigest() for one in FILES}
    monkeypatch.setattr(files, "pins", lambda: right)
    load_bundle(copy)
    monkeypatch.setattr(files, "pins", lambda: {**right, f"copy/{name}": "0" * 64})
    with pytest.raises(BundleError, match="not the file that was released"):
        load_bundle(copy)
