"""Archives that are the same bytes whenever their files are."""

from __future__ import annotations

import io
import lzma
import os
import tarfile
from pathlib import Path


def write_archive(path: Path, files: dict[str, bytes]) -> None:
    """A .tar.xz of `files`, by name, without times and owners."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in sorted(files.items()):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    aside = path.with_name(path.name + ".partial")
    aside.write_bytes(lzma.compress(packed.getvalue(), preset=9 | lzma.PRESET_EXTREME))
    os.replace(aside, path)
