"""score_: what models said, written by training, read by jobs/recommendations; never published."""

from feature_store.contract import Column, Kind, Table, Time, Within
from feature_store.tables import columns as c

SCORE_CANDIDATES = Table(
    name="score_candidates",
    meaning="The best tracks of each listener by the promoted model, before filters. Only tracks "
    "of the catalogue that "
    "are available; heard ones included, because whether to repeat them is the list's decision.",
    columns=(
        c.AS_OF_DATE,
        c.USER_ID,
        c.RANK,
        c.TRACK_ID,
        c.SCORE,
        Column(
            "heads",
            Kind.STRINGS,
            "Modalities (and 'collaborative') whose heads had a vote for this track.",
        ),
        c.FAMILY,
        c.MODEL_VERSION,
        c.RUN_ID,
    ),
    key=("as_of_date", "user_id", "rank"),
    time=Time.AS_OF,
    gates=(Within("rank", 1, 100_000),),
)

QUALITY_COLUMNS = (
    c.AS_OF_DATE,
    Column("subject", Kind.STRING, "Model family, or the published table that was measured."),
    Column("split", Kind.STRING, "What it was measured on: validation, test, next_day."),
    Column("metric", Kind.STRING, "Name of the metric, with its cut-off."),
    Column("value", Kind.DOUBLE, "The figure, rounded to 6 decimals."),
    Column("n_users", Kind.LONG, "People it was measured over."),
    c.MODEL_VERSION.or_null("for published lists"),
    c.RUN_ID,
)

SCORE_EVALUATION = Table(
    name="score_evaluation",
    meaning="Offline metrics of each family on the held-out tail, as training/evaluate.py "
    "measured them.",
    columns=QUALITY_COLUMNS,
    key=("as_of_date", "subject", "split", "metric"),
    time=Time.AS_OF,
)

TABLES = (SCORE_CANDIDATES, SCORE_EVALUATION)
