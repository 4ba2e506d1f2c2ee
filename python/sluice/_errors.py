"""What every failure raises."""

from __future__ import annotations


class Error(Exception):
    """A failure: str() is one line, "file: node: what; remedy", of the fields that are not empty.

    Attributes:
        file: Path of the model.
        node: The ONNX node, as "name (Op)", or the input or output.
        what: The fault.
        remedy: What the caller can do.
    """

    def __init__(self, message: str, file: str = "", node: str = "", what: str = "",
                 remedy: str = "") -> None:
        super().__init__(message, file, node, what, remedy)  # args, from which pickle makes it again
        self.file = file
        self.node = node
        self.what = what or message
        self.remedy = remedy

    def __str__(self) -> str:
        return str(self.args[0])


def failure(what: str, remedy: str, file: str = "", node: str = "") -> Error:
    """The Error whose message is made of these fields."""
    places = "".join(f"{place}: " for place in (file, node) if place)
    return Error(f"{places}{what}; {remedy}", file, node, what, remedy)
