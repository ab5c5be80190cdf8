"""What a job computes and commits at a time: everything, or a portion of its new content.

A first night has a whole catalogue to encode. With one commit, a task that is stopped would lose
hours of work and begin anew when it is tried again, for ever if it needs longer than a task may.
The next try finds the rows of each portion that was committed, and encodes what is left.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import structlog

from feature_store.lake.delta_tables import open_table
from jobs.inputs import LandingSource

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from feature_store.settings import Night
    from jobs.registry import Job

LOG = structlog.get_logger()


def portions(job: Job, frames: Sequence[DataFrame], night: Night) -> Iterator[DataFrame]:
    """The rows of a job, in the portions that are to be committed.

    A portion has about `encoders.contents_per_commit` contents, those whose hashes have one
    remainder, so portions do not depend on what the others wrote.

    Args:
        job: a job that encodes content has `new_content` and `encode_new`; another has one portion.
        frames: its inputs.
        night: the run.
    """
    if job.new_content is None or job.encode_new is None:
        yield job.build(*frames, night=night)
        return
    new = job.new_content(*frames, night=night)
    count = _portion_count(new, job, night)
    if count == 1:
        yield job.encode_new(new, night=night)
        return
    from pyspark.sql import functions as F

    for number in range(count):
        LOG.info("encodes", table=job.outputs[0].name, portion=f"{number + 1} of {count}")
        of_portion = F.pmod(F.xxhash64("content_hash"), F.lit(count)) == number
        yield job.encode_new(new.where(of_portion), night=night)


def _portion_count(new: DataFrame, job: Job, night: Night) -> int:
    """Number of portions. New content is counted only where there may be more than one."""
    limit = night.settings.encoders.contents_per_commit
    # Every content comes from a row of an input, and the log knows how many rows a table has.
    tables = [one.table for one in job.inputs if not isinstance(one, LandingSource)]
    if max(open_table(night.settings.lake, table).count() for table in tables) <= limit:
        return 1
    return max(1, -(-new.count() // limit))
