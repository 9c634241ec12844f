"""`python -m fauxto`."""

from fauxto.cli import entry

entry()
