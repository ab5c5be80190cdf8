"""score_: outputs of models, written by training, read by jobs/recommendations, not published."""

from feature_store.contract import Table, Time, Within
from feature_store.tables import columns as c
from feature_store.tables.features import CELL_RULES

SCORE_CANDIDATES = Table(
    name="score_candidates",
    meaning="The best tracks of each listener by the promoted model, before filters. Only "
    "available tracks, with those already listened to: the list decides on repeats.",
    columns=(
        c.AS_OF_DATE,
        c.USER_ID,
        c.RANK,
        c.TRACK_ID,
        c.SCORE,
        c.HEADS,
        c.FAMILY,
        c.MODEL_VERSION,
        c.RUN_ID,
    ),
    key=("as_of_date", "user_id", "rank"),
    time=Time.AS_OF,
    constraints=(Within("rank", 1, 100_000),),
)

SCORE_MOOD = Table(
    name="score_mood",
    meaning="The best tracks of each listener for each cell of the plane, by the promoted model, "
    "before filters. Only available tracks; listeners as mood.listeners says.",
    columns=(
        c.AS_OF_DATE,
        c.USER_ID,
        c.VALENCE_CELL,
        c.AROUSAL_CELL,
        c.RANK,
        c.TRACK_ID,
        c.SCORE,
        c.FAMILY,
        c.MODEL_VERSION,
        c.RUN_ID,
    ),
    key=("as_of_date", "user_id", "valence_cell", "arousal_cell", "rank"),
    time=Time.AS_OF,
    constraints=(*CELL_RULES, Within("rank", 1, 100_000)),
)

QUALITY_COLUMNS = (
    c.AS_OF_DATE,
    c.TRAINING_TASK,
    c.SUBJECT,
    c.SPLIT,
    c.METRIC,
    c.VALUE,
    c.N_UNITS,
    c.MODEL_VERSION.or_null("for published lists"),
    c.RUN_ID,
)

SCORE_EVALUATION = Table(
    name="score_evaluation",
    meaning="Offline metrics of each family on what its task held out, written by training. A "
    "slice is a day and a task.",
    columns=QUALITY_COLUMNS,
    key=("as_of_date", "training_task", "subject", "split", "metric"),
    time=Time.AS_OF,
)

TABLES = (SCORE_CANDIDATES, SCORE_MOOD, SCORE_EVALUATION)
