"""Random numbers keyed by name, so that no result depends on order or on the number of workers."""

import hashlib

import numpy as np


def integer(seed: int, *names: object) -> int:
    """A 63-bit integer determined by the seed and the item's own name(s)."""
    digest = hashlib.sha256("/".join(map(str, (seed, *names))).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(seed: int, *names: object) -> np.random.Generator:
    """A numpy generator that belongs to one named item alone."""
    return np.random.default_rng(integer(seed, *names))
