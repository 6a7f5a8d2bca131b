"""Embeds photos of many sizes and prints by how many bytes memory grew after the first hundred.

usage: soak.py PHOTOS     looks the models up by the environment
"""

from __future__ import annotations

import sys
from io import BytesIO

import numpy as np
import PIL.Image
import psutil

from ghostface_edge import FaceEngine


def main() -> None:
    engine = FaceEngine(threads=1)
    rng = np.random.default_rng(0)
    face = PIL.Image.open(sys.argv[2]).convert("RGB")
    process, before, faces = psutil.Process(), 0, 0
    for count in range(int(sys.argv[1])):
        width, height = rng.uniform(120, 320) * rng.uniform(0.9, 1.1, 2) * (1, face.height / face.width)
        file = BytesIO()
        face.resize((int(width), int(height))).save(file, "JPEG")
        faces += len(engine.faces(file.getvalue()))
        if count == 99:
            before = process.memory_info().rss
    assert faces > 0.9 * int(sys.argv[1])
    sys.stdout.write(str(process.memory_info().rss - before))


if __name__ == "__main__":
    main()
