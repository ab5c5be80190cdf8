"""Ids and their positions."""

from __future__ import annotations

import pyarrow as pa
import pytest

from training.data.nodes import DanglingIdError, IdList

USERS = IdList.of("user", ["dora", "ann", "bob", "ann"])


def test_positions_are_places_in_the_sorted_list_in_whatever_order_ids_come():
    """Sorted: ann, bob, dora. Upper case comes before lower, and letters beyond ASCII after."""
    assert USERS.ids.tolist() == ["ann", "bob", "dora"]
    assert USERS.positions(["dora", "ann", "dora"], "test").tolist() == [2, 0, 2]
    assert IdList.of("user", ["é", "a", "Z", "𝄞"]).ids.tolist() == ["Z", "a", "é", "𝄞"]


def test_a_column_in_chunks_is_looked_up_as_a_list_is():
    column = pa.chunked_array([["bob", None], [], ["eve", "ann"]], pa.string())

    assert USERS.find(column).tolist() == [1, -1, -1, 0]
    assert IdList.of("user", column.drop_null()).ids.tolist() == ["ann", "bob", "eve"]


def test_an_id_that_is_no_node_is_an_error_that_names_table_kind_and_the_first_one():
    with pytest.raises(
        DanglingIdError, match=r"core_likes: 2 ids are no user in graph_nodes, first 'eve'; run"
    ):
        USERS.positions(["bob", "tom", "eve", "tom"], "core_likes")


def test_a_date_without_a_graph_is_an_error_that_says_which_command_writes_it():
    with pytest.raises(
        DanglingIdError, match=r"no user on this date, and core_likes names some; .* evensong night"
    ):
        IdList.of("user", []).positions(["bob", "tom"], "core_likes")


def test_an_empty_list_finds_no_id():
    empty = IdList.of("user", [])

    assert empty.find(["ann"]).tolist() == [-1]
    assert empty.positions([], "test").tolist() == []


def test_what_two_lists_share_is_given_by_both_of_their_positions():
    here, there = USERS.intersection(IdList.of("user", ["bob", "cy", "dora"]))

    assert (here.tolist(), there.tolist()) == ([1, 2], [0, 2])
