"""EmoBank lands its sentences once for each perspective, on the scale -1 to 1."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from feature_store.lake.storage import FolderStorage
from feature_store.tables.raw import RAW_EMOTION_TEXTS
from jobs.sources.emobank import EmobankError, write_emobank
from jobs.sources.emotion_text_rows import EmotionTextRow, sd_to_common_scale, to_common_scale
from jobs.sources.landing_rows import landing_schema

ARRIVAL = date(2026, 3, 1)
REAL_FOLDER = Path(__file__).parents[4] / "shared/data/emobank"
FILES = {
    "emobank.csv": "id,split,V,A,D,text\n"
    'a_1,train,3.0,4.44,3.2,"""Noël,"" she said."\n'
    "a_2,test,1.2,3.0,3.0,No.\u2028Never.\r\n"
    "a_3,dev,5.0,1.0,2.8,Yes!\n",
    "reader.csv": '"id","V","A","D","stdV","stdA","stdD","N"\n'
    '"a_1","3.2","4.6","3.0","0.4","0.49","0.0","5"\n'
    '"b_9","3.0","3.0","3.0","0.0","0.0","0.0","4"\n',
    "writer.csv": '"id","V","A","D","stdV","stdA","stdD","N"\n'
    '"a_2","1.0","3.0","3.0","","2.0","0.0","2"\n',
}


@pytest.fixture
def folder(tmp_path) -> Path:
    folder = tmp_path / "emobank"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_bytes(text.encode())
    return folder


def land(folder, lake):
    return write_emobank(folder, FolderStorage(lake), ARRIVAL)


def landed(lake):
    [file] = lake.glob("landing/emotion_texts/2026-03-01/emobank.parquet")
    return [EmotionTextRow(**row) for row in pq.read_table(file).to_pylist()]


def remarks(result):
    return [(each.path, each.reason) for each in result.not_taken]


def test_each_sentence_lands_once_for_each_perspective_that_rated_it(folder, tmp_path):
    """By hand: (4.44 - 3) / 2 = .72, (1.2 - 3) / 2 = -.9; deviations are halved."""
    result = land(folder, tmp_path)

    quoted, never = '"Noël," she said.', "No.\u2028Never."
    assert landed(tmp_path) == [
        ("emobank-a_1", "combined", quoted, 0.0, 0.72, None, None, None, "train"),
        ("emobank-a_2", "combined", never, -0.9, 0.0, None, None, None, "test"),
        ("emobank-a_3", "combined", "Yes!", 1.0, -1.0, None, None, None, "dev"),
        ("emobank-a_1", "reader", quoted, 0.1, 0.8, 0.2, 0.245, 5, "train"),
        ("emobank-a_2", "writer", never, -1.0, 0.0, None, 1.0, 2, "test"),
    ]
    assert result.counts == {"emotion_texts": 5}
    assert remarks(result) == [
        ("reader.csv", "1 ratings are of sentences whose text emobank.csv lacks")
    ]


def test_a_folder_with_the_main_file_alone_lands(folder, tmp_path):
    (folder / "reader.csv").unlink()
    (folder / "writer.csv").unlink()

    assert land(folder, tmp_path).counts == {"emotion_texts": 3}
    assert {row.perspective for row in landed(tmp_path)} == {"combined"}


