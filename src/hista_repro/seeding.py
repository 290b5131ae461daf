"""Seeds derived from names, so that a unit of work draws the same numbers whoever runs it, in whatever order, after any restart."""

import hashlib


def derive_seed(seed: int, *names: object) -> int:
    """A seed in [0, 2**63) for the unit of work called `names` under the run's `seed`.

    Stable across processes and Python versions (SHA-256, not `hash`), and different for different names: ("a", "bc") is not ("ab", "c").
    """
    text = "\x1f".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
