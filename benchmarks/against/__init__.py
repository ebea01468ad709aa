"""This workflow beside other tools, a module each kind of work; `benchmark.py` runs them."""