def test_a_corpus_without_a_split_lands_without_one(folder, tmp_path):
    (folder / "emobank.csv").write_text("id,V,A,text\na_1,3,3,So.\n")

    land(folder, tmp_path)

    assert [row.source_split for row in landed(tmp_path)] == [None, None]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"c_1,train,x,3.0,3.0,So.", "V must be a number, not 'x'"),
        (b"c_1,train,3.0,nan,3.0,So.", "A must be a number, not 'nan'"),
        (b"c_1,train,3.0,3.0,So.", "has 5 values; must have 6, one for each column"),
        (b"c_1,train,3.0,3.0,3.0,Yes, or no.", "has 7 values; must have 6"),
        (b'c_1,train,3.0,3.0,3.0,"So.', "must be CSV in UTF-8 (unexpected end of data)"),
        (b"c_1,train,3.0,3.0,3.0,\xff", "must be CSV in UTF-8 ('utf-8' codec"),
        (b" ,train,3.0,3.0,3.0,So.", "id must not be empty"),
    ],
)
def test_a_damaged_line_is_named_and_left_out(folder, tmp_path, line, reason):
    """It is the second line of the file; all lines below it land."""
    header, rest = FILES["emobank.csv"].encode().split(b"\n", 1)
    (folder / "emobank.csv").write_bytes(b"\n".join([header, line, rest]))

    result = land(folder, tmp_path)

    assert result.counts == {"emotion_texts": 5}
    [(path, found), *_] = remarks(result)
    assert path == "emobank.csv, line 2"
    assert found.startswith(reason)


def test_a_damaged_count_of_raters_leaves_out_its_rating_alone(folder, tmp_path):
    lines = FILES["reader.csv"].replace('"5"', '"five"')
    (folder / "reader.csv").write_text(lines)

    result = land(folder, tmp_path)

    assert result.counts == {"emotion_texts": 4}
    assert ("reader.csv, line 2", "N must be a whole number, not 'five'") in remarks(result)


def test_values_that_are_out_of_range_land_for_the_raw_stage_to_reject(folder, tmp_path):
    with (folder / "emobank.csv").open("a") as opened:
        opened.write("c_1,holdout,9.0,3.0,3.0,\n")

    land(folder, tmp_path)

    assert landed(tmp_path)[3][:5] == ("emobank-c_1", "combined", "", 3.0, 0.0)
    assert landed(tmp_path)[3].source_split == "holdout"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("emobank.csv", None, r"emobank.csv: file must exist; give the folder `corpus` of https"),
        ("emobank.csv", "", r"emobank.csv line 1: column id must be in the header, which has \[\]"),
        ("emobank.csv", "id;V;A;text\n", r"emobank.csv line 1: column id must be in the header"),
        ("emobank.csv", FILES["reader.csv"], r"line 1: column text must be in the header, which"),
        ("emobank.csv", "id,V,A,text\na,b,c,d\n", r"emobank.csv: no line can be read; give"),
        ("reader.csv", "id,V\n", r"reader.csv line 1: column A must be in the header"),
    ],
)
def test_a_folder_that_is_no_emobank_lands_nothing(folder, tmp_path, name, text, message):
    (folder / name).unlink()
    if text is not None:
        (folder / name).write_text(text)

    with pytest.raises(EmobankError, match=message):
        land(folder, tmp_path)

    assert not (tmp_path / "landing").exists()


def test_rows_have_the_columns_of_the_raw_table():
    assert list(EmotionTextRow._fields) == landing_schema(RAW_EMOTION_TEXTS).names


def test_ratings_of_1_to_5_fill_the_scale():
    assert [to_common_scale(rating) for rating in (1, 2, 3, 4.6, 5)] == [-1, -0.5, 0, 0.8, 1]
    assert sd_to_common_scale(2) == 1


@pytest.mark.skipif(not REAL_FOLDER.is_dir(), reason=f"the data set is not at {REAL_FOLDER}")
def test_the_whole_corpus_lands(tmp_path):
    """The official split of its paper; every sentence has a reader and a writer, and no line is damaged."""
    result = land(REAL_FOLDER, tmp_path)

    rows = landed(tmp_path)
    splits = [row.source_split for row in rows if row.perspective == "combined"]
    assert result.counts == {"emotion_texts": 3 * 10_062}
    assert [splits.count(name) for name in ("train", "dev", "test")] == [8_062, 1_000, 1_000]
    assert all(-1 <= row.valence <= 1 and -1 <= row.arousal <= 1 for row in rows)
    assert [path for path, _ in remarks(result)] == ["reader.csv", "writer.csv"]
