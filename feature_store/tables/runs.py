"""run_ and published_runs: what each run wrote, its metrics, and which run readers see."""

from feature_store.contract import OneOf, Table, Time
from feature_store.tables import columns as c
from feature_store.tables.scores import QUALITY_COLUMNS

MODEL_ROLES = ("champion", "candidate", "component", "none")
DECISIONS = ("promote", "demote")
WITHOUT_A_MODEL = "for a task that had no data"
ACTIONS = ("publish", "stage_only", "rollback", "blocked", "erase")

RUN_METRICS = Table(
    name="run_metrics",
    meaning="Rows, bytes and seconds of each task of a run. A task that ran again has several "
    "rows; the newest counts.",
    columns=(
        c.RUN_ID,
        c.AS_OF_DATE,
        c.STAGE,
        c.TASK,
        c.ROW_COUNT,
        c.ADDED_BYTES,
        c.ELAPSED_S,
        c.TABLE_VERSION,
        c.CONTENT_SHA256,
        c.RECORDED_AT_UTC,
    ),
    key=("run_id", "task", "recorded_at_utc"),
    time=Time.AS_OF,
)

RUN_QUALITY = Table(
    name="run_quality",
    meaning="Metrics of models and lists: offline metrics on held-out listens, and the hit rate "
    "of yesterday's published lists among today's listens.",
    columns=QUALITY_COLUMNS,
    key=("as_of_date", "training_task", "subject", "split", "metric"),
    time=Time.AS_OF,
)

RUN_MODELS = Table(
    name="run_models",
    meaning="Trained models. A model exists once it has a row; a night uses the newest one of its "
    "task that was promoted by its as_of. A training that found all inputs unchanged repeats the "
    "row with a later checked_as_of_date. A task without data has a row of role none.",
    columns=(
        c.TRAINING_TASK,
        c.FAMILY,
        c.MODEL_VERSION,
        c.MODEL_ROLE,
        c.TRAINED_AS_OF_DATE,
        c.CHECKED_AS_OF_DATE,
        c.FITTED_UNTIL_DATE,
        c.HELD_OUT_FROM_DATE,
        c.PROMOTED_AS_OF_DATE,
        c.UPSTREAM_VERSIONS,
        c.CHECKPOINT_URI.or_null(WITHOUT_A_MODEL),
        c.CHECKPOINT_SHA256.or_null(WITHOUT_A_MODEL),
        c.BEFORE_CUT_SHA256,
        c.DATA_SHA256,
        c.INPUTS_SHA256,
        c.CONFIG_JSON,
        c.MLFLOW_RUN_ID.or_null(f"{WITHOUT_A_MODEL}, or while MLflow was down"),
        c.NO_DATA_REASON,
        c.RUN_ID,
        c.RECORDED_AT_UTC,
    ),
    key=("training_task", "family", "model_version", "checked_as_of_date"),
    time=Time.NONE,
    constraints=(OneOf("model_role", MODEL_ROLES),),
)

RUN_PROMOTIONS = Table(
    name="run_promotions",
    meaning="Promotions and demotions of models that people decided. The newest one that holds for "
    "a night counts before what trainings promoted.",
    columns=(
        c.TRAINING_TASK,
        c.FAMILY,
        c.MODEL_VERSION,
        c.DECISION,
        c.DECISION_AS_OF_DATE,
        c.ACTOR,
        c.DECISION_REASON,
        c.RECORDED_AT_UTC,
    ),
    key=("training_task", "model_version", "recorded_at_utc"),
    time=Time.NONE,
    constraints=(OneOf("decision", DECISIONS),),
)

RUN_WAIVERS = Table(
    name="run_waivers",
    meaning="Population rules that a person waived, each for one run.",
    columns=(
        c.RUN_ID,
        c.RULE,
        c.ACTOR,
        c.WAIVER_REASON,
        c.RECORDED_AT_UTC,
    ),
    key=("run_id", "rule", "recorded_at_utc"),
    time=Time.NONE,
)

PUBLISHED_RUNS = Table(
    name="published_runs",
    meaning="Publication events, numbered. Readers see the newest publish, rollback or erase "
    "event: each table at the version that it pins.",
    columns=(
        c.EVENT_NUMBER,
        c.REPLACES_EVENT,
        c.ACTION,
        c.RUN_ID,
        c.AS_OF_DATE,
        c.ACTOR,
        c.EVENT_REASON,
        c.TABLE_PINS,
        c.GATES,
        c.INPUT_PINS,
        c.MODEL_VERSIONS,
        c.CODE_VERSION,
        c.CONTRACT_VERSION,
        c.RECORDED_AT_UTC,
    ),
    key=("event_number",),
    time=Time.NONE,
    constraints=(OneOf("action", ACTIONS),),
)

RUN_ERASURES = Table(
    name="run_erasures",
    meaning="Evidence of finished erasures: what was removed, never the person's id.",
    columns=(
        c.REQUEST_ID,
        c.REQUESTED_AT_UTC,
        c.FINISHED_AT_UTC,
        c.ACTOR,
        c.REMOVED,
        c.REWRITTEN_TABLES,
        c.REMOVED_FILE_COUNT,
        c.ERASE_EVENT_NUMBER,
    ),
    key=("request_id",),
    time=Time.NONE,
)

TABLES = (
    RUN_METRICS,
    RUN_QUALITY,
    RUN_MODELS,
    RUN_PROMOTIONS,
    RUN_WAIVERS,
    RUN_ERASURES,
    PUBLISHED_RUNS,
)
