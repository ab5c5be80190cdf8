"""Peak memory of the current process."""

from __future__ import annotations

from pathlib import Path


def peak_mib() -> float:
    """Peak resident memory in MiB; getrusage would include the parent's peak from before the exec."""
    [line] = [
        line
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmHWM")
    ]
    return int(line.split()[1]) / 1024
