"""Functions that erase people, by dotted name: `evensong erase` calls them without Airflow.

Each takes the settings and any number of requests' ids.
"""

from __future__ import annotations

ERASE_ROWS = "jobs.privacy.erasure:erase_rows"
ERASE_MODELS = "training.artifacts.erasure:erase_models"
ERASE_LOGS = "dags.operators.log_redaction:erase_logs"
FINISH_ERASURE = "jobs.privacy.erasure:finish"
ERASURE_STEPS = (ERASE_ROWS, ERASE_MODELS, ERASE_LOGS, FINISH_ERASURE)
