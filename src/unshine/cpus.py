"""How many processors there are for this process."""

import os
from pathlib import Path


def available_cpus() -> int:
    """Return how many processors this process may use: its affinity, and a container's quota."""
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        count = min(count, max(1, round(int(quota) / int(period))))
    except (OSError, ValueError):  # no cgroup here, or the quota is "max"
        pass
    return count
