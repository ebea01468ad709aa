"""The one exception a user ever sees."""


class UserError(Exception):
    """A fault the user can mend: one line that names the file, key or value, and the remedy."""
