"""The model card of an imported detector."""

from __future__ import annotations

from fauxto.models.config import BundleConfig

UNSTATED = "not stated by its source"


def model_card(config: BundleConfig, source: str, difference: float | None, licence_text: str) -> str:
    """What is known of an imported detector, and what is not.

    Args:
        config: of the bundle.
        source: where it came from, with its revision.
        difference: the greatest to the source's own pipeline; None where they were not compared.
        licence_text: of the source's licence file; may be empty.
    """
    picture, thresholds = config.input, config.thresholds
    how = f"shorter side to {picture.resize_side} px, then the centre cropped to"
    if picture.resize != "shortest":
        how = "centre square resized to" if picture.resize == "square" else "stretched to"
    checked = "Scores were not compared with the source's own pipeline: its preprocessing was stated by hand."
    if difference is not None:
        checked = (
            f"Scores differ by at most {difference:.1e} from the source's own pipeline, on 12 drawn pictures."
        )
    lines = [
        f"# {config.name} {config.version}",
        "",
        f"Imported from {source}. Somebody else's detector: fauxto has not measured what it can do.",
        "",
        "**It promises nothing.** Its scores are its own output, and without thresholds it gives neither "
        "`ai` nor `no-sign`, only `uncertain`. `fauxto calibrate DATA --model DIR --max-fpr 0.01` sets "
        "thresholds on your own images and states what they promise.",
        "",
        f"- Input: {how} {picture.side}x{picture.side} px, {picture.interpolation}"
        + ("" if picture.antialias else ", not antialiased")
        + f"; (x / 255 - mean) / std with mean {list(picture.mean)}, std {list(picture.std)}.",
        f"- Output: {config.output}, class {config.ai_index} is AI-generated.",
        f"- {checked}",
        f"- Thresholds chosen on: {thresholds.chosen_on}.",
        f"- Licence: {config.licence}.",
    ]
    if licence_text:
        lines += ["", "## Licence", "", licence_text.strip()]
    return "\n".join(lines) + "\n"
