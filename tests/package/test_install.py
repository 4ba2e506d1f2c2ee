"""Install a build tree into an empty folder, and build and run the programs of docs/quickstart.md on it, as docs/c-api.md says.

Usage: test_install.py SOURCE_ROOT BUILD_FOLDER CMAKE NINJA [VALGRIND]

With VALGRIND the program in C also runs under it, on AVX2's kernels, and must neither leak nor err.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "documents"))

import expected
from blocks import of_language

SOURCE, BUILD, CMAKE, NINJA = (Path(argument).absolute() for argument in sys.argv[1:5])
VALGRIND = sys.argv[5] if len(sys.argv) > 5 else None


def run(*command: object, cwd: Path | None = None, **environment: str) -> str:
    """The output of a command that must succeed."""
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd=cwd,
                            env={**os.environ, **environment}, check=False)
    if result.returncode != 0:
        raise AssertionError(f"{command}\n{result.stdout}{result.stderr}")
    return result.stdout


def blocks(language: str) -> list[str]:
    """Code in a language: programs of docs/quickstart.md, and what docs/c-api.md builds them by."""
    page = "quickstart" if language in ("c", "cpp") else "c-api"
    return of_language(SOURCE / f"docs/{page}.md", language)


class Consumer(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        # A package moves: it is installed in one place and used in another.
        installed = Path(folder.name, "installed")
        run(CMAKE, "--install", BUILD, "--prefix", installed)
        cls.prefix = installed.rename(Path(folder.name, "moved"))
        cls.folder = Path(folder.name, "consumer")
        cls.folder.mkdir()
        for language, name in (("c", "consumer.c"), ("cpp", "consumer.cpp"), ("cmake", "CMakeLists.txt")):
            (cls.folder / name).write_text(blocks(language)[0], encoding="utf-8")
        cls.scores = expected.scores(SOURCE)
        cls.pkgconfig, = cls.prefix.glob("lib*/**/pkgconfig")

    def check(self, output: str) -> None:
        found = np.array(output.split(), np.float32)
        self.assertTrue(expected.is_close(found, self.scores), f"{found}\n{self.scores}")

    def check_program(self, program: Path, **environment: str) -> None:
        self.check(run(program, SOURCE / expected.MODEL, **environment))
        wrong = subprocess.run([program, "none.onnx"], capture_output=True, text=True, check=False,
                               env={**os.environ, **environment})
        self.assertEqual((wrong.returncode, wrong.stdout), (1, ""))
        self.assertIn("none.onnx: cannot be read", wrong.stderr)

    def configure(self, build: Path) -> None:
        run(CMAKE, "-S", self.folder, "-B", build, "-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={NINJA}",
            f"-DCMAKE_PREFIX_PATH={self.prefix}", "-DCMAKE_BUILD_TYPE=Release")
        run(CMAKE, "--build", build)

    def test_cmake(self) -> None:
        build = self.folder / "build"
        self.configure(build)
        for program in ("in_c", "in_cpp"):
            self.check_program(build / program)

    def test_cmake_in_c_alone(self) -> None:
        alone = self.folder / "alone"
        alone.mkdir()
        text = blocks("cmake")[0].replace("LANGUAGES C CXX", "LANGUAGES C").split("add_executable(in_cpp")[0]
        (alone / "CMakeLists.txt").write_text(text, encoding="utf-8")
        (alone / "consumer.c").write_text(blocks("c")[0], encoding="utf-8")
        run(CMAKE, "-S", alone, "-B", alone / "build", "-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={NINJA}",
            f"-DCMAKE_PREFIX_PATH={self.prefix}")
        run(CMAKE, "--build", alone / "build")
        self.check_program(alone / "build/in_c")

    def test_pkg_config(self) -> None:
        strict = {"cc -std=c99": "cc -std=c99 -Wall -Wextra -pedantic -Werror",
                  "c++ -std=c++20": "c++ -std=c++20 -Wall -Wextra -pedantic -Werror"}
        commands = blocks("sh")[0]
        for plain, warned in strict.items():
            self.assertIn(plain, commands)
            commands = commands.replace(plain, warned)
        run("sh", "-euc", commands, cwd=self.folder, PKG_CONFIG_PATH=str(self.pkgconfig))
        self.check_program(self.folder / "in_c", LD_LIBRARY_PATH=str(self.pkgconfig.parent))
        self.check_program(self.folder / "in_cpp")

    def test_programs(self) -> None:
        for program in ("classify", "run", "benchmark"):
            self.assertIn("0.", run(self.prefix / f"bin/sluice-{program}", "--version"))

    def test_benchmark_runs_another_engine(self) -> None:
        program, report = self.prefix / "bin/sluice-benchmark", self.folder / "benchmark.json"
        words = ("--model", SOURCE / expected.MODEL, "--peers", "onnxruntime", "--peer-python", sys.executable,
                 "--seconds", "0.05", "--json", report)
        run(program, *words)
        ours, peer = json.loads(report.read_text("utf-8"))["results"]
        self.assertEqual((ours["agrees"], peer["engine"], peer["agrees"]), (True, "onnxruntime", True))
        shutil.copy(program, self.folder / "copied")
        wrong = subprocess.run([self.folder / "copied", *map(str, words)], capture_output=True, text=True,
                               check=False)
        self.assertEqual(wrong.returncode, 2, wrong.stdout)
        self.assertIn("peer.py", wrong.stderr)
        self.assertIn("install the program again", wrong.stderr)

    @unittest.skipUnless(VALGRIND, "no valgrind was given")
    def test_valgrind(self) -> None:
        program = self.folder / "checked"
        run("cc", "-g", self.folder / "consumer.c", f"-I{self.prefix}/include", "-o", program,
            f"-L{self.pkgconfig.parent}", "-lsluice", f"-Wl,-rpath,{self.pkgconfig.parent}")
        self.check(run(VALGRIND, "--quiet", "--leak-check=full", "--show-leak-kinds=all",
                       "--errors-for-leak-kinds=all", "--error-exitcode=9", program,
                       SOURCE / expected.MODEL, SLUICE_TARGET="avx2"))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
