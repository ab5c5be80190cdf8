"""Similar tracks by trained vectors: the report says of what each was compared."""

from __future__ import annotations

from jobs.report.collect import collect
from jobs.report.lake import open_run
from jobs.report.report import render_report
from jobs.report.sections.similar_tracks import read_similar_tracks
from tests.jobs.report import sample_run
from tests.jobs.report.sample_lake import AT_NIGHT, append_rows


def test_the_kind_of_a_trained_vector_is_said_and_of_others_none(night):
    """A is compared with b by the text of b; b with a by audio, although a has a trained vector, too."""
    sample_run.write_all(night)
    append_rows(
        night,
        "feat_track_htcl",
        *(
            {
                "as_of_date": night.as_of,
                "run_id": night.run_id,
                "track_id": track_id,
                "vector_kind": kind,
                "track_vector": [1.0] * 100,
                "family": "htcl",
                "model_version": "v1",
            }
            for track_id, kind in (("a", "text"), ("b", "audio"))
        ),
    )

    found = read_similar_tracks(open_run(night))
    page = render_report(collect(night), now=AT_NIGHT)

    kinds = {
        (sample.track.track_id, one.track.track_id): one.vector_kind
        for sample in found.samples
        for one in sample.neighbours
    }
    assert kinds == {("b", "a"): None, ("d", "b"): None, ("d", "a"): "text"}
    assert "0.250 by trained vectors of text" in " ".join(page.split())
