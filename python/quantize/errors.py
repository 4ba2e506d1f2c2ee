"""The one error that the command line prints as a single line."""


class QuantizeError(Exception):
    """What cannot be done: the message names the file, the fault and what to do about it."""
