"""Private files: only their owner may read them."""

from __future__ import annotations

from feature_store.lake.private_files import write_private_file


def test_only_the_owner_may_read_a_private_file_even_after_a_replacement(tmp_path):
    file = tmp_path / "folder" / "secret.json"
    file.parent.mkdir()
    file.write_text("public")

    write_private_file(file, "first")
    write_private_file(file, "second")

    assert file.read_text() == "second"
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(file.parent.iterdir()) == [file]
