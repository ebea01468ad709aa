"""The report's figures, a module per subject; every function draws, saves and returns one matplotlib figure.

Nothing here goes through pyplot: no global state, no display, equal data give equal bytes.
"""
