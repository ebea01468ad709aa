"""Which of many are shown in a picture that has room for three."""

RANKS = ("best", "median", "worst")


def positions(count: int) -> tuple[int, int, int]:
    """Where the best, the median and the worst of so many stand, best first."""
    return 0, (count - 1) // 2, count - 1
