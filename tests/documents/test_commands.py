"""What the shell blocks of the documents name is there: make's targets and variables, programs, options, scripts, presets.

    test_commands.py BUILD_FOLDER

Nothing is installed, built or trained. Blocks that hold no command are no shell blocks, such as formulas.
"""

import functools
import json
import re
import shlex
import subprocess
import sys
import unittest
from pathlib import Path

from blocks import blocks

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build/release"
DOCUMENTS = [ROOT / "README.md", ROOT / "training/README.md", *sorted((ROOT / "docs").glob("*.md"))]
# What is of the system or of pip's; their arguments are not looked at.
SYSTEM = {"apt", "apt-get", "c++", "cc", "cd", "chrt", "nvidia-cuda-mps-control", "pip", "python3.11", "sed", "sudo", "tar",
          "./in_c", "./in_cpp"}
OURS = {"make", "sluice", "python", "cmake", "mutate.py"}
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = {name for line in re.findall(r"^([a-z][a-z0-9 -]*):", MAKEFILE, re.MULTILINE) for name in line.split()}
PRESETS = {preset["name"] for preset in json.loads((ROOT / "CMakePresets.json").read_text())["configurePresets"]}


def commands(text: str) -> list[list[str]]:
    """The words of each command, without comments; a line that ends with a backslash goes on."""
    lines = text.replace("\\\n", " ").splitlines()
    split = [part for line in lines for part in re.split(r"&&|(?<!\|)\|(?!\|)", line)]
    return [words for words in (shlex.split(re.sub(r"\$\([^)]*\)", "WORDS", part), comments=True) for part in split)
            if words]


def is_command(words: list[str]) -> bool:
    first = words[0]
    return first in SYSTEM | OURS or first.startswith(("build/", "../build/", ".venv", "../.venv")) or first.endswith(".py")


@functools.cache
def help_of(*program: str) -> str:
    return subprocess.run([*program, "--help"], capture_output=True, text=True, check=True).stdout


@functools.cache
def sources_of(folder: Path) -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in folder.rglob("*.py")
                     if "site-packages" not in path.parts)


class Checker:
    """Finds what is wrong with the commands of a block, from the folder that its `cd` leads to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fault(self, words: list[str]) -> str | None:
        while re.match(r"[A-Z_]+=", words[0]):
            words = words[1:]
        name, arguments = words[0], words[1:]
        options = [word.partition("=")[0] for word in arguments if re.match(r"--[a-z]", word)]
        if name == "cd":
            self.folder = self.folder / arguments[0]
            return None if self.folder.is_dir() else f"no folder {arguments[0]}"
        if name == "make":
            return self.make(arguments)
        if name in SYSTEM or name.endswith(("/pip", "/mypy")):
            return None
        if name == "sluice" or "build/release/apps/" in name or "build/mine/apps/" in name:
            return self.program(name, arguments, options)
        if name.endswith("/cmake"):
            return self.cmake(arguments)
        if name.endswith(("/python", "python")):
            return self.script(arguments, options)
        path = self.folder / re.sub(r"^(\.\./)?build/release", str(BUILD), name)
        return None if path.exists() or "build/fuzz/" in name else f"no {name}"

    def make(self, arguments: list[str]) -> str | None:
        for word in arguments:
            variable, equals, _ = word.partition("=")
            if equals and f"$({variable})" not in MAKEFILE:
                return f"no variable {variable} in Makefile"
            if not equals and word not in TARGETS:
                return f"no target {word} in Makefile"
        return None

    def program(self, name: str, arguments: list[str], options: list[str]) -> str | None:
        path = BUILD / "apps/sluice/sluice" if name == "sluice" else BUILD / name[name.index("apps/"):]
        if not path.exists():
            return f"no program {name}"
        command = [str(path)]
        if arguments and re.fullmatch(r"[a-z]+", arguments[0]):
            command.append(arguments[0])
        if command[1:] == ["report"]:  # of the Python package alone
            command = [sys.executable, "-m", "sluice", "report"]
        text = help_of(*command)
        return next((f"{name} has no {option}" for option in options
                     if option != "--help" and not re.search(rf"{option}\b", text)), None)

    def script(self, arguments: list[str], options: list[str]) -> str | None:
        if not arguments or arguments[0].startswith("-") or arguments[0] == "gate_mine.py":
            return None
        path = self.folder / arguments[0]
        if not path.exists():
            return f"no script {arguments[0]} in {self.folder}"
        text = sources_of(path.parent) + "".join(sources_of(ROOT / "training") if "training" in str(path) else "")
        return next((f"{arguments[0]} has no {option}" for option in options
                     if option not in text and not re.search(rf"\b{option[2:].replace('-', '_')}\b", text)), None)

    def cmake(self, arguments: list[str]) -> str | None:
        for option, value in zip(arguments, arguments[1:]):
            if option == "--preset" and value not in PRESETS:
                return f"no preset {value}"
        for variable in (word[2:].partition("=")[0] for word in arguments if word.startswith("-D")):
            if not any(variable in path.read_text() for path in (*ROOT.glob("cmake/*.cmake"), ROOT / "CMakeLists.txt")):
                return f"no variable {variable}"
        return None


class Commands(unittest.TestCase):
    def test_shell_blocks(self) -> None:
        seen = 0
        for document in DOCUMENTS:
            for block in blocks(document):
                if block.language not in ("", "sh"):
                    continue
                try:
                    found = commands(block.text)
                except ValueError:
                    found = []
                if block.language != "sh" and not any(map(is_command, found)):
                    continue
                # What training/ says of its own programs is for that folder.
                is_of_training = any(words[0] == "python" for words in found) or "../" in block.text
                checker = Checker(ROOT / "training" if is_of_training and ["cd", "training"] not in found else ROOT)
                for words in found:
                    with self.subTest(document=document.name, command=" ".join(words)):
                        if is_command(words) or block.language == "sh":
                            self.assertIsNone(checker.fault(words))
                            seen += 1
                        else:
                            self.assertNotIn("README", document.name, "is no command")
        self.assertGreater(seen, 60)

    def test_targets_in_the_text(self) -> None:
        for document in DOCUMENTS:
            for name in re.findall(r"`make ([a-z0-9-]+)", document.read_text(encoding="utf-8")):
                self.assertIn(name, TARGETS, document.name)


class Faults(unittest.TestCase):
    """What the checker is for, it finds."""

    def test_each(self) -> None:
        classify = "build/release/apps/classify/classify"
        for line, fault in {
            "make demos": "no target demos in Makefile",
            "make tune MODELS=x": "no variable MODELS in Makefile",
            f"{classify} --exlain": f"{classify} has no --exlain",
            "sluice run --modell x": "sluice has no --modell",
            "build/release/apps/nothing/nothing": "no program build/release/apps/nothing/nothing",
            ".venv/bin/python python/quantise.py": f"no script python/quantise.py in {ROOT}",
            ".venv/bin/python python/quantize/quantize.py --imagess 1": "python/quantize/quantize.py has no --imagess",
            ".venv/bin/cmake --preset releases": "no preset releases",
            ".venv/bin/cmake -DSLUICE_MODEL_FILES=x": "no variable SLUICE_MODEL_FILES",
        }.items():
            words, = commands(line)
            self.assertEqual(Checker(ROOT).fault(words), fault)
            self.assertTrue(is_command(words), line)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
