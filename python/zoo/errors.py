"""The one error that the command line prints as a single line."""


class ZooError(Exception):
    """What cannot be done: the message names the network, the fault and what to do about it."""
