"""Runs inside the emulated Python: outputs of a model, and marks around its inferences for the counter.

Usage: ``python -m ghostface_edge.benchmarks.arm.guest MODEL INPUTS.npy OUTPUTS.npz INFERENCES ROUNDS``. Prints nothing.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Sequence

import numpy as np

from ghostface_edge.runtime import open_session

_MARK = 0x67666163  # as in emulator.py, which the guest need not load
_GETPPID = 173  # asm-generic/unistd.h
_WARM_UPS = 8
_LIBC = ctypes.CDLL(None)


def run(model: str, inputs: str, outputs: str, inferences: int, rounds: int) -> None:
    """Save the outputs for all inputs, then run the first input in counted rounds.

    Each round is ``inferences`` and then twice as many, so that what each block costs besides falls out of the
    difference. Mark ``3 * round`` comes before, ``3 * round + 1`` between, ``3 * round + 2`` after.
    """
    session = open_session(model, threads=1)
    tensors = np.load(inputs)
    results = [session.run(tensor[None]) for tensor in tensors]
    np.savez(outputs, *(np.concatenate(parts) for parts in zip(*results)))
    first = np.ascontiguousarray(tensors[:1])
    gc.collect()
    gc.disable()  # it comes now and then, and would count for an inference
    for _ in range(_WARM_UPS):
        session.run(first)
    for number in range(rounds):
        _mark(3 * number)
        for _ in range(inferences):
            session.run(first)
        _mark(3 * number + 1)
        for _ in range(2 * inferences):
            session.run(first)
        _mark(3 * number + 2)


def _mark(label: int) -> None:
    _LIBC.syscall(_GETPPID, _MARK, label)


def main(arguments: Sequence[str]) -> None:
    """Run by the words of a command line."""
    model, inputs, outputs, inferences, rounds = arguments
    run(model, inputs, outputs, int(inferences), int(rounds))


if __name__ == "__main__":
    main(sys.argv[1:])
