"""The classes of ILSVRC-2012: WordNet's synsets, in the order of its networks' scores."""

from __future__ import annotations

from pathlib import Path

SYNSETS = tuple(Path(__file__).with_name("ilsvrc2012_synsets.txt").read_text().split())
# The place of each synset among the scores.
PLACES = {synset: place for place, synset in enumerate(SYNSETS)}
