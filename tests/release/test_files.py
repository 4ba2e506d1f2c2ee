"""Look into the files that `make dist` has written.

Usage: test_files.py SOURCE_ROOT FOLDER SECONDS

SECONDS is the time of the commit, which all that is packed has.
"""

import hashlib
import io
import json
import re
import subprocess
import sys
import tarfile
import unittest
import zipfile
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

SOURCE, FOLDER, SECONDS = Path(sys.argv[1]).absolute(), Path(sys.argv[2]), int(sys.argv[3])
sys.path.insert(0, str(SOURCE / "python/release"))

import facts  # noqa: E402
from cyclonedx.schema import SchemaVersion  # noqa: E402
from cyclonedx.validation.json import JsonStrictValidator  # noqa: E402

VERSION = facts.version(SOURCE)
LIST = FOLDER / f"sluice-{VERSION}.cdx.json"
# What auditwheel takes into the wheel, by the beginning of its name.
BUNDLED = {"libjpeg": "libjpeg-turbo", "libpng": "libpng", "libwebp": "libwebp, libwebpdemux", "libz": "zlib"}


def of_tar(archive: tarfile.TarFile) -> Iterator[tuple[str, bytes, float]]:
    for member in archive:
        content = archive.extractfile(member).read() if member.isfile() else b""
        yield member.name, content, member.mtime


def members(path: Path) -> Iterator[tuple[str, bytes, float]]:
    """Name, content and time of all that a wheel, an archive or a Debian package holds."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                time = datetime(*info.date_time, tzinfo=timezone.utc).timestamp()
                yield info.filename, archive.read(info), time
    elif path.suffix == ".deb":
        for part in ("--fsys-tarfile", "--ctrl-tarfile"):
            content = subprocess.run(["dpkg-deb", part, path], capture_output=True, check=True).stdout
            with tarfile.open(fileobj=io.BytesIO(content)) as archive:
                yield from of_tar(archive)
    elif path.name.endswith(".tar.gz"):
        with tarfile.open(path) as archive:
            yield from of_tar(archive)


class Files(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.paths = sorted(path for path in FOLDER.iterdir() if path.name not in ("SHA256SUMS", LIST.name))
        cls.list = json.loads(LIST.read_text("utf-8"))

    def test_they_are_there(self) -> None:
        names = "\n".join(path.name for path in self.paths)
        for pattern in (r"sluice_cnn-{}-cp311-cp311-manylinux_\d+_\d+_x86_64\.whl", r"libsluice0_{}-1_amd64\.deb",
                        r"libsluice-dev_{}-1_amd64\.deb", r"sluice-tools_{}-1_amd64\.deb", r"sluice_cnn-{}\.tar\.gz",
                        r"sluice-{}-linux-x86_64\.tar\.gz", r"sluice-{}-source\.tar\.gz"):
            self.assertRegex(names, re.compile("^" + pattern.format(re.escape(VERSION)) + "$", re.M))

    def test_checksums(self) -> None:
        lines = (FOLDER / "SHA256SUMS").read_text("utf-8").splitlines()
        found = dict(reversed(line.split("  ")) for line in lines)
        self.assertEqual(found, {path.name: hashlib.sha256(path.read_bytes()).hexdigest()
                                 for path in (*self.paths, LIST)})

    def test_components(self) -> None:
        self.assertIsNone(JsonStrictValidator(SchemaVersion.V1_6).validate_str(LIST.read_text("utf-8")))
        files = {each["name"]: each["hashes"][0]["content"] for each in self.list["components"]
                 if each["type"] == "file"}
        self.assertEqual(files, {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in self.paths})
        libraries = {each["name"]: each for each in self.list["components"] if each["type"] == "library"}
        self.assertEqual(set(libraries), {each.name for each in facts.components(SOURCE)})
        for name, each in libraries.items():
            self.assertTrue(each["licenses"], name)
            self.assertTrue("version" in each or name == "robin-map", name)

    def test_what_the_wheels_bring_is_listed_for_them(self) -> None:
        depends = {each["ref"]: each.get("dependsOn", []) for each in self.list["dependencies"]}
        for path in self.paths:
            if path.suffix != ".whl":
                continue
            names = [Path(name).name for name, content, _ in members(path) if ".libs/" in name and content]
            self.assertGreater(len(names), 2)
            for name in names:
                self.assertIn(BUNDLED[re.match(r"lib[a-z]+", name)[0].replace("libwebpdemux", "libwebp")],
                              depends[path.name])

    def test_times_and_paths(self) -> None:
        folders = "|".join(re.escape(folder) for folder in (str(SOURCE), f"{Path.home()}/", "/tmp/"))
        built_in = re.compile(rb"(?:%s)[\w./-]{3,}" % folders.encode())
        for path in self.paths:
            count = 0
            for name, content, time in members(path):
                count += 1
                self.assertLess(abs(time - SECONDS), 2, f"{path.name}: {name}")
                if content[:4] == b"\x7fELF" or content[:8] == b"!<arch>\n":
                    self.assertEqual(built_in.findall(content)[:3], [], f"{path.name}: {name}")
            self.assertGreater(count, 3, path.name)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
