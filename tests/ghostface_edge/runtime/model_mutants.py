"""Opens and runs damaged copies of a model, in a process of its own: a native parser may crash.

usage: model_mutants.py MODEL HOW FIRST_SEED LAST_SEED     prints one line per mutant: seed, outcome

HOW is ``damaged`` for files as a bad disk leaves them, or ``forged`` for files whose card and seal were put back
after the damage, so that they reach the runtime.
"""

from __future__ import annotations

import random
import resource
import sys
import tempfile
from pathlib import Path

import numpy as np

from ghostface_edge.card import read_card, write_card
from ghostface_edge.detection import YuNet
from ghostface_edge.embedding import Embedder
from ghostface_edge.errors import GhostFaceError
from ghostface_edge.image import Image
from ghostface_edge.runtime import open_session

MEMORY = 4 << 30


def mutant(data: bytes, structure: list[int], seed: int) -> bytes:
    choice = random.Random(seed)
    result = bytearray(data)
    kind = choice.choice(("cut", "insert", "flip", "flip", "structure", "structure"))
    at = choice.randrange(len(result))
    if kind == "cut":
        return bytes(result[:at])
    if kind == "insert":
        return bytes(result[:at]) + choice.randbytes(choice.choice((1, 8, 100))) + bytes(result[at:])
    for _ in range(choice.choice((1, 2, 8))):
        at = choice.randrange(len(result)) if kind == "flip" else choice.choice(structure)
        result[at] ^= 1 << choice.randrange(8)
    return bytes(result)


def structure_of(data: bytes) -> list[int]:
    """Bytes that are not weights: damage to those is the interesting one."""
    import onnx

    mask = np.ones(len(data), bool)
    for tensor in onnx.load_model_from_string(data).graph.initializer:
        if len(tensor.raw_data) > 16:
            at = data.find(tensor.raw_data)
            mask[at : at + len(tensor.raw_data)] = False
    return np.flatnonzero(mask).tolist()


def main() -> None:
    source, how = Path(sys.argv[1]), sys.argv[2]
    data = source.read_bytes()
    card, structure = read_card(data), structure_of(data)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    rng = np.random.default_rng(0)
    photo = Image.from_rgb(rng.integers(0, 256, (90, 130, 3)).astype(np.uint8))
    crops = rng.integers(0, 256, (2, 112, 112, 3)).astype(np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mutant.onnx"
        for seed in range(int(sys.argv[3]), int(sys.argv[4])):
            sys.stdout.write(f"{seed} ")
            sys.stdout.flush()
            damaged = mutant(data, structure, seed)
            try:
                path.write_bytes(write_card(damaged, card) if how == "forged" else damaged)
                session = open_session(path, threads=1)
                if card.kind == "detector":
                    YuNet(session).detect(photo)
                else:
                    Embedder(session).embed(crops)
                outcome = "ran"
            except GhostFaceError as error:
                outcome = type(error).__name__
            sys.stdout.write(outcome + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
