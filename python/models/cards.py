"""Reads model cards: the Markdown files beside the networks of models/."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from errors import ModelsError

PERCENT = re.compile(r"(\d+(?:\.\d+)?)%")


@dataclass(frozen=True)
class Card:
    """facts: the rows of the first table by their names. layers: those of the table of gates."""

    path: Path
    facts: Mapping[str, str]
    layers: tuple[str, ...]

    def text(self, *names: str) -> str | None:
        """The first of these facts that the card has."""
        return next((self.facts[name] for name in names if name in self.facts), None)

    def share(self, *names: str) -> float | None:
        """A percentage as a share of 1."""
        text = self.text(*names)
        if text is None:
            return None
        found = PERCENT.match(text)
        if not found:
            raise ModelsError(f"{self.path}: '{names[0]}' is no percentage ('{text}'); mend the card")
        digits = found[1].partition(".")[2]
        return round(float(found[1]) / 100, len(digits) + 2)

    def count(self, name: str) -> int | None:
        """The number that a fact begins with; a remark may follow."""
        text = self.text(name)
        if text is None:
            return None
        found = re.match(r"\d[\d,]*(?![\d.])", text)
        if not found:
            raise ModelsError(f"{self.path}: '{name}' is no number ('{text}'); mend the card")
        return int(found[0].replace(",", ""))


def read_card(path: Path) -> Card:
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise ModelsError(
            f"{path}: cannot be read ({error.strerror}); every network of models/ has a card"
        ) from error
    facts: dict[str, str] = {}
    layers: list[str] = []
    of_layers = False
    for line in lines:
        if not line.startswith("|"):
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if set("".join(cells)) <= set("- :"):
            continue
        of_layers = of_layers or cells[0] == "layer"
        if of_layers:
            layers += cells[:1] if cells[0] != "layer" else []
        elif len(cells) >= 2:
            facts[cells[0]] = "|".join(cells[1:]).strip()
    if not facts:
        raise ModelsError(f"{path}: has no table of facts; write it with evaluate.py --card")
    return Card(path, facts, tuple(layers))
