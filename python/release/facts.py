"""What a release states: its version, its time, and what is linked into its files."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path


class ReleaseError(Exception):
    """What keeps this checkout from being released, and what to do."""


@dataclass(frozen=True)
class Component:
    """A work of others that is linked into ours, as NOTICE names it."""

    name: str
    parts: frozenset[str]  # of "library", "programs" and "module"
    licence: str           # in SPDX's words
    pip: str | None        # the pip package or the Debian package that it is taken from
    debian: str | None


# NOTICE's headings, and what is linked of the works below them.
PARTS = {
    "Linked into the runtime library and all programs": ("library", "programs", "module"),
    "Linked into the programs of apps/ and the Python module": ("programs", "module"),
    "Linked into the programs of apps/": ("programs",),
    "Linked into the Python module": ("module",),
}

# NOTICE's names, with the licence and the package.
PACKAGES = {
    "Halide runtime": ("MIT", "halide", None),
    "Protocol Buffers": ("BSD-3-Clause", None, "protobuf-compiler"),
    "onnx.proto": ("Apache-2.0", "onnx", None),
    "libjpeg-turbo": ("IJG AND BSD-3-Clause", None, "libjpeg62-turbo-dev"),
    "libpng": ("libpng-2.0", None, "libpng-dev"),
    "zlib": ("Zlib", None, "zlib1g-dev"),
    "libwebp, libwebpdemux": ("BSD-3-Clause", None, "libwebp-dev"),
    "CLI11": ("BSD-3-Clause", None, "libcli11-dev"),
    "JSON for Modern C++": ("MIT", None, "nlohmann-json3-dev"),
    "nanobind": ("BSD-3-Clause", "nanobind", None),
    "robin-map": ("MIT", None, None),  # in nanobind's package, which does not say its version
}

# What of them is in a file of a release, by the beginning or the end of its name.
FILES = {
    r".*\.whl": ("library", "programs", "module"),
    r"libsluice.*\.deb": ("library",),
    r"sluice-tools_.*\.deb": ("library", "programs"),
    r"sluice-.*-linux-.*\.tar\.gz": ("library", "programs"),
    r".*\.tar\.gz": (),  # sources
}


def version(root: Path) -> str:
    """Of CMakeLists.txt, from which every other place has it."""
    found = re.search(r"^project\(sluice VERSION ([0-9.]+)", (root / "CMakeLists.txt").read_text("utf-8"), re.M)
    if found is None:
        raise ReleaseError("CMakeLists.txt has no line 'project(sluice VERSION ...'")
    return found[1]


def output(root: Path, *command: str) -> str:
    result = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise ReleaseError(f"{' '.join(command)}: {result.stderr.strip()}")
    return result.stdout.strip()


def components(root: Path) -> list[Component]:
    """What NOTICE says is linked into what is released, in its order."""
    found, parts = [], ()
    for line in (root / "NOTICE").read_text("utf-8").splitlines():
        if line and not line.startswith(" "):
            parts = PARTS.get(line, ())
        entry = re.match(r"  (\S.*?)  +\S", line)
        if parts and entry:
            if entry[1] not in PACKAGES:
                raise ReleaseError(f"NOTICE has '{entry[1]}', and PACKAGES of python/release/facts.py has not")
            found.append(Component(entry[1], frozenset(parts), *PACKAGES[entry[1]]))
    missing = set(PACKAGES) - {component.name for component in found}
    if missing:
        raise ReleaseError(f"NOTICE has no entry of {', '.join(sorted(missing))}")
    return found


def package_version(root: Path, component: Component) -> str | None:
    """The pinned version of a pip package, or dpkg's of a Debian one's source."""
    if component.debian:
        return output(root, "dpkg-query", "-W", "-f", "${source:Version}", component.debian)
    if component.pip is None:
        return None
    pins = (root / "cmake/requirements.txt").read_text("utf-8")
    found = re.search(rf"^{component.pip}==(\S+)", pins, re.M)
    if found is None:
        raise ReleaseError(f"cmake/requirements.txt pins no {component.pip}")
    return found[1]


def parts_of(name: str) -> tuple[str, ...]:
    """What is linked into a file of a release."""
    for pattern, parts in FILES.items():
        if re.fullmatch(pattern, name):
            return parts
    raise ReleaseError(f"FILES of python/release/facts.py has nothing for {name}")
