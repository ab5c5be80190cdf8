import pytest

from jobs.report import wording


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (wording.count(17632), "17,632"),
        (wording.percent(0.9321), "93.2\u00a0%"),
        (wording.percent(0.0008), "<0.1\u00a0%"),
        (wording.percent(1.0), "100\u00a0%"),
        (wording.duration(0.42), "0.4\u00a0s"),
        (wording.duration(125), "2\u00a0min 05\u00a0s"),
        (wording.duration(7384), "2\u00a0h 03\u00a0min"),
        (wording.byte_size(999), "999\u00a0B"),
        (wording.byte_size(1_234_567), "1.2\u00a0MB"),
        (wording.signed(-4), "−4"),
        (wording.signed(4), "+4"),
        (wording.times(0.3, 0.2), "1.50×"),
        (wording.times(0.3, 0), ""),
        (wording.gate_figure(3.0), "3"),
        (wording.gate_figure(0.99712), "0.9971"),
        (wording.metric("recall_at_10"), "Recall@10"),
        (wording.metric("hit_rate"), "hit rate"),
    ],
)
def test_figures_read_as_people_write_them(written, expected):
    assert written == expected
