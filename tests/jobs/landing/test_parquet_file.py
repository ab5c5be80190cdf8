"""A landing file is trusted with nothing: what it does to its reader is done to another process."""

from __future__ import annotations

import base64
import io
import os
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe
import pytest

from jobs.landing import parquet_file
from jobs.landing.parquet_file import UnreadableFile, read_batches, read_table

IDS = pa.table({"user_id": ["ada", "ben"]})


@pytest.mark.parametrize("read", [read_table, lambda file: list(read_batches(file))])
def test_a_file_that_ends_its_reader_is_unreadable(tmp_path, deadly_footers, read):
    file = tmp_path / "part-0.parquet"
    pq.write_table(IDS.replace_schema_metadata({"x": "deadly footer"}), file)

    with pytest.raises(UnreadableFile, match="ended with status -6"):
        read(file)


class PlainKeys(pe.KmsClient):
    """Keys that wrap nothing: an encrypted file needs some."""

    def wrap_key(self, key_bytes, master_key_identifier):
        return base64.b64encode(key_bytes)

    def unwrap_key(self, wrapped_key, master_key_identifier):
        return base64.b64decode(wrapped_key)


@pytest.mark.parametrize("plaintext_footer", [True, False])
def test_an_encrypted_file_says_so(tmp_path, plaintext_footer):
    """Arrow ends the process that looks into an encrypted column behind a readable footer."""
    file = tmp_path / "part-0.parquet"
    encryption = pe.EncryptionConfiguration(
        footer_key="key", column_keys={"key": ["user_id"]}, plaintext_footer=plaintext_footer
    )
    factory = pe.CryptoFactory(lambda _: PlainKeys())
    properties = factory.file_encryption_properties(pe.KmsConnectionConfig(), encryption)
    with pq.ParquetWriter(file, IDS.schema, encryption_properties=properties) as writer:
        writer.write_table(IDS)

    with pytest.raises(UnreadableFile, match="encrypted"):
        read_table(file)


@pytest.mark.parametrize("n_rows", [(2, 1), (1, 2), (5_000, 1)])
def test_files_behind_one_another_are_not_read_as_the_last(tmp_path, n_rows):
    """`cat` joins their bytes; the footer of the last would be read with the pages of the first."""
    parts = []
    for number, n in enumerate(n_rows):
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table({"user_id": [f"u{number}-{row}" for row in range(n)]}), sink)
        parts.append(sink.getvalue().to_pybytes())
    file = tmp_path / "part-0.parquet"
    file.write_bytes(b"".join(parts))

    with pytest.raises(UnreadableFile, match="several Parquet files"):
        read_table(file)


def test_a_file_with_indices_and_bloom_filters_is_one_file(tmp_path):
    file = tmp_path / "part-0.parquet"
    pq.write_table(IDS, file, write_page_index=True)
    assert read_table(file).to_pylist() == IDS.to_pylist()


def test_one_process_checks_file_after_file(tmp_path):
    """To start one takes a second or two; a day may bring hundreds of files."""
    file = tmp_path / "part-0.parquet"
    pq.write_table(IDS, file)
    processes = set()
    for _ in range(3):
        assert read_table(file).to_pylist() == IDS.to_pylist()
        processes.add(parquet_file._checker_of(os.getpid())._process.pid)
    assert len(processes) == 1


def test_a_table_has_the_file_s_metadata_and_no_dictionary_with_texts_of_no_row(tmp_path):
    file = tmp_path / "part-0.parquet"
    categories = pa.DictionaryArray.from_arrays(pa.array([0, None], pa.int8()), ["ada", "ben"])
    stored = pa.table({"user_id": categories, "played_ms": [1, 2]}).replace_schema_metadata({"a": "b"})  # fmt: skip
    pq.write_table(stored, file)

    read = read_table(file)

    assert read.schema.field("user_id").type == pa.string()
    assert read.schema.metadata[b"a"] == b"b"
    assert read.to_pylist() == [{"user_id": "ada", "played_ms": 1}, {"user_id": None, "played_ms": 2}]  # fmt: skip
    sink = io.BytesIO()
    pq.write_table(read, sink)
    assert b"ben" not in sink.getvalue()


@pytest.mark.parametrize("year", [1, 1677, 1678, 2024, 2262, 2608, 9999])
def test_old_and_far_moments_of_int96_are_what_was_written(tmp_path, year):
    """Spark and Hive write INT96; as nanoseconds the years 1 and 9999 would be 1754 and 1816."""
    file = tmp_path / "part-0.parquet"
    moment = datetime(year, 3, 1, 12, 30, tzinfo=UTC).replace(tzinfo=None)
    moments = pa.array([moment], pa.timestamp("us"))
    pq.write_table(pa.table({"at": moments}), file, use_deprecated_int96_timestamps=True)

    assert read_table(file)["at"].to_pylist() == [moment]


def test_a_file_without_rows_gives_a_table_with_its_columns(tmp_path):
    file = tmp_path / "part-0.parquet"
    pq.write_table(IDS.slice(0, 0), file)

    assert read_table(file).schema.names == ["user_id"]
    assert read_table(file).num_rows == 0
