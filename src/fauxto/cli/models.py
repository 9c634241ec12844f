"""`fauxto models`: the bundles in this installation, with their thresholds and cards."""

from __future__ import annotations

from typing import Annotated

import typer


def models(
    name: Annotated[
        str | None, typer.Argument(help="A model's name or a bundle's folder: print its card.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print configs as JSON.")] = False,
) -> None:
    """List the models, or print the card of one."""
    from fauxto.models import find_bundle, read_config, shipped

    folders = [find_bundle(name)] if name else list(shipped().values())
    configs = [read_config(folder) for folder in folders]
    if as_json:
        import json

        print(json.dumps([config.model_dump(mode="json") for config in configs], indent=2))
        return
    if name:
        print((folders[0] / "MODEL_CARD.md").read_text(encoding="utf-8"))
        return
    for folder, config in zip(folders, configs, strict=True):
        domain, thresholds = config.domain, config.thresholds
        print(
            f"{config.name} {config.version}: {domain.content}; "
            f"sides of {domain.min_side} to {domain.max_side} px"
        )
        if thresholds.fitted:
            print(f"    ai at or above {thresholds.ai:.4f}, no-sign below {thresholds.no_sign:.4f}")
        else:
            print("    thresholds not set: it never says ai until `fauxto calibrate` has set them")
        print(f"    used by --model auto: {'yes' if domain.automatic else 'no'}; licence {config.licence}")
        print(f"    card: {folder / 'MODEL_CARD.md'}")
