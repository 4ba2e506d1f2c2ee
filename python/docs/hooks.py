"""Hooks of mkdocs.yml: pages that lie outside docs/, links between them, and the reference of the headers."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from headers import HeadersError, c_page, cpp_page, read_headers
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

CHECKOUT = Path(__file__).resolve().parents[2]
HEADERS = CHECKOUT / "runtime/include/sluice"
# Files of the checkout that the site has too, by their place in the site.
OUTSIDE = {
    "index.md": "README.md",
    "changelog.md": "CHANGELOG.md",
    "training.md": "training/README.md",
    "recipes.md": "training/docs/recipes.md",
    "accuracy.png": "training/docs/accuracy.png",
    "LICENSE.txt": "LICENSE",
    "NOTICE.txt": "NOTICE",
    "index.json": "models/index.json",
}
SITE = {source: place for place, source in OUTSIDE.items()}
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)\s#]+)(#[^)\s]*)?\)")
LINKED_TEXT = re.compile(r"(?<!!)\[([^\[\]]*)\]\((?!https?:|mailto:|#)([^)\s#]+)(#[^)\s]*)?\)")
REFERENCE = {"reference/c.md": "<!-- sluice.h -->", "reference/cpp.md": "<!-- the C++ headers -->"}


def on_files(files: Files, config: Any) -> Files:
    """Adds the files of OUTSIDE."""
    for place, source in OUTSIDE.items():
        files.append(File.generated(config, place, content=(CHECKOUT / source).read_bytes()))
    return files


def on_page_markdown(markdown: str, page: Page, config: Any, files: Files) -> str:
    """Writes links as the site has their targets, and the reference."""
    if page.file.src_uri in REFERENCE:
        return _with_reference(markdown, page.file.src_uri)
    source = OUTSIDE.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    return "".join(part if part.startswith("```") else _relinked(part, source, page.file.src_uri)
                   for part in re.split(r"(^```.*?^```$)", markdown, flags=re.MULTILINE | re.DOTALL))


def _with_reference(markdown: str, place: str) -> str:
    try:
        compounds = read_headers(HEADERS)
        page = (c_page(compounds, HEADERS / "sluice.h") if place == "reference/c.md" else
                cpp_page(compounds, [HEADERS / f"{name}.h" for name in ("model", "session", "tensor", "status")]))
    except HeadersError as error:
        raise PluginError(str(error)) from error
    if REFERENCE[place] not in markdown:
        raise PluginError(f"docs/{place}: lacks the line '{REFERENCE[place]}'")
    return markdown.replace(REFERENCE[place], page)


def _relinked(markdown: str, source: str, place: str) -> str:
    """Links are written for the checkout. A file that the site lacks keeps its name, and no link."""

    def target(path: str) -> str | None:
        wanted = os.path.normpath(os.path.join(os.path.dirname(source), path))
        if not (CHECKOUT / wanted).exists():
            raise PluginError(f"{source}: links to {path}, which is not there")
        found = SITE.get(wanted, wanted.removeprefix("docs/") if wanted.startswith("docs/") else None)
        return None if found is None else os.path.relpath(found, os.path.dirname(place) or ".")

    def unlinked(found: re.Match[str]) -> str:
        return found[0] if target(found[2]) else found[1]

    return LINK.sub(lambda found: f"]({target(found[1])}{found[2] or ''})", LINKED_TEXT.sub(unlinked, markdown))
