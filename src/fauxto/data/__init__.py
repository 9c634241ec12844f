"""Labelled images in: class folders, Hugging Face parquet and CSV; splits, arrays, checks, downloads.

Importable without torch; pyarrow, scikit-learn and kagglehub are imported where they are needed.
"""

from fauxto.data.arrays import SmallArrays, decode_small, decode_squares
from fauxto.data.checks import CheckReport, check
from fauxto.data.dataset import Dataset, Item, fingerprint
from fauxto.data.kaggle import download
from fauxto.data.loading import load
from fauxto.data.shortcut import ShortcutReport, shortcut_test
from fauxto.data.splits import split

__all__ = [
    "CheckReport",
    "Dataset",
    "Item",
    "ShortcutReport",
    "SmallArrays",
    "check",
    "decode_small",
    "decode_squares",
    "download",
    "fingerprint",
    "load",
    "shortcut_test",
    "split",
]
