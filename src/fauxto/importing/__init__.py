"""Other people's detectors, as bundles: `fauxto models import`. Needs the extra `import` for most sources."""

from __future__ import annotations

from fauxto.importing.answers import Answers
from fauxto.importing.run import Imported, import_detector

__all__ = ["Answers", "Imported", "import_detector"]
