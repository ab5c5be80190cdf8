"""What erases a person, step by step; by name, so that the command loads no Airflow."""

from __future__ import annotations

ERASE_ROWS = "jobs.privacy.erasure:erase_rows"
ERASE_MODELS = "training.artifacts.erasure:erase_models"
ERASE_LOGS = "dags.operators.log_redaction:erase_logs"
FINISH_ERASURE = "jobs.privacy.erasure:finish"
STEPS = (ERASE_ROWS, ERASE_MODELS, ERASE_LOGS, FINISH_ERASURE)
