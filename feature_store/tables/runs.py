"""run_ and published_runs: what each run did, how good it was, and which run readers see."""

from feature_store.contract import Column, Kind, OneOf, Table, Time
from feature_store.tables import columns as c
from feature_store.tables.scores import QUALITY_COLUMNS

ACTIONS = ("publish", "stage_only", "rollback", "blocked", "erase")

RUN_METRICS = Table(
    name="run_metrics",
    meaning="What a run wrote and how long it took. A task that was re-run has several rows; the "
    "newest counts.",
    columns=(
        c.RUN_ID,
        c.AS_OF_DATE,
        Column(
            "stage",
            Kind.STRING,
            "Part of the night: ingest, core, features, graph, training, recommendations, publish.",
        ),
        Column("task", Kind.STRING, "Task id: the table or model."),
        Column("row_count", Kind.LONG, "Rows that the task wrote."),
        Column("added_bytes", Kind.LONG, "Size of the data files that the task added.", "bytes"),
        Column("elapsed_s", Kind.DOUBLE, "Seconds that the task took.", "s", is_provenance=True),
        Column("table_version", Kind.LONG, "Delta version after the write.", is_provenance=True),
        Column("content_sha256", Kind.STRING, "Hash of the rows written, whatever their order."),
        c.RECORDED_AT_UTC,
    ),
    key=("run_id", "task", "recorded_at_utc"),
    time=Time.AS_OF,
)

RUN_QUALITY = Table(
    name="run_quality",
    meaning="How good the models and lists are: offline metrics on the held-out tail, and how "
    "often people played "
    "yesterday's published list today.",
    columns=QUALITY_COLUMNS,
    key=("as_of_date", "subject", "split", "metric"),
    time=Time.AS_OF,
)

RUN_MODELS = Table(
    name="run_models",
    meaning="Trained models. A model exists from the moment its row does; a night uses the newest"
    " one promoted by then.",
    columns=(
        c.FAMILY,
        c.MODEL_VERSION,
        c.TRAINED_AS_OF_DATE,
        c.PROMOTED_AS_OF_DATE,
        Column("checkpoint_uri", Kind.STRING, "Folder of the checkpoint, relative to the lake."),
        Column("checkpoint_sha256", Kind.STRING, "Hash of the checkpoint's files."),
        Column("data_sha256", Kind.STRING, "Hash of what it was trained on."),
        Column("config_json", Kind.STRING, "Its whole configuration."),
        Column("mlflow_run_id", Kind.STRING, "Where its curves are.", is_provenance=True),
        c.RUN_ID,
        c.RECORDED_AT_UTC,
    ),
    key=("family", "model_version"),
    time=Time.NONE,
)

RUN_WAIVERS = Table(
    name="run_waivers",
    meaning="Population rules that a person let through, each for one run.",
    columns=(
        c.RUN_ID,
        Column("rule", Kind.STRING, "The gate's name, as published_runs.gates has it."),
        Column("actor", Kind.STRING, "Who let it through."),
        Column("reason", Kind.STRING, "Why."),
        c.RECORDED_AT_UTC,
    ),
    key=("run_id", "rule", "recorded_at_utc"),
    time=Time.NONE,
)

PUBLISHED_RUNS = Table(
    name="published_runs",
    meaning="Publication events, numbered. The newest publish, rollback or erase event is what "
    "readers see: each table "
    "at the version pinned there.",
    columns=(
        Column("event_number", Kind.LONG, "1, 2, 3 and so on, without holes."),
        Column("replaces_event", Kind.LONG, "The event that was current before.").or_null(
            "for the first"
        ),
        Column("action", Kind.STRING, "publish, stage_only, rollback, blocked, erase."),
        c.RUN_ID,
        c.AS_OF_DATE,
        Column("actor", Kind.STRING, "Who or what asked for it."),
        Column("reason", Kind.STRING, "Why: a rule's name, or a person's words.").or_null(
            "for an ordinary night"
        ),
        Column("tables", Kind.PINS, "Version, rows and content hash of every published table."),
        Column(
            "gates",
            Kind.GATE_RESULTS,
            "Every gate with value and threshold; examples of rows that broke it.",
        ),
        Column("inputs", Kind.PINS, "Version of every table that the run read."),
        Column("model_versions", Kind.STRINGS, "Models that had a part, as family:version."),
        Column("code_version", Kind.STRING, "Version of this project."),
        Column("contract_version", Kind.STRING, "Hash of the contracts of the published tables."),
        c.RECORDED_AT_UTC,
    ),
    key=("event_number",),
    time=Time.NONE,
    gates=(OneOf("action", ACTIONS),),
)

RUN_ERASURES = Table(
    name="run_erasures",
    meaning="Evidence of finished erasures. It says what was removed and never who.",
    columns=(
        Column("request_id", Kind.STRING, "The request, drawn at random."),
        Column("requested_at_utc", Kind.TIMESTAMP, "When it was asked for.", "UTC"),
        Column("finished_at_utc", Kind.TIMESTAMP, "When the last file had been removed.", "UTC"),
        Column("actor", Kind.STRING, "Who asked for it."),
        Column(
            "removed",
            Kind.COUNTS,
            "What lost rows, models, pages or log entries, and how many each.",
        ),
        Column("rewritten_tables", Kind.STRINGS, "Tables whose files were written anew."),
        Column("removed_file_count", Kind.LONG, "Data files and log entries that were deleted."),
        Column("event_number", Kind.LONG, "The event that re-pinned the published tables.").or_null(
            "when nothing was published"
        ),
    ),
    key=("request_id",),
    time=Time.NONE,
)

TABLES = (RUN_METRICS, RUN_QUALITY, RUN_MODELS, RUN_WAIVERS, RUN_ERASURES, PUBLISHED_RUNS)
