"""`python -m stream.cli` is `vigil`."""

from stream.cli import main

main()
