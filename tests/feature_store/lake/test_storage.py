"""Storage: the same guarantees on a folder and on the S3 protocol."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from s3transfer.exceptions import S3DownloadFailedError

from feature_store.lake.object_storage import ObjectStorage
from feature_store.lake.storage import FolderStorage, open_storage
from feature_store.lake.stored_file import BLOCK_BYTES, StorageError


@pytest.fixture(params=["folder", "s3", "s3-with-prefix"])
def storage(request, tmp_path):
    if request.param == "folder":
        return FolderStorage(tmp_path / "lake")
    bucket = request.getfixturevalue("bucket")
    return ObjectStorage(bucket, "lake/deep" if request.param == "s3-with-prefix" else "")


def test_what_was_written_is_read_back_and_replaced_whole(storage):
    storage.write("landing/a.txt", b"first, and longer")
    storage.write("landing/a.txt", b"second")

    assert storage.read("landing/a.txt") == b"second"


def test_a_large_file_is_read_in_blocks(storage):
    """Its blocks are the file; none is above the limit, so a worker can hash what it cannot hold."""
    content = bytes(range(256)) * (BLOCK_BYTES // 256) + b"and one more block"
    storage.write("landing/large", content)

    blocks = list(storage.read_blocks("landing/large"))

    assert b"".join(blocks) == content
    assert len(blocks) > 1
    assert max(map(len, blocks)) <= BLOCK_BYTES


def test_blocks_of_a_missing_file_are_named_with_its_address(storage):
    with pytest.raises(StorageError, match=r"nowhere: cannot be read"):
        list(storage.read_blocks("nowhere"))


def test_listing_is_in_path_order_and_stays_below_the_folder(storage):
    for path in ("landing/b", "landing/a/2", "landing/a/1", "landing-not/x"):
        storage.write(path, path.encode())

    found = [(file.path, file.byte_count) for file in storage.list("landing")]

    assert found == [("landing/a/1", 11), ("landing/a/2", 11), ("landing/b", 9)]


def test_listing_a_folder_that_is_not_there_gives_nothing(storage):
    assert list(storage.list("nowhere")) == []


def test_of_concurrent_creators_of_one_name_exactly_one_wins(storage):
    with ThreadPoolExecutor(8) as pool:
        contents = [b"%d" % number for number in range(8)]
        won = list(pool.map(lambda content: storage.put_if_absent("lock", content), contents))

    assert won.count(True) == 1
    assert storage.read("lock") == contents[won.index(True)]


def test_a_missing_file_is_named_with_its_address(storage):
    with pytest.raises(StorageError, match=r"nowhere/at/all: cannot be read"):
        storage.read("nowhere/at/all")


def test_a_deleted_file_is_gone_and_deleting_twice_is_fine(storage):
    storage.write("x", b"1")
    assert storage.exists("x")
    storage.delete("x")
    storage.delete("x")

    assert not storage.exists("x")


def test_no_half_written_file_is_ever_listed(tmp_path):
    """Writers write a hidden temporary file and leave none behind."""
    storage = FolderStorage(tmp_path)
    storage.write("a", b"1")
    storage.put_if_absent("a", b"2")

    assert [file.path for file in storage.list("")] == ["a"]


def test_a_file_deleted_during_a_listing_is_not_listed(tmp_path):
    """Another process may delete files at any time; the listing continues without them."""
    storage = FolderStorage(tmp_path)
    for path in ("a", "b", "c"):
        storage.write(path, b"1")

    listed = storage.list("")
    first = next(listed).path
    (tmp_path / "b").unlink()

    assert [first, *(file.path for file in listed)] == ["a", "c"]


def test_other_teams_may_read_written_files(tmp_path):
    """Files get the permissions of the umask, not those of a private temporary file."""
    storage = FolderStorage(tmp_path)
    storage.write("report.html", b"1")
    storage.put_if_absent("manifest.json", b"1")
    (tmp_path / "plain").write_bytes(b"1")

    permissions = {file.name: file.stat().st_mode for file in tmp_path.iterdir()}

    assert permissions["report.html"] == permissions["manifest.json"] == permissions["plain"]


def test_another_scheme_is_refused_with_the_next_step():
    with pytest.raises(StorageError, match="neither a folder nor s3://; set EVENSONG_LAKE"):
        open_storage("gs://bucket")


def test_a_bucket_that_is_not_there_is_an_error_and_no_faster_writer(bucket):
    with pytest.raises(StorageError, match=r"s3://.*-missing/x: cannot be written.*NoSuchBucket"):
        ObjectStorage(f"{bucket}-missing", "").put_if_absent("x", b"mine")


def test_an_object_that_was_replaced_while_it_was_read_is_an_error_of_the_storage(
    bucket, monkeypatch
):
    """Parts of the old bytes and parts of the new ones are no content."""
    storage = ObjectStorage(bucket, "")

    def replaced(*_):
        raise S3DownloadFailedError("did not match expected ETag")

    monkeypatch.setattr(storage._client, "download_fileobj", replaced)

    with pytest.raises(StorageError, match=r"s3://.*/x: cannot be read: did not match"):
        storage.read("x")


def test_only_a_writer_with_the_newest_etag_replaces_an_object(bucket):
    """Ann and Bob saw the same state; Ann's replacement stands, Bob's is refused."""
    storage = ObjectStorage(bucket, "")
    assert storage.read_with_etag("x") is None
    etag = storage.put_if_match("x", b"first", None)

    by_ann = storage.put_if_match("x", b"ann", etag)

    assert storage.put_if_match("x", b"bob", etag) is None
    assert storage.put_if_match("x", b"late", None) is None
    assert storage.read_with_etag("x") == (b"ann", by_ann)


def _file_link(lake, outside):
    (lake / "landing" / "a").symlink_to(outside / "passwd")


def _folder_link(lake, outside):
    (lake / "landing").rmdir()
    (lake / "landing").symlink_to(outside, target_is_directory=True)


def _dangling_link(lake, outside):
    (lake / "landing" / "a").symlink_to(outside / "gone")


def _link_inside(lake, outside):
    (lake / "kept").write_bytes((outside / "a").read_bytes())
    (lake / "landing" / "a").symlink_to(lake / "kept")


@pytest.fixture
def linked(request, tmp_path):
    """A lake in which landing/a is, or lies behind, a link."""
    lake, outside = tmp_path / "lake", tmp_path / "outside"
    (lake / "landing").mkdir(parents=True)
    outside.mkdir()
    for name in ("passwd", "a"):
        (outside / name).write_bytes(b"secret")
    request.param(lake, outside)
    return lake


every_link = pytest.mark.parametrize(
    "linked", [_file_link, _folder_link, _dangling_link, _link_inside], indirect=True
)


@every_link
@pytest.mark.parametrize(
    "operation",
    [
        lambda storage: storage.read("landing/a"),
        lambda storage: storage.exists("landing/a"),
        lambda storage: storage.write("landing/a", b"x"),
        lambda storage: storage.put_if_absent("landing/a", b"x"),
        lambda storage: storage.delete("landing/a"),
        lambda storage: list(storage.list("landing")),
        lambda storage: list(storage.list("")),
    ],
    ids=["read", "exists", "write", "put_if_absent", "delete", "list", "list all"],
)
def test_a_link_in_a_folder_lake_is_refused_with_the_next_step(linked, operation):
    """Nothing outside is read, changed or deleted, and no half-written file stays."""
    storage = open_storage(str(linked))
    outside = linked.parent / "outside"

    with pytest.raises(StorageError, match=r"landing.* is a link to .*; put the file itself there"):
        operation(storage)

    assert {file.name: file.read_bytes() for file in outside.iterdir()} == {
        "passwd": b"secret",
        "a": b"secret",
    }


@pytest.mark.parametrize("path", ["../outside", "landing/../../outside", "/etc/hostname"])
def test_a_path_that_leads_out_of_the_lake_is_refused(tmp_path, path):
    (tmp_path / "outside").write_bytes(b"secret")
    (tmp_path / "lake" / "landing").mkdir(parents=True)

    with pytest.raises(StorageError, match="leads elsewhere"):
        open_storage(str(tmp_path / "lake")).read(path)


def test_a_lake_whose_own_folder_is_a_link_is_read(tmp_path):
    """Where the lake lies is its owner's choice; only links in it are refused."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "lake").symlink_to(tmp_path / "disk", target_is_directory=True)

    for storage in (open_storage(str(tmp_path / "lake")), FolderStorage(tmp_path / "lake")):
        storage.write("landing/a", b"1")
        assert storage.read("landing/a") == b"1"
        assert [file.path for file in storage.list("landing")] == ["landing/a"]
