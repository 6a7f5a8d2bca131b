"""What networks are timed on: aligned faces, the user's or drawn ones; never noise or zeros.

Zeros and noise make other numbers inside a network than faces do, down to denormal ones, which some CPUs compute with
many times more slowly.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ghostface_edge.alignment import CROP_SIZE, align
from ghostface_edge.converters.drawn_faces import draw_faces
from ghostface_edge.converters.faces import pictures_in
from ghostface_edge.detection.detector import found_by
from ghostface_edge.engine import load_detector, main_face
from ghostface_edge.errors import AlignmentError, CalibrationError, EvaluationError, ImageError, NoFaceError
from ghostface_edge.image import Image

Crops = NDArray[np.uint8]

FACES = 8
"""How many different faces are shown in turn."""


@dataclass(frozen=True, eq=False)
class FaceCrops:
    """Aligned faces and where they came from.

    Attributes:
        crops: (N, 112, 112, 3) uint8 RGB, aligned to the ArcFace template.
        kind: In words, for the report.
    """

    crops: Crops
    kind: str


def drawn_faces(count: int = FACES) -> FaceCrops:
    """Faces that this program draws, each another one, with eyes, nose and mouth where the template has them."""
    return FaceCrops(draw_faces(count), f"{count} faces drawn by this program")


def read_face_crops(folder: str | os.PathLike[str], count: int = FACES) -> FaceCrops:
    """The first faces of a folder and the folders in it.

    Args:
        folder: Photos, of which the main face is taken, or 112 x 112 crops that are aligned already.
        count: As many as are taken, at most.

    Raises:
        EvaluationError: No folder, no pictures, or no face in any of them.
        MissingModelError: Photos are to be aligned and YuNet is not on this machine.
    """
    root = Path(folder)
    try:
        files = pictures_in(root)
    except CalibrationError as error:
        raise EvaluationError(str(error)) from error
    detector = None
    crops: list[Crops] = []
    for name in files:
        try:
            image = Image.open(root / name)
            if (image.height, image.width) == (CROP_SIZE, CROP_SIZE):
                crops.append(image.pixels)
            else:
                detector = load_detector("yunet", threads=1) if detector is None else detector
                crops.append(align(image, main_face(image, found_by(detector, image, main=True)).landmarks))
        except (ImageError, NoFaceError, AlignmentError):
            continue  # any faces do
        if len(crops) == count:
            break
    if not crops:
        raise EvaluationError(f"no face was found in any of the {len(files)} pictures in {root}")
    return FaceCrops(np.stack(crops), f"{len(crops)} faces of the folder {root.resolve().name}")
