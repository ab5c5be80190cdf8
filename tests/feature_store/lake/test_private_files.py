"""Private files: only their owner may read them."""

from __future__ import annotations

import os

import pytest

from feature_store.lake.private_files import NotAFile, make_private, write_private_file


def test_only_the_owner_may_read_a_private_file_even_after_a_replacement(tmp_path):
    file = tmp_path / "folder" / "secret.json"
    file.parent.mkdir()
    file.write_text("public")

    write_private_file(file, "first")
    write_private_file(file, "second")

    assert file.read_text() == "second"
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("exists", [False, True])
def test_a_file_is_made_private_and_keeps_what_it_holds(tmp_path, exists):
    file = tmp_path / "export.json"
    if exists:
        file.write_text("earlier")
        file.chmod(0o644)

    make_private(file)

    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_text() == ("earlier" if exists else "")


def test_what_is_no_file_keeps_its_rights(tmp_path):
    """A folder that lost its rights would be closed to everybody, and a pipe is nobody's alone."""
    os.mkfifo(tmp_path / "pipe", 0o644)
    (tmp_path / "folder").mkdir(mode=0o755)

    for name, mode in (("folder", 0o755), ("pipe", 0o644)):
        with pytest.raises(NotAFile, match=f"{name}: it is no file; give"):
            make_private(tmp_path / name)
        assert (tmp_path / name).stat().st_mode & 0o777 == mode
    with pytest.raises(NotAFile, match=r"the folder .*nowhere does not exist; make it first"):
        make_private(tmp_path / "nowhere" / "export.json")
