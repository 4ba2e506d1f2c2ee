"""The code blocks of a document: fenced ones, and those that are indented by four."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TAB = re.compile(r'^=== ".*"\n((?:    .*\n|\n)*)', re.MULTILINE)
INDENTED = re.compile(r"(?:(?<=\n\n)|\A)((?:    .*\n)(?:    .*\n|\n(?=    ))*)", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """`language` is empty where the block is indented, or its fence names none."""

    language: str
    text: str


def blocks(path: Path) -> list[Block]:
    """All blocks of a file of Markdown, in its order but that indented ones come last. A tab of the site has its blocks
    indented: it is read as if it stood at the margin."""
    text = path.read_text(encoding="utf-8") + "\n"
    text = TAB.sub(lambda found: textwrap.dedent(found[1]), text)
    found = [Block(match[1], match[2]) for match in FENCE.finditer(text)]
    return found + [Block("", textwrap.dedent(match[1])) for match in INDENTED.finditer(FENCE.sub("", text))]


def of_language(path: Path, language: str) -> list[str]:
    return [block.text for block in blocks(path) if block.language == language]
