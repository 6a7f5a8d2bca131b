"""Draws the people of the README's picture, who do not exist.

python docs/draw_people.py docs/people.jpg
"""

from __future__ import annotations

import sys

from PIL import Image

from ghostface_edge.benchmarks.drawn_people import draw_people

Image.fromarray(draw_people()).save(sys.argv[1], quality=90)
