"""The one error that the command line prints as a single line."""


class SyntheticError(Exception):
    """Options that cannot be used: the message says which and what to do about it."""
