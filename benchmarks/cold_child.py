"""One cold start, in a process that does nothing else: :mod:`.cold_start` runs this file and reads what it prints.

It must import nothing of weight before the clock starts, so it stands alone.
"""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

_RUNS, _SECONDS = 64, 2.0  # after these many runs or seconds, memory no longer grows


def cold_start(request: dict[str, Any]) -> dict[str, float | None]:
    """Import, load and run one model, and look at the memory.

    Args:
        request: ``module`` of the runtime, ``model`` and ``tensor`` (an ``.npy`` file), ``threads``.

    Returns:
        ``import_ms``, ``load_ms``, ``first_ms``; ``imported_mib``, ``steady_mib``, ``peak_mib``: resident memory after
        the imports, after the runs, and at most; None where the system does not tell.
    """
    start = time.perf_counter()
    runtime = import_module("ghostface_edge.runtime")
    import_module(request["module"])
    imported = time.perf_counter()
    (before, _) = resident()
    tensor = import_module("numpy").load(request["tensor"], allow_pickle=False)
    opened = time.perf_counter()
    session = runtime.open_session(request["model"], threads=request["threads"])
    loaded = time.perf_counter()
    session.run(tensor)
    done = time.perf_counter()
    for _ in range(_RUNS):
        session.run(tensor)
        if time.perf_counter() - done > _SECONDS:
            break
    steady, peak = resident()
    return {
        "import_ms": 1e3 * (imported - start),
        "load_ms": 1e3 * (loaded - opened),
        "first_ms": 1e3 * (done - loaded),
        "imported_mib": before,
        "steady_mib": steady,
        "peak_mib": peak,
    }


def resident() -> tuple[float | None, float | None]:
    """Resident memory of this process now and at most, in units of 2^20 bytes (Linux: proc(5), VmRSS and VmHWM).

    ``getrusage`` would count what the parent had before it became this process.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None, None
    sizes = dict(line.split(":", 1) for line in status.splitlines() if line.startswith(("VmRSS:", "VmHWM:")))
    now, most = (int(sizes[key].split()[0]) / 1024 if key in sizes else None for key in ("VmRSS", "VmHWM"))
    return now, most


if __name__ == "__main__":
    sys.path[:] = json.loads(sys.argv[1])
    print(json.dumps(cold_start(json.loads(sys.argv[2]))))  # noqa: T201 - the answer to the parent
