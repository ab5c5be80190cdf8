"""Ids of any signs are found however a text writes them, and what is no id of the person stays."""

from __future__ import annotations

import html
import json
import re
from urllib.parse import quote, quote_plus

import jinja2
import pytest

from feature_store.privacy import suppression
from feature_store.privacy.person_filter import People, Person, redact

IDS = ("spotify:user:ann", "O'Neil", "a,b", "ann lee", 'say "ann"', "ann.lee@mail.example.org",
       "@ann", "Zoë", "a<b>&c", "ann\\lee", "x/y?z=1", "(ann)", "rock-2", "ann's {cat}")  # fmt: skip
PAGE = jinja2.Environment(autoescape=True)
WRITTEN = {
    "plain": str,
    "json": lambda user_id: json.dumps({"user_id": user_id}),
    "json, not ascii": lambda user_id: json.dumps([user_id], ensure_ascii=False),
    "json in json": lambda user_id: json.dumps({"row": json.dumps({"user_id": user_id})}),
    "html": html.escape,
    "a page of Jinja": lambda user_id: PAGE.from_string("<h3>{{ x }}</h3>").render(x=user_id),
    "a script of Jinja": lambda user_id: PAGE.from_string("<i a={{ x|tojson }}>").render(x=user_id),
    "url": quote,
    "a path of a url": lambda user_id: f"/users/{quote(user_id, safe='')}/lists",
    "a query": lambda user_id: f"?user={quote_plus(user_id)}&page=2",
    "a query in small letters": lambda user_id: f"?user={_small(quote(user_id, safe=''))}&page=2",
    "python": repr,
}


def _small(url):
    return re.sub("%..", lambda hexed: hexed[0].lower(), url)


every_id = pytest.mark.parametrize("user_id", IDS)
every_writing = pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)


@every_id
@every_writing
def test_an_id_is_found_and_redacted_however_it_is_written(user_id, written):
    text = f"row of {written(user_id)}, and of others"
    person = Person(user_id)

    assert person.matches_text(text)
    redacted = redact(text, person)
    assert "‹erased›" in redacted
    assert (redacted.startswith("row of"), redacted.endswith(", and of others")) == (True, True)
    assert not person.matches_text(redacted)
    assert written(user_id) not in redacted


@every_id
@pytest.mark.parametrize("name", ["plain", "json", "html", "a page of Jinja", "a path of a url"])
def test_the_list_of_erased_people_finds_the_id_though_it_holds_only_its_hash(
    settings, user_id, name
):
    suppression.suppress(settings, user_id)
    erased_people = suppression.load_suppression_list(settings)

    assert erased_people.matches_text(f"listens of \x00\x01{WRITTEN[name](user_id)}\n and others")
    assert not erased_people.matches_text("listens of anna, O'Neill, spotify:user:anna and b,a,c")


@pytest.mark.parametrize("other", ["rock-20", "sub-rock-2", "rock-2x", "xrock-2"])
def test_a_longer_id_that_holds_the_id_stays(other):
    assert redact(f"row of {other}!", Person("rock-2")) == f"row of {other}!"


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ('{"user_id": "7", "listen_count": 7}', '{"user_id": "‹erased›", "listen_count": 7}'),
        ('{"user_id": 7, "track_id": "7"}', '{"user_id": ‹erased›, "track_id": "7"}'),
        ("user_id=7 rows=7 elapsed_s=7", "user_id=‹erased› rows=7 elapsed_s=7"),
        ("User 7 has 7 lists of 7", "User ‹erased› has 7 lists of 7"),
        ("listener '7' follows '8'", "listener '‹erased›' follows '8'"),
        ('"user_ids": ["6", "7"], "days": [7]', '"user_ids": ["6", "‹erased›"], "days": [7]'),
        ("user_ids=[6, 7]; counts=[6, 7]", "user_ids=[6, ‹erased›]; counts=[6, 7]"),
        ("GET /users/7/lists took 7 ms", "GET /users/‹erased›/lists took 7 ms"),
        ("<h3>7</h3><td>7</td>", "<h3>‹erased›</h3><td>7</td>"),
        ("at 12:7:07, 7.5 s, 1,007 rows, 7 tasks", "at 12:7:07, 7.5 s, 1,007 rows, 7 tasks"),
        ("2026-03-7 attempt=7.log", "2026-03-7 attempt=7.log"),
        (r"{\"user_id\":\"7\",\"n\":\"7\"}", r"{\"user_id\":\"‹erased›\",\"n\":\"7\"}"),
    ],
)  # fmt: skip
def test_of_numbers_only_those_that_are_the_id_go(text, redacted):
    assert redact(text, Person("7")) == redacted
    assert Person("7").matches_text(text) == (text != redacted)


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("row of 1234567", "row of ‹erased›"),
        ("row_count=1234567", "row_count=1234567"),
        ("1234567.5 s, 0.1234567, 1234567,000", "1234567.5 s, 0.1234567, 1234567,000"),
        ("12345678 91234567", "12345678 91234567"),
    ],
)
def test_a_long_number_is_the_id_unless_it_is_said_to_count_something(text, redacted):
    assert redact(text, Person("1234567")) == redacted


def test_the_list_leaves_numbers_that_are_no_ids(settings):
    suppression.suppress(settings, "7")
    erased_people = suppression.load_suppression_list(settings)

    assert erased_people.matches_text('{"user_id": 7}')
    assert not erased_people.matches_text('{"user_id": 8, "listen_count": 7}; 7 rows in 7.5 s')


