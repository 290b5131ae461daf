"""`python -m hista_repro` is the command `hista-repro`."""

import sys

from hista_repro.cli import main

sys.exit(main())
