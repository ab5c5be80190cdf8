"""Private files: only their owner may read them."""

from __future__ import annotations

import os

import pytest

from feature_store.lake.private_files import (
    NotAFile,
    close_folder,
    make_private,
    make_private_folder,
    write_private_file,
)


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


def test_new_folders_are_of_their_owner_alone_and_existing_ones_keep_their_rights(tmp_path):
    """The state may lie in a folder that other programs use."""
    tmp_path.chmod(0o755)

    make_private_folder(tmp_path / "state" / "lineage")
    make_private_folder(tmp_path)

    modes = [each.stat().st_mode & 0o777 for each in (tmp_path / "state" / "lineage", tmp_path / "state", tmp_path)]  # fmt: skip
    assert modes == [0o700, 0o700, 0o755]


def test_a_folder_of_ours_that_others_may_enter_is_closed(tmp_path):
    (tmp_path / "logs").mkdir(mode=0o755)

    close_folder(tmp_path / "logs")

    assert (tmp_path / "logs").stat().st_mode & 0o777 == 0o700
