"""NOTICE, and so the list of components of a release, against what the build compiles and links.

Usage: test_components.py SOURCE_ROOT BUILD_FOLDER NINJA SITE_PACKAGES LIBRARY PROGRAM MODULE

The last three are files that have all that is linked of the part of their name. Ninja tells for each part the objects and libraries that it is linked from, and for each object the headers that it
was compiled from. Every such file belongs to a package, and that to an entry of NOTICE.
"""

import re
import subprocess
import sys
import unittest
from pathlib import Path

SOURCE, BUILD, NINJA, SITE = (Path(argument).absolute() for argument in sys.argv[1:5])
sys.path.insert(0, str(SOURCE / "python/release"))

import facts  # noqa: E402

TARGETS = {part: Path(argument).relative_to(BUILD).as_posix()
           for part, argument in zip(("library", "programs", "module"), sys.argv[5:8], strict=True)}

# What every program for Debian needs: not ours to list.
TOOLCHAIN = re.compile(r"(libc6|libc6-dev|libstdc\+\+-\d+-dev|libgcc-\d+-dev|linux-libc-dev|libpython3\.\d+-dev|"
                       r"python3\.\d+-dev|libcrypt-dev|libgcc-s1|libstdc\+\+6)(:\w+)?")


def lines(*command: object) -> list[str]:
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True,
                          cwd=BUILD).stdout.splitlines()


def headers() -> dict[str, list[str]]:
    """Of each object that is built, what it was compiled from."""
    found: dict[str, list[str]] = {}
    for line in lines(NINJA, "-t", "deps"):
        if line and not line.startswith(" "):
            last = found.setdefault(line.split(": #deps")[0], [])
        elif line:
            last.append(line.strip())
    return found


def links() -> dict[str, list[str]]:
    """Of each file that is linked or archived, the objects and libraries that it is made from."""
    found: dict[str, list[str]] = {}
    words: list[str] = []
    for line in (BUILD / "build.ninja").read_text("utf-8").splitlines():
        if line.startswith("build ") and ": " in line:
            outputs, inputs = line.removeprefix("build ").split(": ", 1)
            words = inputs.split(" | ")[0].split(" || ")[0].split()[1:]
            for output in outputs.replace(" | ", " ").split():
                found[output] = words
        elif line.startswith("  LINK_LIBRARIES = "):
            words += line.removeprefix("  LINK_LIBRARIES = ").split()
    return {output: [word for word in words if re.search(r"\.(o|a|so)$", word)] for output, words in found.items()}


def linked(target: str, made_from: dict[str, list[str]]) -> set[str]:
    """The objects and libraries of a file, those of archives of this tree included."""
    found: set[str] = set()
    wanted = [target]
    while wanted:
        words = made_from[wanted.pop()]
        wanted += [word for word in words if word.endswith(".a") and word in made_from and word not in found]
        found.update(words)
    return found


def component(path: str) -> str | None:
    """The entry of NOTICE for a file of pip's or of this build; of no other."""
    full = (BUILD / path).as_posix()
    for part, name in ((f"{SITE}/nanobind/ext/robin_map/", "robin-map"), (f"{SITE}/nanobind/", "nanobind"),
                       (f"{SITE}/halide/", "Halide runtime"), ("/.cache/protobuf/", "Protocol Buffers"),
                       ("/schema/onnx.pb.", "onnx.proto"), ("/libsluice_halide_runtime.", "Halide runtime")):
        if part in full:
            return name
    return f"{full}, of pip" if full.startswith(f"{SITE}/") else None


class Components(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.headers, cls.links = headers(), links()
        cls.notice = facts.components(SOURCE)

    def files(self, target: str) -> set[str]:
        found = linked(target, self.links)
        self.assertGreater(len(found), 100)
        for name in list(found):
            found.update(self.headers.get(name, ()))
        # A library that is linked from elsewhere brings what it needs itself.
        for library in [name for name in found if name.startswith("/") and name.endswith(".so")]:
            for needed in re.findall(r"\(NEEDED\).*\[(.*?)\]", "\n".join(lines("readelf", "-dW", library))):
                found.add(f"{Path(library).parent}/{needed}")
        return found

    def debian(self, paths: set[str]) -> set[str]:
        """The source packages that hold files of the system, but for the toolchain."""
        real = {str(Path(path).resolve()) for path in paths}
        # dpkg knows some by the name from before /lib was a link to /usr/lib.
        names = real | {path.removeprefix("/usr") for path in real if path.startswith("/usr/lib/")}
        answer = subprocess.run(["dpkg", "-S", *sorted(names)], capture_output=True, text=True, check=False)
        found = dict(reversed(line.rsplit(": ", 1)) for line in answer.stdout.splitlines())
        self.assertEqual([path for path in real if path not in found and path.removeprefix("/usr") not in found], [])
        packages = {package.split(", ")[0] for package in found.values()}
        mine = sorted(package for package in packages if not TOOLCHAIN.fullmatch(package))
        return set(lines("dpkg-query", "-W", "-f", "${source:Package}\n", *mine)) if mine else set()

    def test_all_that_is_linked_is_in_the_notice_and_nothing_else(self) -> None:
        by_source = {lines("dpkg-query", "-W", "-f", "${source:Package}\n", entry.debian)[0]: entry.name
                     for entry in self.notice if entry.debian}
        for part, target in TARGETS.items():
            with self.subTest(part):
                files = self.files(target)
                outside = {path for path in files if path.startswith("/usr/") or path.startswith("/lib/")}
                found = {component(path) for path in files - outside} - {None}
                found |= {by_source.get(source, f"{source}, of Debian") for source in self.debian(outside)}
                self.assertEqual(found, {entry.name for entry in self.notice if part in entry.parts})

    def test_no_file_is_of_an_unknown_place(self) -> None:
        for target in TARGETS.values():
            for path in self.files(target):
                full = (BUILD / path).resolve()
                known = [SOURCE, BUILD, SITE, Path("/usr"), Path("/lib")]
                self.assertTrue(any(full.is_relative_to(place) for place in known), path)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
