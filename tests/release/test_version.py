"""The version of CMakeLists.txt in every place that states it, and what a release asks of CHANGELOG.md.

Usage: test_version.py SOURCE_ROOT BUILD_FOLDER PYTHON_PACKAGE LIBRARY PROGRAM...
"""

import ctypes
import re
import subprocess
import sys
import tomllib
import unittest
from pathlib import Path

SOURCE, BUILD, PACKAGE, LIBRARY = (Path(argument).absolute() for argument in sys.argv[1:5])
PROGRAMS = sys.argv[5:]
sys.path.insert(0, str(SOURCE / "python/release"))

from check_release import check_changelog  # noqa: E402
from facts import ReleaseError, output  # noqa: E402

LINE = next(line for line in (SOURCE / "CMakeLists.txt").read_text("utf-8").splitlines()
            if line.startswith("project(sluice"))
VERSION = LINE.split()[2]
MAJOR, MINOR, PATCH = VERSION.split(".")


class Version(unittest.TestCase):
    def test_programs_say_it(self) -> None:
        self.assertGreater(len(PROGRAMS), 4)
        for program in PROGRAMS:
            said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
            self.assertEqual(said, f"{Path(program).name} {VERSION}\n")

    def test_libraries_say_it(self) -> None:
        library = ctypes.CDLL(str(LIBRARY))
        library.sluice_version.restype = ctypes.c_char_p
        self.assertEqual(library.sluice_version().decode(), VERSION)
        self.assertEqual(library.sluice_version_number(), 10000 * int(MAJOR) + 100 * int(MINOR) + int(PATCH))
        self.assertEqual(LIBRARY.resolve().name, f"libsluice.so.{VERSION}")
        said = subprocess.run([sys.executable, "-c", "import sluice; print(sluice.__version__)"], text=True,
                              capture_output=True, check=True, env={"PYTHONPATH": str(PACKAGE)}).stdout
        self.assertEqual(said, f"{VERSION}\n")

    def test_files_say_it(self) -> None:
        header = (BUILD / "runtime/include/sluice/version.h").read_text("utf-8")
        for name, value in (("MAJOR", MAJOR), ("MINOR", MINOR), ("PATCH", PATCH), ("STRING", f'"{VERSION}"')):
            self.assertIn(f"#define SLUICE_VERSION_{name} {value}\n", header)
        for name, line in (("sluice.pc", f"Version: {VERSION}"), ("sluice-cpp.pc", f"Version: {VERSION}"),
                           ("sluiceConfigVersion.cmake", f'set(PACKAGE_VERSION "{VERSION}")')):
            self.assertIn(line, (BUILD / "cmake/package" / name).read_text("utf-8").splitlines())
        self.assertIn(f'set(CPACK_PACKAGE_VERSION "{VERSION}")', (BUILD / "CPackConfig.cmake").read_text("utf-8"))

    def test_pyproject_takes_it_from_cmake(self) -> None:
        project = tomllib.loads((SOURCE / "pyproject.toml").read_text("utf-8"))
        provider, = project["tool"]["dynamic-metadata"]
        found = re.search(provider["regex"], (SOURCE / provider["input"]).read_text("utf-8"))
        self.assertEqual((project["project"]["dynamic"], found["value"]), (["version"], VERSION))

    def test_texts_say_it(self) -> None:
        """What no tool writes: these are changed by hand, together with CMakeLists.txt."""
        training = tomllib.loads((SOURCE / "training/pyproject.toml").read_text("utf-8"))
        self.assertEqual(training["project"]["version"], VERSION)
        text = (SOURCE / "docs/c-api.md").read_text("utf-8")
        self.assertEqual(set(re.findall(r"sluice-(\d[\d.]*)-linux", text)), {VERSION})
        self.assertEqual(set(re.findall(r"find_package\(sluice ([\d.]+)", text)), {f"{MAJOR}.{MINOR}"})


class Changelog(unittest.TestCase):
    OPEN = "# Changelog\n\n## [Unreleased]\n\n### Added\n\n## [1.1.0] - 2020-01-31\n"
    CLOSED = "# Changelog\n\n## [1.2.0] - 2020-02-29\n\n### Added\n\n## [1.1.0] - 2020-01-31\n"

    def fault(self, *arguments: object) -> str:
        with self.assertRaises(ReleaseError) as raised:
            check_changelog(*arguments)
        return str(raised.exception)

    def test_release(self) -> None:
        self.assertEqual(check_changelog("1.2.0", ["v1.2.0", "other"], self.CLOSED), "the release 1.2.0")
        self.assertIn("has an unreleased entry", self.fault("1.2.0", ["v1.2.0"], self.OPEN))
        self.assertIn("no heading '## [1.3.0]", self.fault("1.3.0", ["v1.3.0"], self.CLOSED))
        self.assertIn("no heading '## [1.2.0]",
                      self.fault("1.2.0", ["v1.2.0"], self.CLOSED.replace(" - 2020-02-29", "")))
        self.assertIn("the tag says 1.3.0", self.fault("1.2.0", ["v1.3.0"], self.CLOSED))

    def test_no_release(self) -> None:
        self.assertIn("1.2.0, not released", check_changelog("1.2.0", ["other"], self.OPEN))
        self.assertIn("no heading '## [Unreleased]'", self.fault("1.2.0", [], self.CLOSED))

    def test_this_checkout(self) -> None:
        tags = []
        if (SOURCE / ".git").exists():
            tags = output(SOURCE, "git", "-c", f"safe.directory={SOURCE}", "tag", "--points-at", "HEAD").split()
        check_changelog(VERSION, tags, (SOURCE / "CHANGELOG.md").read_text("utf-8"))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
