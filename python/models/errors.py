"""What these programs report in one line."""


class ModelsError(Exception):
    """Names the file, what is wrong with it, and what to do."""
