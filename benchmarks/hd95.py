"""HD95 against medpy, side by side in one run: `PYTHONPATH=workflow/scripts .venv/bin/python benchmarks/hd95.py`.

Masks of (95, 128, 128): a smooth random blob of some 5,000 voxels and the same with its outline disturbed. The two take
turns, so that a drift of the machine's speed hits both; the ratio of the medians is what may be quoted.
"""

import statistics
import time

import numpy as np
from medpy.metric.binary import hd95 as medpy_hd95
from scipy import ndimage

from glioma.metrics.segmentation import hd95

SHAPE = (95, 128, 128)


def blob(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A tumour-like mask and an imperfect copy of it."""
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij"))
    centre = rng.uniform(40, 55, (3, 1, 1, 1))
    noise = ndimage.gaussian_filter(rng.standard_normal((2, *SHAPE)), (0, 4, 4, 4)) * 40
    distance = np.sqrt(((grid - centre) ** 2).sum(axis=0))
    return distance + noise[0] < 12, distance + 0.7 * noise[0] + 0.5 * noise[1] < 12


def main() -> None:
    pairs = [blob(np.random.default_rng(seed)) for seed in range(5)]
    ours, theirs = [], []
    for first, second in pairs:
        start = time.perf_counter()
        value = hd95(first, second)
        middle = time.perf_counter()
        reference = medpy_hd95(first, second)
        end = time.perf_counter()
        assert value == reference, (value, reference)
        ours.append(middle - start)
        theirs.append(end - middle)
    fast, slow = statistics.median(ours), statistics.median(theirs)
    print(
        f"ours {1e3 * fast:.1f} ms, medpy {1e3 * slow:.1f} ms, ratio {slow / fast:.1f}; "
        f"equal values on {len(pairs)} pairs"
    )


if __name__ == "__main__":
    main()
