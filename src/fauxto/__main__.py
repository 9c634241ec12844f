"""`python -m fauxto` is `fauxto`."""

from fauxto.cli import main

main()
