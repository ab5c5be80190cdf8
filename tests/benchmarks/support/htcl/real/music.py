"""Finds the music of Debian packages that are unpacked in folders of their names.

A recording counts as music when it lies in a folder called music or cdtracks, also within a .pk3 (a zip): sounds and voices of
the games lie elsewhere.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

HELD_OUT = ("nexuiz-music", "supertux-data")
"""Packages that nothing is learned of and nothing is chosen by."""
LEARNED = (
    "hedgewars-data",
    "naev-data",
    "supertuxkart-data",
    "warzone2100-music",
    "widelands-data",
)
MUSIC_FOLDERS = frozenset({"music", "cdtracks"})
AUDIO_ENDINGS = frozenset({".ogg", ".opus", ".mp3", ".flac", ".wav"})
ARCHIVE_ENDING = ".pk3"


class MissingMusic(ValueError):
    """A package is not there, or holds no music."""


@dataclass(frozen=True, slots=True)
class MusicFile:
    """An audio file of a package.

    Attributes:
        package: name of the Debian package.
        name: path below the package, or below the archive.
        file: the file itself, or the archive that holds it.
        is_in_archive: whether `file` is an archive.
    """

    package: str
    name: str
    file: Path
    is_in_archive: bool = False

    @property
    def folder(self) -> str:
        """The folder that holds the file, by its last name."""
        return PurePosixPath(self.name).parent.name

    @property
    def stem(self) -> str:
        """The file's name without its ending."""
        return PurePosixPath(self.name).stem

    @property
    def ending(self) -> str:
        """The file's ending, with its period."""
        return PurePosixPath(self.name).suffix.lower()

    def content(self) -> bytes:
        """The bytes of the file."""
        if not self.is_in_archive:
            return self.file.read_bytes()
        with zipfile.ZipFile(self.file) as archive:
            return archive.read(self.name)


def find_music(folder: Path) -> list[MusicFile]:
    """The music of all packages, held-out packages first, then by name.

    Args:
        folder: holds a folder for each package, as `dpkg-deb -x` unpacks it.

    Raises:
        MissingMusic: a package is missing, or holds no music.
    """
    found = []
    for package in (*HELD_OUT, *LEARNED):
        files = sorted(_of_package(folder / package), key=lambda one: one.name)
        if not files:
            raise MissingMusic(
                f"{folder / package}: no audio file in a folder called {' or '.join(sorted(MUSIC_FOLDERS))}"
                f" (rule: every package has some); apt-get download {package}, then dpkg-deb -x it there"
            )
        found += files
    return found


def _of_package(folder: Path) -> Iterator[MusicFile]:
    for file in folder.rglob("*"):
        name = file.relative_to(folder).as_posix()
        if file.suffix.lower() == ARCHIVE_ENDING:
            with zipfile.ZipFile(file) as archive:
                members = archive.namelist()
            yield from (
                MusicFile(folder.name, member, file, is_in_archive=True)
                for member in members
                if _is_music(member)
            )
        elif _is_music(name) and file.is_file():
            yield MusicFile(folder.name, name, file)


def _is_music(name: str) -> bool:
    path = PurePosixPath(name)
    folders = {part.lower() for part in path.parent.parts}
    return path.suffix.lower() in AUDIO_ENDINGS and bool(folders & MUSIC_FOLDERS)
