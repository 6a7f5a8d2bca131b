"""Converts mutants of a checkpoint, in a process of its own: a native library may crash, hang or eat memory.

usage: mutant_worker.py SOURCE FOLDER FIRST_SEED LAST_SEED     prints one line per mutant: seed, outcome, seconds
"""

from __future__ import annotations

import random
import resource
import sys
import time
from pathlib import Path

import numpy as np

from ghostface_edge.converters import convert
from ghostface_edge.errors import ConversionError

MEMORY = 3 << 30


def weight_bytes(path: Path) -> np.ndarray:
    """True for the bytes that hold weights; mutants of the rest are the interesting ones."""
    mask = np.zeros(path.stat().st_size, bool)
    if path.suffix == ".h5":
        import h5py

        def mark(name: str, item: object) -> None:
            if isinstance(item, h5py.Dataset) and item.id.get_offset() is not None:
                mask[item.id.get_offset() :][: item.id.get_storage_size()] = True

        with h5py.File(path) as file:
            file.visititems(mark)
    return mask


def mutant(data: bytes, structure: list[int], seed: int) -> bytes:
    choice = random.Random(seed)
    result = bytearray(data)
    kind = choice.choice(("cut", "flip", "structure", "extreme", "block", "insert"))
    if kind == "cut":
        return bytes(result[: choice.randrange(len(result))])
    if kind == "insert":
        at = choice.randrange(len(result))
        return bytes(result[:at]) + choice.randbytes(choice.choice((1, 8, 100))) + bytes(result[at:])
    for _ in range(choice.choice((1, 2, 8, 64))):
        at = choice.choice(structure)
        if kind == "flip":
            result[choice.randrange(len(result))] ^= 1 << choice.randrange(8)
        elif kind == "structure":
            result[at] = choice.randrange(256)
        elif kind == "extreme":
            result[at] = choice.choice((0, 1, 127, 128, 255))
        else:
            size = choice.choice((2, 4, 8))
            result[at : at + size] = choice.randbytes(len(result[at : at + size]))
    return bytes(result)


def main() -> None:
    source, folder = Path(sys.argv[1]), Path(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    data = source.read_bytes()
    structure = np.flatnonzero(~weight_bytes(source)).tolist()
    path = folder / f"mutant{source.suffix}"
    for seed in range(int(sys.argv[3]), int(sys.argv[4])):
        path.write_bytes(mutant(data, structure, seed))
        start = time.perf_counter()
        try:
            convert(path, folder / "out")
            outcome = "converted"
        except ConversionError as error:
            outcome = type(error).__name__
        sys.stdout.write(f"{seed} {outcome} {time.perf_counter() - start:.3f}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
