"""Pictures that are no photographs, rendered in numbers: what a gate before a photograph's model learns from.

    python -m fauxto.train.nonphotos --photographs DATA --output nonphotos.parquet

One module a family. Templates, fonts and photographs of `train` and `test` do not overlap, so that the test
shows what the gate does with pages, charts and scenes that it has not seen the like of.
"""
