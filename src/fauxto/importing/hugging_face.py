"""A classifier in the Hugging Face layout: config.json, preprocessor_config.json, safetensors or ONNX."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fauxto.errors import BundleError, MissingExtraError, UsageError
from fauxto.importing.answers import Answers, Output, Triple
from fauxto.importing.labels import ai_index, labels_of
from fauxto.importing.onnx_file import OnnxModel, checked_input
from fauxto.models.config import InputConfig
from fauxto.models.files import read_file, read_json

_INTERPOLATIONS = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "hamming"}
_EQUAL = 1e-4
# What two preprocessor_config.json are compared by, and the answers that settle a contradiction about it.
_COMPARED = {
    "image_mean": ("mean",),
    "image_std": ("std",),
    "size": ("side",),
    "crop_size": ("side",),
    "resample": ("interpolation",),
    "do_resize": ("resize",),
    "do_normalize": ("mean", "std"),
    "do_rescale": ("mean", "std"),
}


@dataclass(frozen=True)
class Described:
    """What the source's files say of a detector, after the user's answers.

    Attributes:
        input: the preprocessing.
        output: what the model gives.
        ai_index: the class that is AI-generated, as in a bundle's config.
        probabilities: P(AI-generated), shape (N,), of PIL images, by the source's own pipeline.
        comparable: whether that pipeline prepares images as `input` says, so that scores have to agree.
    """

    input: InputConfig
    output: Output
    ai_index: int
    probabilities: Callable[[Sequence[Image.Image]], NDArray[np.float64]]
    comparable: bool


def describe(folder: Path, name: str, answers: Answers, model: Path) -> Described:
    """Read a source, and write its model as ONNX.

    Args:
        folder: the source.
        name: what errors call it.
        answers: what the user says of it.
        model: where the ONNX file goes.

    Raises:
        UsageError: something is missing, contradicts itself, or needs code of the source; asks or says why.
        MissingExtraError: the extra `import` is not installed.
    """
    config = _described_by(folder, "config.json", name)
    _described_by(folder, "preprocessor_config.json", name)
    weights = _weights(folder, name)
    try:
        import torch  # noqa: F401
        import transformers
    except ImportError:
        raise MissingExtraError("importing a classifier in the Hugging Face layout", "import") from None
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    processor = _processor(folder, name)
    _agree(folder, config, processor, name, answers)
    _settle(processor, answers)
    described = _input(processor, name, answers)
    if answers.ai_index is None:
        labels = labels_of(config, name)
        index = ai_index(labels, name)
    else:
        labels, index = (), answers.ai_index
    if weights.suffix == ".onnx":
        onnx_model = OnnxModel(weights, name)
        model.write_bytes(onnx_model.data)
        classes = onnx_model.run(np.zeros((2, 3, described.side, described.side), np.float32)).shape[1]
        output = answers.output or _output(config, classes, name)
        run = _by_processor(processor, onnx_model, output, index)
    else:
        classifier = _classifier(folder, name)
        classes = int(classifier.config.num_labels)
        output = answers.output or _output(config, classes, name)
        run = _by_pipeline(classifier, processor, classes, index)
        _export(classifier, described.side, model)
    if labels and len(labels) != classes:
        raise UsageError(
            f"{name}: config.json names {len(labels)} classes, the model gives {classes}; say --ai-index"
        )
    if index >= max(classes, 2):
        raise UsageError(f"{name}: --ai-index {index} is none of the model's {classes} classes")
    comparable = answers.output is None and _prepares_as(processor, described, name)
    return Described(described, output, index, run, comparable)


def _described_by(folder: Path, file: str, name: str) -> dict[str, Any]:
    try:
        found = read_json(folder / file)
    except BundleError:
        raise UsageError(
            f"{name}: has no readable {file}; an ONNX file can be imported by itself, with its preprocessing "
            "stated by options"
        ) from None
    if "auto_map" in found:
        raise UsageError(f"{name}: its {file} asks to run code of the source, which is never done")
    return found


def _weights(folder: Path, name: str) -> Path:
    for pattern in ("*.safetensors", "model.onnx", "onnx/model.onnx"):
        found = sorted(folder.glob(pattern))
        if found:
            return found[0]
    pickled = sorted(folder.glob("*.bin")) + sorted(folder.glob("*.pt*"))
    if pickled:
        raise UsageError(
            f"{name}: its weights are a pickle ({pickled[0].name}), which can run code when it is loaded; "
            "take a revision with safetensors, or convert it where you trust it"
        )
    raise UsageError(f"{name}: has no weights as safetensors or ONNX")


def _processor(folder: Path, name: str) -> Any:
    from transformers import AutoImageProcessor

    try:
        # Pillow's arithmetic: the same with torchvision installed and without, and the one that fauxto has.
        return AutoImageProcessor.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, backend="pil"
        )
    except Exception as error:  # any file of a stranger
        raise UsageError(
            f"{name}: transformers does not understand its preprocessor_config.json "
            f"({type(error).__name__}); export the model to ONNX and state its preprocessing"
        ) from error


def _classifier(folder: Path, name: str) -> Any:
    import torch
    from transformers import AutoModelForImageClassification

    try:
        model, info = AutoModelForImageClassification.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
            attn_implementation="eager",
            dtype=torch.float32,
        )
    except Exception as error:  # any file of a stranger
        raise UsageError(
            f"{name}: transformers cannot load it as an image classifier ({type(error).__name__})"
        ) from error
    absent = sorted(info["missing_keys"]) + sorted(str(key) for key in info.get("mismatched_keys", ()))
    if absent:
        raise UsageError(
            f"{name}: its weights do not hold what its config.json says ({absent[0]} and "
            f"{len(absent) - 1} more), so that part would be random"
        )
    return model.eval()


def _agree(folder: Path, config: dict[str, Any], processor: Any, name: str, answers: Answers) -> None:
    """Look for contradictions between the source's files.

    Raises:
        UsageError: there is one that the user's answers do not settle.
    """
    own = config.get("pretrained_cfg", config)
    for key, option, answer in (("mean", "--mean", answers.mean), ("std", "--std", answers.std)):
        stated = own.get(f"image_{key}", own.get(key)) if isinstance(own, dict) else None
        used = list(getattr(processor, f"image_{key}")) if processor.do_normalize else None
        if stated is not None and answer is None and not _same(stated, used):
            raise UsageError(
                f"{name}: config.json says {key} {stated}, preprocessor_config.json {used}; find out which "
                f"the model was trained with, and say {option}"
            )
    size = config.get("image_size")
    final = _final_side(processor)
    if size is not None and final is not None and answers.side is None and not _same(size, final):
        raise UsageError(
            f"{name}: config.json says that images have {size} pixels a side, preprocessor_config.json "
            f"{final}; say --side"
        )
    second = folder / "onnx" / "preprocessor_config.json"
    if second.is_file():
        first, other = read_json(folder / "preprocessor_config.json"), read_json(second)
        for key, settling in _COMPARED.items():
            left = [one for one in settling if getattr(answers, one) is None]
            if left and first.get(key) != other.get(key):
                raise UsageError(
                    f"{name}: its two preprocessor_config.json contradict each other about {key} "
                    f"({first.get(key)} and {other.get(key)}); find out which the model was trained with, "
                    f"and say {' and '.join(f'--{one}' for one in left)}"
                )


def _settle(processor: Any, answers: Answers) -> None:
    """Give the source's processor the normalisation that the user chose: scores stay comparable."""
    if answers.mean is None and answers.std is None:
        return
    scale = 255 * (float(processor.rescale_factor) if processor.do_rescale else 1.0)
    mean, std = _normalisation(processor)
    processor.image_mean = [value * scale for value in answers.mean or mean]
    processor.image_std = [value * scale for value in answers.std or std]
    processor.do_normalize = True


