"""Puts the labels of a heat map where they cover neither each other nor a spot: a map is read, not guessed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

NEAR, STEPS = 13.0, 6
"""Points between a spot and its label, and how many rings around it are tried."""
SIDES = ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1))
"""Above, below, beside, at the corners: the order in which a place is tried."""
LEADER_FROM = 2
"""From this ring on a line leads from the label to its spot."""
MARKER = 8.0
"""Half the size of a spot's mark, in points."""
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Label:
    """A text for the place x, y of the map; a title stands above the labels of single spots."""

    text: str
    x: float
    y: float
    colour: str
    is_bold: bool = False
    is_title: bool = False


def overlap(one: Box, other: Box) -> float:
    """The area that two boxes (left, bottom, right, top) share."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(width, 0.0) * max(height, 0.0)


def choose(anchor: tuple[float, float], size: tuple[float, float], taken: list[Box], frame: Box, near: float) -> tuple[Box, int]:
    """The nearest free box of a size around a point, and its ring; where none is free, the one that covers least.

    A box is pushed back into the frame (left, bottom, right, top) where it would leave it.
    """
    width, height = size
    best: tuple[float, int, Box] = (math.inf, 0, frame)
    for ring in range(STEPS):
        reach = near * (1 + ring)
        for side_x, side_y in SIDES:
            left = anchor[0] - width / 2 + side_x * (width / 2 + reach * (0.3 if side_y else 1.0))
            low = anchor[1] - height / 2 + side_y * (height / 2 + reach)
            left = max(min(left, frame[2] - width), frame[0])
            low = max(min(low, frame[3] - height), frame[1])
            box = (left, low, left + width, low + height)
            covered = sum(overlap(box, other) for other in taken)
            if covered < best[0]:
                best = (covered, ring, box)
            if covered < 1.0:
                return box, ring
    return best[2], best[1]


def place(renderer: Any, axis: Any, labels: list[Label], size: float) -> None:
    """Draw the labels on a map whose layout stands, text of `size` points."""
    pixels = renderer.dpi / 72
    frame = axis.get_window_extent(renderer).extents
    anchors = [tuple(axis.transData.transform((label.x, label.y))) for label in labels]
    half = MARKER * pixels
    taken = [
        (x - half, y - half, x + half, y + half) for label, (x, y) in zip(labels, anchors, strict=True) if not label.is_title
    ]
    for label, anchor in sorted(zip(labels, anchors, strict=True), key=lambda pair: pair[0].is_title):
        style = {"boxstyle": "round,pad=0.25", "facecolor": "white", "edgecolor": label.colour, "alpha": 0.92, "linewidth": 1.3}
        if label.is_title:
            style |= {"edgecolor": "none", "alpha": 0.75}
        drawn = axis.annotate(
            label.text,
            anchor,
            xycoords="figure pixels",
            xytext=anchor,
            textcoords="figure pixels",
            ha="center",
            va="center",
            fontsize=size + 1 if label.is_title else size,
            fontweight="bold" if label.is_bold else "normal",
            color="#111111",
            bbox=style,
            zorder=8,
            annotation_clip=False,
        )
        extent = drawn.get_window_extent(renderer)  # of the text; the box around it is a quarter of its size wider
        around = 2 * (0.25 * size + 1.5) * pixels
        box, ring = choose(anchor, (extent.width + around, extent.height + around), taken, tuple(frame), NEAR * pixels)
        taken.append(box)
        middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        drawn.set_position(middle)
        if ring >= LEADER_FROM and not label.is_title:
            ends = axis.transData.inverted().transform([anchor, middle])
            axis.plot(ends[:, 0], ends[:, 1], color=label.colour, linewidth=1.1, zorder=6)
