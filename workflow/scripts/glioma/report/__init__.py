"""The report's tables: CSV in, one self-contained HTML page out, a module per subject.

What models answered is untrusted text. Every cell goes through an escaping template; no markup is joined
from strings.
"""
