"""What the trivial methods are called, and what each delivers, see `tasks.Task.output`."""

BASELINES = {
    "always HGG": {"grade"},
    "site majority": {"grade"},
    "FLAIR threshold": {"region"},
    "mean training box": {"region", "point"},
    "whole frame": {"region"},
    "image centre": {"point"},
}
BY_SITE = "site majority"
"""It needs sites, and looks at no crop."""
CEILING = "true mask (ceiling)"
"""The baseline that is no method: the true mask's own centre, box or polygon."""
