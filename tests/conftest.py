"""Settings of all tests."""

from hypothesis import settings

# A loaded machine must not fail a property: how long things may take has its own tests and benchmarks.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
