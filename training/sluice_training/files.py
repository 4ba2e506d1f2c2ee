"""The files of a data set, in a folder or in a tar archive read in place."""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sluice_training.errors import TrainingError


@dataclass(frozen=True)
class Files:
    """names: paths relative to the root with slashes, sorted; folders likewise, empty ones too."""

    root: Path
    names: tuple[str, ...]
    folders: tuple[str, ...]
    contents: dict[str, bytes] | None = None
    """What an archive holds; None for a folder, whose files are read when asked for."""

    def read(self, name: str) -> bytes:
        if self.contents is not None:
            return self.contents[name]
        try:
            return (self.root / name).read_bytes()
        except OSError as error:
            raise TrainingError(f"{self.root / name}: cannot be read ({error.strerror})") from error

    def stamp(self, name: str) -> str:
        """Size and time of a file, by which a change of it is noticed."""
        source = self.root if self.contents is not None else self.root / name
        found = source.stat()
        return f"{found.st_size} {found.st_mtime_ns}"

    def where(self, name: str) -> str:
        """How messages call a file."""
        return str(self.root / name)

    def under(self, folder: str) -> list[str]:
        """The files directly in a folder."""
        return [name for name in self.names if name.rpartition("/")[0] == folder]


def open_files(root: Path) -> Files:
    """List a folder, or read a .tar, .tar.gz or .tar.xz into memory; nothing is unpacked to disk.

    A single folder around everything in an archive is left out of the names. Raises TrainingError
    where `root` is neither.
    """
    if root.is_dir():
        entries = [(path.relative_to(root).as_posix(), path) for path in sorted(root.rglob("*"))]
        return Files(
            root,
            tuple(name for name, path in entries if path.is_file()),
            tuple(name for name, path in entries if path.is_dir()),
        )
    if not root.exists():
        raise TrainingError(f"{root}: no such folder or archive; pass --data a data set")
    try:
        with tarfile.open(root) as archive:
            contents = {
                str(PurePosixPath(member.name)): archive.extractfile(member).read()
                for member in archive
                if member.isfile()
            }
    except (tarfile.TarError, EOFError, OSError) as error:
        raise TrainingError(f"{root}: not a readable tar archive ({error}); fetch it again") from (
            error
        )
    tops = {name.partition("/")[0] for name in contents}
    if len(tops) == 1 and not tops & {"train", "test"} and all("/" in name for name in contents):
        contents = {name.partition("/")[2]: data for name, data in contents.items()}
    folders = {str(p) for name in contents for p in PurePosixPath(name).parents} - {"."}
    return Files(root, tuple(sorted(contents)), tuple(sorted(folders)), contents)
