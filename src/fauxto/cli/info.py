"""`fauxto info`: versions, formats and limits, and whether this machine computes what was measured."""

from __future__ import annotations

from typing import Annotated

import typer

from fauxto.cli import Runtime


def info(
    self_test: Annotated[
        bool, typer.Option("--self-test", help="Score the golden images of every model on this processor.")
    ] = False,
    runtime: Annotated[Runtime, typer.Option(help="What computes the self-test.")] = Runtime.onnxruntime,
) -> None:
    """Print versions, formats, limits and models."""
    import platform
    from importlib.metadata import version
    from importlib.util import find_spec

    from fauxto import Limits, UsageError, __version__
    from fauxto.images import formats
    from fauxto.models import load_bundle, read_config, shipped
    from fauxto.models.threads import usable_cores

    if runtime is not Runtime.onnxruntime and not self_test:
        raise UsageError("--runtime says what computes the self-test; add --self-test")
    limits = Limits()
    machine = f"Python {platform.python_version()}, {platform.machine()}, {usable_cores()} cores"
    print(f"fauxto {__version__} on {machine}")
    optional = ("openvino",) if find_spec("openvino") else ()
    for library in ("onnxruntime", *optional, "pillow", "pi-heif", "c2pa-python", "numpy"):
        print(f"    {library} {version(library)}")
    print("formats:")
    for support in formats():
        decoder = support.decoder or "not available here"
        print(f"    {support.name} ({', '.join(support.extensions)}): {decoder}")
    print(f"limits: {limits.max_pixels} pixels, {limits.max_bytes} bytes an image")
    print("models:")
    for folder in shipped().values():
        config = read_config(folder)
        line = f"    {config.name} {config.version}"
        if self_test:
            difference = load_bundle(folder, runtime=runtime.value).self_test()
            line += f": self-test passed, greatest difference to the golden scores {difference:.1e}"
        print(line)
