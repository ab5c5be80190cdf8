"""Finds the audio files below a folder, and names everything that it leaves out.

Links to folders are followed, each folder once. Hidden names (with a leading dot) are left out:
"._song.mp3" holds what another file system could not keep beside song.mp3.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jobs.encoders.audio.decoding.content_kind import HEAD_BYTES
from jobs.sources.ingest_result import FileRemark, shown_path
from jobs.sources.music_files.other_files import (
    LYRICS_ENDINGS,
    owner_of_translation,
    why_no_audio,
    why_no_lyrics,
)
from jobs.sources.music_files.tag_values import name_key

AUDIO_ENDINGS = frozenset(
    {".aif", ".aiff", ".flac", ".m4a", ".mp3", ".oga", ".ogg", ".opus", ".wav"}
)
OF_THE_FILE = frozenset(
    {
        *(errno.EACCES, errno.EPERM, errno.ENOENT, errno.ELOOP, errno.ENAMETOOLONG),
        *(errno.EISDIR, errno.ENOTDIR, errno.ENXIO, errno.EINVAL, errno.EILSEQ),
        *(errno.EBUSY, errno.EBADMSG, errno.ENOKEY),  # locked, a wrong checksum, encrypted
    }
)
"""Errors that one file may meet alone. All others (a share that went away, a disk, want of memory)
would make every further file "not taken", and the command a success.
"""

_FileKey = tuple[int, int]  # device and inode


@dataclass(frozen=True, slots=True)
class FolderNames:
    """The entries of one folder, found in any letter case and Unicode form.

    Attributes:
        by_key: the entries by `name_key` of their names.
        translations: lyrics with a language in their name, by `name_key` of their recording's name
            or stem.
    """

    by_key: Mapping[str, Sequence[Path]]
    translations: Mapping[str, Sequence[Path]] = field(default_factory=dict)

    def find(self, name: str) -> Path | None:
        """The entry of this very name; else the first of its spellings."""
        spellings = self.by_key.get(name_key(name), ())
        exact = [entry for entry in spellings if entry.name == name]
        return next(iter([*exact, *spellings]), None)

    def lyrics_of(self, audio: Path) -> list[Path]:
        """The lyrics files of a recording: of its stem, of its name, then those of languages."""
        names = (audio.stem, audio.name)
        named = [self.find(name + ending) for name in names for ending in LYRICS_ENDINGS]
        translated = [file for name in names for file in self.translations.get(name_key(name), ())]
        return list(dict.fromkeys(file for file in [*named, *translated] if file))


@dataclass(frozen=True, slots=True)
class FoundFile:
    """One audio file: its path, the path to show, and the names beside it."""

    path: Path
    shown: str
    siblings: FolderNames


@dataclass(slots=True)
class FolderWalk:
    """A walk over the folder `top`.

    Attributes:
        left_out: folders that hold no music of the owner, such as the lake's own landing folder.
        not_taken: what the walk left out, by path shown, with the reason.
    """

    top: Path
    left_out: Sequence[Path] = ()
    not_taken: list[FileRemark] = field(default_factory=list)
    _links: deque[Path] = field(default_factory=deque)
    _seen: set[_FileKey] = field(default_factory=set)

    def audio_files(self) -> list[FoundFile]:
        """The audio files in path order; those behind links to folders come last.

        Raises:
            OSError: `top` itself cannot be listed, or the machine is short of file handles.
        """
        self._seen = {key for folder in self.left_out if (key := _key_of(folder))}
        above = {_key_of(folder) for folder in self.top.resolve().parents}
        found = self._files_below(self.top)
        while self._links:
            link = self._links.popleft()
            if _key_of(link) in self._seen | above:
                self._leave_out(link, "is a link to a folder that is read anyway, or lies above it")
            else:
                found += self._files_below(link)
        return found

    def _files_below(self, top: Path) -> list[FoundFile]:
        """Files of a folder and its folders; links to further folders wait in `_links`."""
        found, unwalked, links = list[FoundFile](), [top], list[Path]()
        while unwalked:
            folder = unwalked.pop()
            if (key := _key_of(folder)) in self._seen:
                self._leave_out(folder, "is read elsewhere, or is the lake's own folder")
                continue
            try:
                entries = [Path(entry) for entry in sorted(os.scandir(folder), key=_name)]
            except OSError as error:
                if folder == self.top or error.errno not in OF_THE_FILE:
                    raise
                self._leave_out(folder, f"is a folder that cannot be read: {error.strerror}")
                continue
            if key:
                self._seen.add(key)
            by_kind: dict[str | None, list[Path]] = {}
            for entry in entries:
                by_kind.setdefault(self._kind_of(entry), []).append(entry)
            for subfolder in by_kind.get("folder", ()):
                (links if subfolder.is_symlink() else unwalked).append(subfolder)
            audio = by_kind.get("audio", [])
            names = self._names_of(entries, audio, by_kind.get("other", []))
            found += [FoundFile(entry, self._shown(entry), names) for entry in audio]
        self._links.extend(sorted(links))
        return sorted(found, key=lambda file: file.path)

    def _kind_of(self, entry: Path) -> str | None:
        """Whether the entry is a "folder", "audio" or "other" file; None when it is left out."""
        ending = entry.suffix.lower().strip()
        has_audio_name = ending in AUDIO_ENDINGS
        try:
            mode = entry.stat().st_mode
        except OSError as error:
            self._leave_out(entry, _why_not_reached(entry, error))
            return None
        is_folder = stat.S_ISDIR(mode)
        if entry.name.startswith("."):
            if is_folder or has_audio_name:
                self._leave_out(entry, "is hidden: its name begins with a dot")
            return None
        if is_folder:
            if has_audio_name:
                self._leave_out(entry, "is a folder, not an audio file; files in it are taken")
            return "folder"
        if has_audio_name and not stat.S_ISREG(mode):
            self._leave_out(entry, "is no regular file")
            return None
        if has_audio_name:
            return "audio"
        head = _head_of(entry) if stat.S_ISREG(mode) else b""
        if reason := why_no_audio(ending, head):
            self._leave_out(entry, reason)
            return None
        return "other"

    def _names_of(
        self, entries: Sequence[Path], audio: Sequence[Path], others: Sequence[Path]
    ) -> FolderNames:
        """The names in a folder; names files of lyrics that nobody reads as left out."""
        by_key: dict[str, list[Path]] = {}
        for entry in entries:
            by_key.setdefault(name_key(entry.name), []).append(entry)
        recordings = {name_key(name) for file in audio for name in (file.stem, file.name)}
        translations: dict[str, list[Path]] = {}
        for entry in others:
            key = name_key(entry.name)
            if reason := why_no_lyrics(key, recordings):
                self._leave_out(entry, reason)
            elif owner := owner_of_translation(key, recordings):
                translations.setdefault(owner, []).append(entry)
        return FolderNames(by_key, translations)

    def _leave_out(self, entry: Path, reason: str) -> None:
        self.not_taken.append(FileRemark(self._shown(entry), reason))

    def _shown(self, entry: Path) -> str:
        return shown_path(os.fspath(entry.relative_to(self.top)))


def _head_of(entry: Path) -> bytes:
    """The first bytes of a file; none of one that cannot be read, as it may be of any kind."""
    try:
        with entry.open("rb") as opened:
            return opened.read(HEAD_BYTES)
    except OSError as error:
        if error.errno not in OF_THE_FILE:
            raise
        return b""


def _why_not_reached(entry: Path, error: OSError) -> str:
    link = "is a link that leads nowhere" if entry.is_symlink() else "cannot be reached"
    return f"{link}: {error.strerror}"


def _key_of(folder: Path) -> _FileKey | None:
    try:
        found = folder.stat()
    except OSError:
        return None  # whoever lists the folder gets the error and names it
    return found.st_dev, found.st_ino


def _name(entry: os.DirEntry[str]) -> str:
    return entry.name
