"""Names are the terms of the field: words that an outside engineer would not search for stay out.

infra/CHANGELOG.md is the one file that may mention them, beside what they are called now.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("dags", "feature_store", "jobs", "training", "tests")
TEXT_FILES = ("*.py", "*.md", "*.toml", "*.j2", "*.css", "*.js")

PRIVATE_WORDS = {
    "known_before": "train_view",
    "came_day": "available_from",
    "had_come": "available_from",
    "taken_apart": "to_state",
    "put_together": "from_state",
    "Examiner": "Evaluator",
    "EncodedOnce": "CachedEmbeddings",
    "is_filled": "valid_mask",
    "takes_part": "candidate_mask",
    "pass_on": "spmm",
    "newcomer_rate": "cold_start_rate",
    "own_part": "shard",
    "said_by_each": "all_gather",
    "said_by_first": "broadcast_from_rank0",
    "as_heard": "from_audio",
    "as_read": "from_lyrics",
    "unchanged_people": "erasure_guard",
    "refuse_old_people": "check_no_erasure",
    "is_meant": "matches",
    "forget_history": "purge_history",
    "only_writer": "exclusive_write",
    "next_steps": "error_hints",
    "airflow_here": "local_airflow",
    "intake": "ingest",
}
"""Words that are no English: they stand nowhere, in code or prose."""

PRIVATE_NAMES = {
    "World": "Dataset",
    "Evidence": "DataView",
    "everything": "full_view",
    "Keeping": "ResumePolicy",
    "go_on": "resume",
    "measuring": "evaluator",
    "Measured": "EvalResult",
    "Quality": "EvalResult",
    "Saved": "ModelState",
    "wanted": "relevant, requested",
    "votes": "coverage_mask",
    "Descent": "FitRun",
    "blend": "ensemble weights",
    "Otherwise": "EdgeOverride",
    "alike": "uniform",
    "by_weight": "weighted",
    "newcomers": "cold start",
    "contest": "champion-challenger test",
    "COMPARED": "BASELINES",
    "beside": "baselines",
    "shared": "distillation candidates",
    "place": "process_rank, position",
    "is_first": "is_main",
    "together": "process_group",
    "received": "deduplication",
    "announced": "late arrivals",
    "pending": "incremental encoding",
    "unusable": "failure reasons",
    "chance": "rng",
    "taggers": "tag_counts",
    "buttons": "active_feedback",
    "reissue": "republish",
    "rewriting": "table_rewrite",
    "notices": "alerts",
    "traces": "log_redaction",
    "access": "roles",
    "hours": "schedule",
    "wording": "formatting",
    "verdict": "run_status",
    "code": "code_version",
}
"""Plain words of English that named a thing for which the field has a term: no name of ours."""


def files(*patterns):
    folders = [ROOT / package for package in PACKAGES] + [ROOT / "infra"]
    found = [file for folder in folders for kind in patterns for file in folder.rglob(kind)]
    return [*found, ROOT / "README.md", ROOT / "pyproject.toml"]


def words_in(text, words):
    """Those of `words` that stand in `text` as whole words."""
    return set(re.findall(rf"(?<!\w)(?:{'|'.join(words)})(?!\w)", text))


def names_in(tree):
    """Every name that a module defines: functions, classes, arguments, variables, attributes."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.ClassDef(name=name) | ast.arg(arg=name) | ast.alias(asname=str(name)):
                yield name
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name


def test_no_file_has_a_private_word():
    spared = {Path(__file__), ROOT / "infra" / "CHANGELOG.md"}
    searched = [file for file in files(*TEXT_FILES) if file not in spared]

    assert ROOT / "jobs" / "report" / "templates" / "report.html.j2" in searched
    assert [
        f"{file.relative_to(ROOT)}: {word}, now {PRIVATE_WORDS[word]}"
        for file in searched
        for word in words_in(file.read_text(encoding="utf-8"), PRIVATE_WORDS)
    ] == []


def test_no_name_is_a_word_for_which_the_field_has_a_term():
    modules = [file for file in files("*.py") if file.suffix == ".py"]
    named = {
        file: {name.strip("_") for name in names_in(ast.parse(file.read_text(encoding="utf-8")))}
        | {file.stem}
        for file in modules
    }

    assert "Dataset" in named[ROOT / "training" / "data" / "dataset.py"]
    assert [
        f"{file.relative_to(ROOT)}: {name}, say {PRIVATE_NAMES[name]}"
        for file, names in named.items()
        for name in sorted(names & PRIVATE_NAMES.keys())
    ] == []


def test_a_private_word_is_found_as_a_whole_word_and_a_name_where_it_is_defined():
    source = "def announced(x, *, wanted=1):\n    self.pending, place = x, announced\n"

    assert words_in("call only_writer() or sub_only_writer", ["only_writer"]) == {"only_writer"}
    assert set(names_in(ast.parse(source))) == {"announced", "x", "wanted", "pending", "place"}
