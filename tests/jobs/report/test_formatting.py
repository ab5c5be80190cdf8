import pytest

from jobs.report import formatting


@pytest.mark.parametrize(
    ("formatted", "expected"),
    [
        (formatting.count(17632), "17,632"),
        (formatting.percent(0.9321), "93.2\u00a0%"),
        (formatting.percent(0.0008), "<0.1\u00a0%"),
        (formatting.percent(1.0), "100\u00a0%"),
        (formatting.duration(0.42), "0.4\u00a0s"),
        (formatting.duration(125), "2\u00a0min 05\u00a0s"),
        (formatting.duration(7384), "2\u00a0h 03\u00a0min"),
        (formatting.byte_size(999), "999\u00a0B"),
        (formatting.byte_size(1_234_567), "1.2\u00a0MB"),
        (formatting.signed(-4), "−4"),
        (formatting.signed(4), "+4"),
        (formatting.multiple(0.3, 0.2), "1.50×"),
        (formatting.multiple(0.3, 0), ""),
        (formatting.gate_value(3.0), "3"),
        (formatting.gate_value(0.99712), "0.9971"),
        (formatting.metric_name("recall_at_10"), "Recall@10"),
        (formatting.metric_name("hit_rate"), "hit rate"),
    ],
)
def test_numbers_and_names_are_formatted(formatted, expected):
    assert formatted == expected
