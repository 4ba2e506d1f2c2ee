"""Look into what `make package` has written.

Usage: test_packages.py FOLDER
"""

import re
import subprocess
import sys
import unittest
from pathlib import Path

FOLDER = Path(sys.argv[1])
LIBRARIES = "/usr/lib/x86_64-linux-gnu"


def output(*command: object) -> str:
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True).stdout


class Packages(unittest.TestCase):
    def package(self, name: str) -> Path:
        found = list(FOLDER.glob(f"{name}_*.deb"))
        self.assertEqual(len(found), 1, f"{name}: {found}")
        return found[0]

    def check(self, name: str, files: tuple[str, ...], depends: tuple[str, ...]) -> None:
        package = self.package(name)
        contents = output("dpkg-deb", "--contents", package)
        for file in (*files, f"/usr/share/doc/{name}/copyright"):
            self.assertIn(file, contents)
        self.assertIn(f"/usr/share/doc/{name}/changelog.Debian.gz", contents)
        needed = re.split(r", *", output("dpkg-deb", "--field", package, "Depends").strip())
        self.assertEqual(sorted(entry.split()[0] for entry in needed), sorted(depends))

    def test_library(self) -> None:
        self.check("libsluice0", (f"{LIBRARIES}/libsluice.so.0 ->",), ("libc6", "libgcc-s1", "libstdc++6"))

    def test_development(self) -> None:
        self.check("libsluice-dev", ("/usr/include/sluice/sluice.h", "/usr/include/sluice/version.h",
                                     "/usr/include/sluice/session.h", f"{LIBRARIES}/libsluice.a",
                                     f"{LIBRARIES}/libsluice.so ->", f"{LIBRARIES}/pkgconfig/sluice.pc",
                                     f"{LIBRARIES}/cmake/sluice/sluiceConfig.cmake"), ("libsluice0",))

    def test_programs(self) -> None:
        self.check("sluice-tools", ("/usr/bin/sluice-classify", "/usr/bin/sluice-run", "/usr/bin/sluice-benchmark",
                                    "/usr/share/sluice/peer.py"),
                   ("libc6", "libgcc-s1", "libjpeg62-turbo", "libpng16-16", "libstdc++6", "libwebp7", "libwebpdemux2"))

    def test_lintian_finds_no_error(self) -> None:
        found = subprocess.run(["lintian", "--allow-root", "--fail-on", "error", *FOLDER.glob("*.deb")],
                               capture_output=True, text=True, check=False)
        self.assertEqual(found.returncode, 0, found.stdout + found.stderr)

    def test_archive(self) -> None:
        archive, = FOLDER.glob("sluice-*.tar.gz")
        names = [re.sub(r"^[^/]*/", "", line) for line in output("tar", "tf", archive).splitlines()]
        for name in ("include/sluice/sluice.h", "lib/libsluice.a", "lib/libsluice.so.0", "bin/sluice-classify",
                     "share/sluice/peer.py", "share/doc/sluice/LICENSE",
                     "lib/pkgconfig/sluice-cpp.pc", "lib/cmake/sluice/sluiceTargets.cmake"):
            self.assertIn(name, names)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
