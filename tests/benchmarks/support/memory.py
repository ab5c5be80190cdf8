"""How much memory a benchmark's process took at most."""

from __future__ import annotations

from pathlib import Path


def peak_mib() -> float:
    """Peak resident memory so far; getrusage would count the parent's from before the exec."""
    [line] = [
        line
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmHWM")
    ]
    return int(line.split()[1]) / 1024
