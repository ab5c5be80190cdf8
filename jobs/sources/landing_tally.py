"""The result of an ingest, from what its writer wrote."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from jobs.landing.manifests import late_days, next_open_day
from jobs.landing.writer import LandingWriter
from jobs.sources.ingest_result import FileRemark, IngestResult


def result_of(
    writer: LandingWriter,
    sources: Iterable[str],
    *,
    not_taken: Sequence[FileRemark] = (),
    remarks: Sequence[FileRemark] = (),
) -> IngestResult:
    """Counts of `sources`, and the closed days for which something landed late."""
    counts, known = Counter[str](), Counter[str]()
    for landed in writer.landed:
        (counts if landed.is_new else known)[landed.source] += landed.count
    new_paths = [landed.path for landed in writer.landed if landed.is_new]
    return IngestResult(
        {source: counts[source] for source in sources},
        {source: known[source] for source in sources if known[source]},
        tuple(not_taken),
        tuple(remarks),
        late_days(writer.storage, new_paths),
        next_open_day(writer.storage),
    )
