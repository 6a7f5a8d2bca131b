"""Converts mutants of a checkpoint, in a process of its own: a native library may crash, hang or eat memory.

usage: mutant_worker.py SOURCE FOLDER FIRST_SEED LAST_SEED [ARCHITECTURE]
Prints one line per mutant: seed, outcome, seconds.
"""

from __future__ import annotations

import io
import random
import resource
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ghostface_edge.converters import convert
from ghostface_edge.errors import ConversionError

MEMORY = 3 << 30


def structure_of(data: bytes, *, hdf5: bool) -> list[int]:
    """Places of the bytes that hold no weights; mutants of those are the interesting ones."""
    weights = np.zeros(len(data), bool)
    if hdf5:
        import h5py

        def mark(name: str, item: object) -> None:
            if isinstance(item, h5py.Dataset) and item.id.get_offset() is not None:
                weights[item.id.get_offset() :][: item.id.get_storage_size()] = True

        with h5py.File(io.BytesIO(data)) as file:
            file.visititems(mark)
    return np.flatnonzero(~weights).tolist()


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


def mutants_of(source: Path) -> Callable[[int], bytes]:
    """A function that makes the mutant of a seed."""
    data = source.read_bytes()
    if source.suffix != ".keras":
        structure = structure_of(data, hdf5=source.suffix == ".h5")
        return lambda seed: mutant(data, structure, seed)
    with zipfile.ZipFile(source) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    structures = {name: structure_of(member, hdf5=name.endswith(".h5")) for name, member in members.items()}

    def make(seed: int) -> bytes:
        """A mutant of a member with a right checksum, or one of the archive."""
        name = random.Random(seed).choice([*members, "config.json", "model.weights.h5", ""])
        if not name:
            return mutant(data, list(range(len(data))), seed)
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for other, member in members.items():
                archive.writestr(other, mutant(member, structures[name], seed) if other == name else member)
        return buffer.getvalue()

    return make


def main() -> None:
    source, folder = Path(sys.argv[1]), Path(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    architecture = sys.argv[5] if len(sys.argv) > 5 else None
    make = mutants_of(source)
    path = folder / f"mutant{source.suffix}"
    for seed in range(int(sys.argv[3]), int(sys.argv[4])):
        path.write_bytes(make(seed))
        start = time.perf_counter()
        try:
            convert(path, folder / "out", architecture=architecture)
            outcome = "converted"
        except ConversionError as error:
            outcome = type(error).__name__
        sys.stdout.write(f"{seed} {outcome} {time.perf_counter() - start:.3f}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
