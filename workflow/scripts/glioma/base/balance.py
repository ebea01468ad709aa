"""How many samples there are once the rarer labels are repeated as often as the commonest."""

from collections.abc import Sequence


def size(counts: Sequence[float], balanced: bool = True) -> float:
    """Samples in all, from the number of samples of each label; labels without any are none."""
    present = [count for count in counts if count]
    return max(present, default=0) * len(present) if balanced else sum(present)
