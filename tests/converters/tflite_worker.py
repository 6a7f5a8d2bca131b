"""Runs models on tflite-runtime, in a process of that environment (see ``test_tflite_runtime.py``).

usage: tflite_worker.py FOLDER
For every X.tflite reads the pictures in X.npy, and writes what comes out to X.npz. Prints the runtime's name.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from ghostface_edge.runtime import open_session


def main(folder: Path) -> None:
    versions = set()
    for path in sorted(folder.glob("*.tflite")):
        session = open_session(path, threads=1)
        np.savez(path.with_suffix(".npz"), *session.run(np.load(path.with_suffix(".npy"))))
        versions.add(session.version)
    sys.stdout.write(" ".join(versions))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