def _normalisation(processor: Any) -> tuple[Triple, Triple]:
    """Mean and standard deviation of pixels in [0, 1], as the processor has them."""
    factor = float(processor.rescale_factor) if processor.do_rescale else 1.0
    mean = processor.image_mean if processor.do_normalize else (0.0, 0.0, 0.0)
    std = processor.image_std if processor.do_normalize else (1.0, 1.0, 1.0)
    # (x * factor - mean) / std is (x / 255 - mean') / std' with both divided by 255 * factor.
    scaled = [tuple(float(value) / (255 * factor) for value in values) for values in (mean, std)]
    return cast("tuple[Triple, Triple]", tuple(scaled))


def _prepares_as(processor: Any, described: InputConfig, name: str) -> bool:
    """Whether the source's own processor does what a bundle's config says."""
    try:
        own = _input(processor, name, Answers())
    except UsageError:  # nothing that a bundle could do
        return False
    numbers = {"mean", "std"}
    return own.model_dump(exclude=numbers) == described.model_dump(exclude=numbers) and all(
        np.allclose(getattr(own, one), getattr(described, one), rtol=1e-9) for one in numbers
    )


def _same(one: Any, other: Any) -> bool:
    try:
        return bool(np.allclose(np.asarray(one, float), np.asarray(other, float), atol=_EQUAL))
    except (TypeError, ValueError):
        return False


def _final_side(processor: Any) -> int | None:
    """The side in pixels that the processor's squares have; None where it gives no squares."""
    for size in (processor.crop_size if _crops(processor) else None, processor.size):
        if size is None:
            continue
        sides = dict(size)
        if sides.get("shortest_edge"):
            return None if not _crops(processor) else int(sides["shortest_edge"])
        return int(sides["height"]) if sides.get("height") == sides.get("width") else None
    return None


