"""Settings of all tests."""

import gc

from hypothesis import settings

# A loaded machine must not fail a property: how long things may take has its own tests and benchmarks.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

# As jobs have it: most garbage collections look through what libraries hold, and find none.
gc.set_threshold(100_000, 10, 10)
