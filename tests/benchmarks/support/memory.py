"""Peak memory of the current process."""

from __future__ import annotations

from pathlib import Path


def reset_peak() -> None:
    """Let the peak begin at what the process holds now (Linux: proc(5), clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5")


def peak_mib() -> float:
    """Peak resident memory in MiB; getrusage would include the parent's peak from before the exec."""
    [line] = [
        line
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmHWM")
    ]
    return int(line.split()[1]) / 1024