@pytest.mark.parametrize(
    ("user_id", "path", "renamed"),
    [
        ("ada", "landing/users/2026-03-01/ada.parquet", "ALIAS.parquet"),
        ("ada", "landing/users/2026-03-01/listens_of_ada-2.parquet", "listens_of_ALIAS-2.parquet"),
        ("ada", "landing/users/2026-03-01/adalbert.parquet", "adalbert.parquet"),
        ("O'Neil", "landing/users/2026-03-01/O'Neil.parquet", "ALIAS.parquet"),
        ("spotify:user:ann", "a/b/spotify%3Auser%3Aann.parquet", "ALIAS.parquet"),
        ("part", "landing/users/2026-03-01/part-0.parquet", "part-0.parquet"),
        ("part", "landing/users/2026-03-01/part-0_0002.parquet", "part-0_0002.parquet"),
        ("part", "landing/users/2026-03-01/of_part.parquet", "of_ALIAS.parquet"),
        ("parquet", "landing/users/2026-03-01/part-0.parquet", "part-0.parquet"),
        ("parquet", "landing/users/2026-03-01/of_parquet.parquet", "of_ALIAS.parquet"),
        ("music", "landing/users/2026-03-01/music-folder.parquet", "music-folder.parquet"),
        ("hetrec", "landing/users/2026-03-01/hetrec_0003.parquet", "hetrec_0003.parquet"),
        ("emobank", "landing/emotion_texts/2026-03-01/emobank.parquet", "emobank.parquet"),
        ("listens", "landing/listens/2026-03-01/part-0.parquet", "part-0.parquet"),
        ("snappy", "a/part-00000-8d1e4a9c-0b7e-4a55-9d3c-2f6b8f3a1c77-c000.snappy.parquet",
         "part-00000-8d1e4a9c-0b7e-4a55-9d3c-2f6b8f3a1c77-c000.snappy.parquet"),
        ("html", "reports/2026-03-01/manual__2026-03-02T02:00:00+00:00.html",
         "manual__2026-03-02T02:00:00+00:00.html"),
        ("manual", "reports/2026-03-01/manual__2026-03-02T02:00:00+00:00.html",
         "manual__2026-03-02T02:00:00+00:00.html"),
        ("ada", "reports/2026-03-01/manual__ada.html", "manual__ALIAS.html"),
        ("attempt", "logs/attempt=1.log", "attempt=1.log"),
        ("ann.lee", "landing/users/2026-03-01/ann.lee.parquet", "ALIAS.parquet"),
        ("7", "landing/users/2026-03-01/part-7.parquet", "part-7.parquet"),
        ("7", "landing/users/2026-03-01/7.parquet", "7.parquet"),
        ("7", "landing/listens/2026-03-01/user_7.parquet", "user_ALIAS.parquet"),
    ],
)  # fmt: skip
def test_an_erasure_and_the_list_give_a_file_the_same_name(settings, user_id, path, renamed):
    """A file that arrives again must get its manifest's name; our programs' names are nobody's."""
    person = suppression.suppress(settings, user_id)
    expected = f"{path.rpartition('/')[0]}/{renamed.replace('ALIAS', person.file_alias)}"

    assert person.rename(path) == expected
    assert suppression.load_suppression_list(settings).rename(path) == expected


# Several people at once

OTHERS = ("zed", "dora:x", "42424242")


@every_id
@every_writing
def test_one_of_several_people_is_found_and_redacted_like_one_alone(user_id, written):
    people = People([Person(each) for each in (*OTHERS, user_id)])
    text = f"row of {written(user_id)}, and of others"

    assert people.known_in_text(text) == [user_id]
    assert redact(text, people) == redact(text, Person(user_id))
    assert not people.matches_text(redact(text, people))


def test_several_people_in_one_text_are_all_found_and_the_text_of_others_stays():
    people = People([Person(each) for each in ("ada", "ben", "a,b")])
    text = "ada heard ben, a,b did not; adam and ben-2 stay"

    assert sorted(people.known_in_text(text)) == ["a,b", "ada", "ben"]
    assert redact(text, people) == "‹erased› heard ‹erased›, ‹erased› did not; adam and ben-2 stay"


def test_bytes_that_are_no_text_hide_nobody_beside_them():
    people = People([Person("ada"), Person("ben")])
    text = b"row \xff of ada \x00".decode(errors="surrogateescape")

    assert people.known_in_text(text) == ["ada"]
    assert redact(text, people).encode(errors="surrogateescape") == "row \udcff of ‹erased› \x00".encode(errors="surrogateescape")  # fmt: skip


@pytest.mark.parametrize("name", ["of_ada-l.parquet", "ada.parquet", "ada_ben.parquet", "ben-ada-l.parquet", "adam.parquet"])  # fmt: skip
def test_names_of_files_get_the_same_aliases_as_from_the_list_of_erased_people(settings, name):
    """Where ids overlap, the longer one counts in both."""
    people = People([suppression.suppress(settings, each) for each in ("ada", "ben", "ada-l")])
    erased_people = suppression.load_suppression_list(settings)
    path = f"landing/users/2026-03-01/{name}"

    assert people.rename(path) == erased_people.rename(path)
    assert (people.rename(path) == path) == (name == "adam.parquet")
    assert bool(people.known_in_path(path)) == (name != "adam.parquet")


def test_nobody_is_in_any_text():
    nobody = People([])

    assert not nobody.matches_text("row of ada")
    assert redact("row of ada", nobody) == "row of ada"
    assert nobody.rename("landing/ada.parquet") == "landing/ada.parquet"


def test_a_filter_of_several_people_hides_them_from_logs():
    assert "ada" not in repr(People([Person("ada")]))
