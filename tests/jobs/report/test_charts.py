import pytest

from jobs.report import charts


def test_a_histogram_counts_values_in_bins_of_equal_width():
    """0, 1 and 1 lie in [0, 2), 4 in [2, 4]: counts 3 and 1, the first bar three times as high."""
    chart = charts.histogram([0, 1, 1, 4], n_bins=2)

    first, second = chart.bars
    assert [(bar.low, bar.high, bar.count) for bar in chart.bars] == [(0, 2, 3), (2, 4, 1)]
    assert first.height == pytest.approx(3 * second.height)
    assert first.y < second.y
    assert first.y + first.height == pytest.approx(charts.HEIGHT - charts.BOTTOM)


def test_equal_values_make_one_bar():
    [bar] = charts.histogram([7.0, 7.0], n_bins=10).bars

    assert (bar.low, bar.high, bar.count) == (6.5, 7.5, 2)


def test_degrees_are_binned_by_powers_of_two():
    """1 | 2 3 | 4: bins of one, two and one value."""
    chart = charts.log_histogram([1, 2, 3, 4])

    assert [(bar.low, bar.count) for bar in chart.bars] == [(1, 1), (2, 2), (4, 1)]


def test_a_scatter_plot_points_right_and_up():
    """(1, 1) is the upper right corner; SVG's y grows downwards."""
    happy, sad = charts.scatter([(1.0, 1.0, "elated"), (-1.0, 0.0, "sad")], side=300)

    assert (happy.x, happy.y) == (300, 0)
    assert (sad.x, sad.y) == (0, 150)


def test_lines_share_axes_that_include_zero():
    """The larger value at the end lies higher; x of the last point is the right edge."""
    chart = charts.line_chart({"low": [(1, 1.0), (2, 2.0)], "high": [(1, 1.0), (2, 4.0)]})

    low, high = chart.lines
    assert high.y < low.y
    assert high.x == charts.WIDTH - charts.RIGHT
    assert chart.y_ticks[0].label == "0"
    assert high.last == 4.0


def test_the_area_chart_is_highest_at_the_busiest_hour():
    """Counts 0, 2, 1 over 100 × 10: the outline passes (50, 0) and ends at (100, 5)."""
    path = charts.area_path([0, 2, 1], width=100, height=10)

    assert "50.0,0.0" in path
    assert "100.0,5.0" in path
    assert path.endswith("Z")


def test_connected_users_lie_nearer_than_unconnected_ones():
    """Two pairs without an edge between them: the two of a pair are nearest to each other."""
    picture = charts.network(["a", "b", "c", "d"], [("a", "c"), ("b", "d")], {"a": "warm"})

    a, b, c, _ = picture.nodes
    assert _distance(a, c) < _distance(a, b)
    assert (a.tier, b.tier) == ("warm", "")
    for node in picture.nodes:
        assert 0 <= node.x <= charts.WIDTH


def test_the_same_graph_gives_the_same_picture():
    edges = [("a", "b"), ("b", "c")]

    assert charts.network("abc", edges, {}) == charts.network("abc", edges, {})


def _distance(one, other) -> float:
    return ((one.x - other.x) ** 2 + (one.y - other.y) ** 2) ** 0.5
