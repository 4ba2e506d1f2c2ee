"""The C and C++ headers of runtime/include as Markdown, from what Doxygen reads in them."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

Element = ElementTree.Element
# The C header has plain comments, as C programs do: Doxygen is shown them as its own.
DOXYFILE = r"""
INPUT = "{headers}"
OUTPUT_DIRECTORY = "{output}"
GENERATE_HTML = NO
GENERATE_LATEX = NO
GENERATE_XML = YES
XML_PROGRAMLISTING = NO
EXTRACT_ALL = YES
AUTOLINK_SUPPORT = NO
SORT_MEMBER_DOCS = NO
QUIET = YES
WARN_IF_UNDOCUMENTED = NO
WARN_AS_ERROR = YES
MACRO_EXPANSION = YES
EXPAND_ONLY_PREDEF = YES
PREDEFINED = SLUICE_API=
FILTER_PATTERNS = "*/sluice.h=sed -E 's,^( *)/\* ([^-]),\1/** \2,; s,; /\* ,; /**< ,'"
"""
SECTION = re.compile(r"^/\* ---- (.*?) -+ \*/$", re.MULTILINE)
LONGEST_LINE = 88


@dataclass
class Item:
    """A declaration, or several that one comment describes."""

    line: int
    names: list[str]
    code: list[str]
    text: str = ""
    table: list[str] = field(default_factory=list)

    def markdown(self, language: str, anchor: str) -> str:
        code = "\n".join([f"```{language}", *self.code, "```"])
        marks = "".join(f'<a id="{anchor}{name}"></a>' for name in dict.fromkeys(self.names))
        return "\n\n".join(part for part in (marks, code, self.text, "\n".join(self.table)) if part)


class HeadersError(Exception):
    """What Doxygen did not understand, or what is missing from the page."""


def read_headers(headers: Path) -> dict[str, Element]:
    """The compounds that Doxygen finds in a folder's headers, by their names: files, structs, classes."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "Doxyfile").write_text(DOXYFILE.format(headers=headers, output=folder))
        done = subprocess.run(["doxygen", "Doxyfile"], cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise HeadersError(f"{headers}: doxygen: {done.stderr.strip()}")
        roots = [ElementTree.parse(path).getroot() for path in sorted(Path(folder, "xml").glob("*.xml"))]
    compounds = [compound for root in roots for compound in root.iter("compounddef")]
    return {compound.findtext("compoundname", ""): compound for compound in compounds}


# ---- Comments ------------------------------------------------------------------------------------


def _inline(element: Element) -> str:
    """The text of a paragraph, without what stands in it as a block."""
    parts = [element.text or ""]
    for child in element:
        if child.tag == "computeroutput":
            parts.append(f"`{''.join(child.itertext())}`")
        elif child.tag not in ("itemizedlist", "parametername"):
            parts.append(_inline(child))
        parts.append(child.tail or "")
    return "".join(parts)


def _comment(member: Element) -> str:
    """What a member's comment says, as paragraphs and lists."""
    parts = []
    for description in ("briefdescription", "detaileddescription", "inbodydescription"):
        for paragraph in member.iterfind(f"{description}/para"):
            parts.append(" ".join(_inline(paragraph).split()))
            parts += ["\n".join(f"- {' '.join(_inline(point).split())}" for point in points.iterfind("listitem/para"))
                      for points in paragraph.iter("itemizedlist")]
    return "\n\n".join(part for part in parts if part)


def _opening(text: str) -> str:
    """A header's first comment, which speaks of all of it, as paragraphs."""
    found = re.match(r"/\*\n(.*?)\*/", text, re.DOTALL)
    if found is None:
        return ""
    return "\n".join(line.strip().removeprefix("*").strip() for line in found[1].splitlines()).strip()


# ---- Declarations --------------------------------------------------------------------------------


def _text(element: Element, path: str) -> str:
    found = element.find(path)
    text = "" if found is None else "".join(found.itertext())
    text = re.sub(r"< (.*?) >", r"<\1>", text)
    text = re.sub(r"(?<=[\w)])=(?=[{\w])", " = ", text)
    # Doxygen writes `type *name` and `type &`; the headers have both beside the type.
    return re.sub(r"(?<!\)) ([*&]+) ?(?=(\w)?)", lambda found: found[1] + (" " if found[2] else ""), text).strip()


def _function(member: Element) -> list[str]:
    head = " ".join(part for part in (_text(member, "type"), _text(member, "name")) if part)
    if member.get("static") == "yes":
        head = f"static {head}"
    arguments = _text(member, "argsstring")
    if len(head + arguments) < LONGEST_LINE:
        return [f"{head}{arguments};"]
    inside, _, end = arguments.removeprefix("(").rpartition(")")
    names = [f"    {part.strip()}," for part in re.split(r",(?![^<]*>)", inside)]
    names[-1] = names[-1].removesuffix(",") + f"){end};"
    return [f"{head}(", *names]


def _row(name: str, member: Element) -> str:
    return f"| `{name}` | {' '.join(_comment(member).split())} |"


def _enum(member: Element, language: str) -> Item:
    """An enum with its values, in a table where they have comments."""
    name = member.findtext("name", "")
    values = [(value, f"{value.findtext('name')} {_text(value, 'initializer')}".strip())
              for value in member.iterfind("enumvalue")]
    plain = [text for _, text in values]
    code = [f"enum {name} {{ {', '.join(plain)} }};" if language == "c" else f"enum class {name} {{ {', '.join(plain)} }};"]
    if len(code[0]) >= LONGEST_LINE or any(_comment(value) for value, _ in values):
        code = [code[0].partition("{")[0] + "{ ... };"]
        table = ["| value | |", "|---|---|", *(_row(text, value) for value, text in values)]
    else:
        table = []
    return Item(0, [name, *(value.findtext("name", "") for value, _ in values)], code, _comment(member), table)


def _variable(member: Element) -> str:
    array = _text(member, "argsstring")
    start = _text(member, "initializer")
    return f"{_text(member, 'type')} {_text(member, 'name')}{array} {start}".strip()


def _item(member: Element, language: str) -> Item | None:
    """One member of a file or class; None where it is no declaration for users."""
    kind, name = member.get("kind"), member.findtext("name", "")
    if kind == "enum":
        item = _enum(member, language)
    elif kind == "function":
        item = Item(0, [name], _function(member), _comment(member))
    elif kind == "variable":
        item = Item(0, [name], [f"{_variable(member)};"], _comment(member))
    elif kind == "typedef" and not _text(member, "type").startswith("enum"):
        item = Item(0, [name], [f"typedef {_text(member, 'type')} {name};"], _comment(member))
    elif kind == "define" and not name.endswith("_H") and name != "SLUICE_API":
        arguments = [_text(parameter, "defname") for parameter in member.iterfind("param")]
        shown = f"({', '.join(arguments)})" if arguments else ""
        item = Item(0, [name], [f"#define {name}{shown}"], _comment(member))
    else:
        return None
    item.line = int(member.find("location").get("line", 0))
    return item


def _struct(compound: Element) -> Item:
    """A struct as its code, with a row for each field that has a comment."""
    name = compound.findtext("compoundname", "").rpartition("::")[2]
    fields = [member for member in compound.iter("memberdef") if member.get("kind") == "variable"]
    functions = [_text(member, "name") for member in compound.iter("memberdef")
                 if member.get("kind") == "function" and _comment(member)]
    calls = [line for member in compound.iter("memberdef") if member.get("kind") == "function"
             for line in _function(member)]
    lines = [f"struct {name} {{", *(f"    {_variable(member)};" for member in fields),
             *(f"    {line}" for line in calls), "};"]
    table = ["| field | |", "|---|---|", *(_row(_text(member, "name"), member) for member in fields if _comment(member))]
    item = Item(int(compound.find("location").get("line", 0)), [name, *functions], lines, _comment(compound))
    item.table = table if len(table) > 2 else []
    return item


def _joined(items: list[Item], lines: list[str], *, with_comments: bool) -> list[Item]:
    """The items in the order of their lines. Those without a comment belong to the one that they follow without an
    empty line: in C also where that has a comment, which then speaks of all of them."""
    joined: list[Item] = []
    last = 0
    for item in sorted(items, key=lambda item: item.line):
        if joined and not item.text and not item.table and (with_comments or not joined[-1].text) and all(line.strip() for line in lines[last:item.line - 1]):
            joined[-1].code += item.code
            joined[-1].names += item.names
        else:
            joined.append(item)
        last = item.line
    return joined


def _members(compound: Element, language: str) -> Iterator[Item]:
    for section in compound.iterfind("sectiondef"):
        if section.get("kind", "").startswith(("private", "friend")):
            continue
        for member in section.iterfind("memberdef"):
            item = _item(member, language)
            if item is not None and not (item.code[0].startswith("~") or "&&)" in item.code[0]):
                yield item


# ---- Pages ---------------------------------------------------------------------------------------


def c_page(compounds: dict[str, Element], header: Path) -> str:
    """The C API: sluice.h, in the order and under the headings of the header."""
    text = header.read_text(encoding="utf-8")
    headings = [(text.count("\n", 0, found.start()) + 1, found[1]) for found in SECTION.finditer(text)]
    file = compounds[header.name]
    structs = [_struct(compound) for name, compound in compounds.items()
               if compound.get("kind") == "struct" and name.startswith("sluice_")
               and compound.find("location").get("file", "").endswith(header.name)
               and compound.find(".//memberdef") is not None]
    hidden = {struct.names[0] for struct in structs}
    items = [item for item in _members(file, "c") if item.names[0] not in hidden]
    parts = [_opening(text)]
    for item in _joined([*items, *structs], text.splitlines(), with_comments=True):
        while headings and headings[0][0] < item.line:
            parts.append(f"## {headings.pop(0)[1]}")
        parts.append(item.markdown("c", "c."))
    page = _with_names("\n\n".join(parts))
    missing = [name for name in re.findall(r"\b(sluice_\w+)\(", text) if f'id="c.{name}"' not in page]
    if missing:
        raise HeadersError(f"{header}: the page lacks {', '.join(sorted(set(missing)))}")
    return page


def _with_names(page: str) -> str:
    """The page with names of C as code, where they stand in its text, and the headings of its opening."""
    parts = re.split(r"(^```.*?^```$|`[^`]*`|<a .*?</a>)", page, flags=re.MULTILINE | re.DOTALL)
    for i in range(0, len(parts), 2):
        parts[i] = re.sub(r"(?<![\w/])(sluice_[\w*]+(\(\))?|SLUICE_\w+|NULL)(?!\w)", r"`\1`", parts[i])
        parts[i] = re.sub(r"^(Errors|Ownership|Threads)\.", r"**\1.**", parts[i], flags=re.MULTILINE)
    return "".join(parts)


def cpp_page(compounds: dict[str, Element], headers: list[Path]) -> str:
    """The C++ API: the classes and structs of these headers, one after the other."""
    parts = []
    for header in headers:
        parts.append(f"## sluice/{header.name}")
        members: list[tuple[int, str]] = []
        for name, compound in compounds.items():
            place = compound.find("location")
            if compound.get("kind") not in ("class", "struct") or place is None or not name.startswith("sluice::"):
                continue
            if not place.get("file", "").endswith(f"/{header.name}") or "private" in (compound.get("prot") or ""):
                continue
            members.append((int(place.get("line", 0)), _class(compound, header.read_text().splitlines())))
        for namespace in (compounds["sluice"], compounds[header.name]):
            for section in namespace.iterfind("sectiondef"):
                for member in section.iterfind("memberdef"):
                    item = _item(member, "cpp")
                    if item and member.find("location").get("file", "").endswith(f"/{header.name}"):
                        members.append((item.line, f"### `{item.names[0]}`\n\n" + item.markdown("cpp", "cpp.")))
        parts += [text for _, text in sorted(dict(members).items())]
    return "\n\n".join(parts)


def _class(compound: Element, lines: list[str]) -> str:
    name = compound.findtext("compoundname", "").removeprefix("sluice::")
    parameters = [_text(parameter, "type") for parameter in compound.iterfind("templateparamlist/param")]
    shown = f"{name}<T>" if parameters else name
    if compound.get("kind") == "struct":
        return f"### `{shown}`\n\n" + _struct(compound).markdown("cpp", "cpp.")
    parts = [f"### `{shown}`", _comment(compound)]
    parts += [item.markdown("cpp", f"cpp.{name}.") for item in _joined(list(_members(compound, "cpp")), lines, with_comments=False)]
    return "\n\n".join(part for part in parts if part)
