"""`python -m evalharness`, where the command itself is not on the path."""

from evalharness.cli import main

main()
