"""What a pipeline is timed on: photos as files, or the frames of a camera that does not exist."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol, Union

import cv2
import numpy as np
from numpy.typing import NDArray

from ghostface_edge.converters.faces import pictures_in
from ghostface_edge.errors import CalibrationError, EvaluationError, OptionError
from ghostface_edge.image import MAX_SIDE, Image, ImageSource

from .drawn_people import draw_people

Shot = Union[str, NDArray[np.uint8]]
"""The path of a photo, or a frame: (height, width, 3) uint8, blue first, as OpenCV gives it."""

_LEAST_SIDE = 32
_PERIOD = 96
_SWAYS = (2, 3)
_REACH = 0.02
"""The picture in front of the camera sways twice from side to side and three times up and down in 96 frames, by 2 % of
the frame each way: the faces come to lie anew in each frame, and a run sees the same frames as the next."""


class Shots(Protocol):
    """A round of pictures that comes again and again.

    Attributes:
        step: What getting a picture in is called: ``decode`` for a photo, ``take`` for a frame.
    """

    step: str

    def __len__(self) -> int:
        """Pictures of one round."""
        ...

    def shot(self, number: int) -> Shot:
        """A picture of the round."""
        ...

    def describe(self) -> str:
        """What they are, for people."""
        ...


def source(shot: Shot) -> ImageSource:
    """A picture as the engine takes it."""
    return shot if isinstance(shot, str) else Image.from_bgr(shot, source="frame")


class PhotoShots:
    """Photos that lie in files.

    Args:
        names: Files, and folders that are searched for pictures.

    Raises:
        EvaluationError: None was named, or a folder cannot be read or has none.
    """

    step = "decode"

    def __init__(self, names: Iterable[str | os.PathLike[str]]) -> None:
        self._paths: list[str] = []
        for name in map(os.fsdecode, names):
            if os.path.isdir(name):
                try:
                    self._paths += [str(Path(name) / file) for file in pictures_in(Path(name))]
                except CalibrationError as error:
                    raise EvaluationError(str(error)) from error
            else:
                self._paths.append(name)
        if not self._paths:
            raise EvaluationError("no photo was named: name files or a folder")

    def __len__(self) -> int:
        return len(self._paths)

    def shot(self, number: int) -> Shot:
        """The path of a photo."""
        return self._paths[number]

    def describe(self) -> str:
        """How many."""
        return f"{len(self)} photo{'' if len(self) == 1 else 's'}"


class CameraShots:
    """Frames of a simulated camera: a picture that sways a little in front of it, always in the same way.

    Args:
        width: Of a frame, pixels.
        height: Of a frame, pixels.
        picture: A photo; by default the people of :func:`draw_people`. It is fitted into the frame, and its rim is
            continued where the frame is of another shape.

    Raises:
        OptionError: No size of a frame.
        ImageError: The source is no usable picture.
    """

    step = "take"

    def __init__(self, width: int, height: int, picture: ImageSource | None = None) -> None:
        for side in (width, height):
            if not _LEAST_SIDE <= side <= MAX_SIDE:
                raise OptionError(f"a camera of {width} x {height} pixels: use {_LEAST_SIDE} to {MAX_SIDE}")
        self._size = width, height
        self._what = "drawn people" if picture is None else "one photo"
        pixels = draw_people() if picture is None else Image.open(picture).pixels
        scale = (1 - 2 * _REACH) * min(width / pixels.shape[1], height / pixels.shape[0])
        inside = (max(round(pixels.shape[1] * scale), 1), max(round(pixels.shape[0] * scale), 1))
        fitted = cv2.resize(pixels, inside, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        self._picture = np.ascontiguousarray(fitted[..., ::-1])
        self._corner = (width - inside[0]) / 2, (height - inside[1]) / 2

    def __len__(self) -> int:
        return _PERIOD

    def shot(self, number: int) -> Shot:
        """A frame, blue first."""
        away = (
            corner + _REACH * side * math.sin(2 * math.pi * sways * number / _PERIOD)
            for corner, side, sways in zip(self._corner, self._size, _SWAYS)
        )
        shift = np.array([[1, 0, next(away)], [0, 1, next(away)]])
        frame: NDArray[np.uint8] = cv2.warpAffine(
            self._picture, shift, self._size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        ).astype(np.uint8, copy=False)
        return frame

    def describe(self) -> str:
        """Size and picture."""
        return f"a simulated camera of {self._size[0]} x {self._size[1]} pixels that sees {self._what}"


def camera_size(text: str) -> tuple[int, int]:
    """Width and height from a text such as ``1280x720``.

    Raises:
        OptionError: Not of that form.
    """
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal() and len(text) < 16):
        raise OptionError(f"camera {text!r} is no size: use WIDTHxHEIGHT, such as 1280x720")
    return int(width), int(height)
