"""A photo at the sizes at which a detector looks at it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class View:
    """A photo, or the photo made smaller.

    Pixel centres lie at whole numbers, so the edge of a view lies at -0.5, as that of the photo does.

    Attributes:
        pixels: (height, width, 3) uint8 RGB.
        scale: How much wider and higher the photo is.
    """

    pixels: NDArray[np.uint8]
    scale: tuple[float, float] = (1.0, 1.0)

    @property
    def longest(self) -> int:
        """Its longest side, pixels."""
        return int(max(self.pixels.shape[:2]))

    @cached_property
    def half(self) -> View:
        """Half as wide and high; at least 2 pixels must be there in either direction.

        Where a side is odd, its last pixel is left out: so each pixel is the mean of 2 x 2, exact and cheap.
        """
        import cv2

        height, width = (side // 2 for side in self.pixels.shape[:2])
        pixels = cv2.resize(self.pixels[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
        return View(pixels, (2 * self.scale[0], 2 * self.scale[1]))

    def halved(self, longest: int) -> list[View]:
        """This view, and it halved again and again until no side is longer, pixels."""
        views = [self]
        while views[-1].longest > longest and views[-1]._can_be_halved:
            views.append(views[-1].half)
        return views

    def shrunk(self, longest: int) -> View:
        """At most so many pixels wide and high; never enlarged.

        Halved as far as that leaves enough pixels, and then interpolated by less than two: nothing aliases, but in
        photos one pixel high, which cannot be halved. A photo of 4000 x 3000 pixels comes down to 640 in a fifth of the
        time of OpenCV's ``INTER_AREA``, which takes one number at a time where the factor is not two.
        ``INTER_LINEAR_EXACT`` gives the same bytes on every CPU.
        """
        import cv2

        view = self
        while view.longest >= 2 * longest and view._can_be_halved:
            view = view.half
        if view.longest <= longest:
            return view
        height, width = (max(round(side * longest / view.longest), 1) for side in view.pixels.shape[:2])
        pixels = cv2.resize(view.pixels, (width, height), interpolation=cv2.INTER_LINEAR_EXACT)
        larger = (view.pixels.shape[1] / width, view.pixels.shape[0] / height)
        return View(pixels, (larger[0] * view.scale[0], larger[1] * view.scale[1]))

    def ratio(self, other: View) -> tuple[float, float]:
        """How much wider and higher this view is than another of the same photo."""
        return other.scale[0] / self.scale[0], other.scale[1] / self.scale[1]

    @property
    def _can_be_halved(self) -> bool:
        return bool(min(self.pixels.shape[:2]) > 1)
