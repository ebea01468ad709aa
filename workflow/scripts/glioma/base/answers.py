"""What a table of answers holds, whichever kind of method gave them.

It stands below tasks and networks, so that a network need not be trained again when a parser is edited.
"""

LABELS = ("LGG", "HGG", "no glioma")
"""What the choices 0, 1 and 2 stand for in our tables, and in a prompt that says nothing else."""

COLUMNS = (
    "patient", "orientation", "slice", "repeat", "status", "choice", "points", "p_hgg", "likeliest", "text_length",
)  # fmt: skip
"""Of a table of answers, one row an answer; `tasks.answers_table` says what they mean."""
