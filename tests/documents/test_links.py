"""Each link of a document leads to a file that is there, and to a heading in it; each page of docs/ is in mkdocs.yml."""

import re
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "training/README.md", *sorted((ROOT / "docs").rglob("*.md")),
             *sorted((ROOT / "training/docs").glob("*.md"))]
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s#]*)(?:#([^)\s]*))?\)")


def anchors(path: Path) -> set[str]:
    """The headings of a file as GitHub and the site name them."""
    text = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


class Links(unittest.TestCase):
    def test_documents(self) -> None:
        count = 0
        for document in DOCUMENTS:
            text = re.sub(r"^```.*?^```$", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
            for path, anchor in LINK.findall(text):
                target = (document.parent / path).resolve() if path else document
                with self.subTest(document=document.name, link=f"{path}#{anchor}"):
                    self.assertTrue(target.exists())
                    if anchor:
                        self.assertIn(anchor, anchors(target))
                    count += 1
        self.assertGreater(count, 60)

    def test_pages_are_in_the_navigation(self) -> None:
        nav = re.search(r"^nav:\n(.*?)^\w", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE | re.DOTALL)[1]
        listed = re.findall(r": (\S+\.md)$", nav, re.MULTILINE)
        self.assertEqual(len(listed), len(set(listed)))
        for page in (path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")):
            self.assertIn(page, listed)


if __name__ == "__main__":
    unittest.main()
