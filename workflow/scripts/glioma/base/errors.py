"""The one exception a user ever sees."""


class UserError(Exception):
    """An error the user can fix: one line that names the file, key or value, and the remedy."""
