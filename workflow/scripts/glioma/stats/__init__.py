"""Intervals, effects and paired tests of arrays; nothing here knows a table of the workflow."""