def _crops(processor: Any) -> bool:
    return bool(getattr(processor, "do_center_crop", None))


def _input(processor: Any, name: str, answers: Answers) -> InputConfig:
    """The preprocessing as the processor has it, with the user's answers put over it.

    Raises:
        UsageError: it does something that a bundle cannot, and the user has not stated another way.
    """
    extra = [
        key
        for key in ("do_pad", "do_flip_channel_order", "do_thumbnail", "do_split_image")
        if getattr(processor, key, None)
    ]
    sides = dict(processor.size or {})
    side = answers.side or _final_side(processor)
    shortest = sides.get("shortest_edge")
    odd_crop = getattr(processor, "crop_pct", None) is not None
    if extra or side is None or odd_crop or not processor.do_resize:
        what = extra[0] if extra else "crop_pct" if odd_crop else f"size {sides}"
        if not (answers.side and answers.resize):
            raise UsageError(
                f"{name}: its preprocessing ({what}) has no counterpart here; state one by --side, --resize, "
                "--interpolation, --mean and --std"
            )
    resize, resize_side = ("shortest", int(shortest)) if shortest else ("stretch", None)
    if not shortest and _crops(processor) and not _same(sides.get("height"), side):
        raise UsageError(f"{name}: it stretches images to {sides} and then crops; state --resize and --side")
    if answers.resize is not None:
        resize, resize_side = answers.resize, None
    mean, std = _normalisation(processor)
    return checked_input(
        name,
        side=side,
        resize=resize,
        resize_side=answers.resize_side or resize_side,
        interpolation=answers.interpolation or _INTERPOLATIONS[int(processor.resample)],
        antialias=answers.antialias is not False,
        mean=answers.mean or mean,
        std=answers.std or std,
    )


def _output(config: dict[str, Any], classes: int, name: str) -> Output:
    if classes == 1:
        return "logit"
    if config.get("problem_type") not in (None, "single_label_classification"):
        raise UsageError(
            f"{name}: its problem_type is {config['problem_type']}, so its classes do not exclude each "
            "other; say --output-kind"
        )
    return "softmax"


def _by_pipeline(
    classifier: Any, processor: Any, classes: int, index: int
) -> Callable[[Sequence[Image.Image]], NDArray[np.float64]]:
    from transformers import pipeline

    own = pipeline("image-classification", model=classifier, image_processor=processor)
    wanted = classifier.config.id2label[0 if classes == 1 else index]

    def probabilities(images: Sequence[Image.Image]) -> NDArray[np.float64]:
        answers = own(list(images), top_k=None)
        found = [next(row["score"] for row in rows if row["label"] == wanted) for rows in answers]
        high = np.array(found, dtype=np.float64)
        return 1 - high if classes == 1 and index == 0 else high

    return probabilities


def _by_processor(
    processor: Any, model: OnnxModel, output: Output, index: int
) -> Callable[[Sequence[Image.Image]], NDArray[np.float64]]:
    """The source's own preprocessing before its own ONNX file."""

    def probabilities(images: Sequence[Image.Image]) -> NDArray[np.float64]:
        rows = [
            model.run(np.asarray(processor(image, return_tensors="np")["pixel_values"], np.float32))[0]
            for image in images
        ]
        raw = np.stack(rows)
        if output == "softmax":
            weights = np.exp(raw - raw.max(axis=1, keepdims=True))
            return np.asarray(weights[:, index] / weights.sum(axis=1))
        one = raw[:, index] if raw.shape[1] > 1 else raw[:, 0]
        high = one if output == "probability" else 1 / (1 + np.exp(-one))
        return np.asarray(1 - high if raw.shape[1] == 1 and index == 0 else high)

    return probabilities


def _export(classifier: Any, side: int, model: Path) -> None:
    import torch

    from fauxto.models.exporting import to_onnx

    class Logits(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.classifier = classifier

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.classifier(pixel_values=x).logits  # type: ignore[no-any-return]

    to_onnx(Logits().eval(), side, model)


def licence_of(folder: Path) -> tuple[str | None, str]:
    """The licence that a source states in its README's front matter, and the text of its licence file.

    Raises:
        BundleError: one of them is a link, whose text would be somebody else's, or too large.
    """
    stated = None
    readme = folder / "README.md"
    if _is_there(readme):
        front = re.match(r"---\s*\n(.*?)\n---", _text(readme), re.DOTALL)
        found = re.search(r"^license:\s*[\"']?([\w.+-]+)", front[1], re.MULTILINE) if front else None
        stated = found[1] if found else None
    texts = [path for path in sorted(folder.glob("LICEN[SC]E*")) if _is_there(path)]
    return stated, _text(texts[0]) if texts else ""


def _is_there(path: Path) -> bool:
    return path.is_symlink() or path.is_file()


def _text(path: Path) -> str:
    return read_file(path).decode("utf-8", errors="replace").replace("\r\n", "\n")
