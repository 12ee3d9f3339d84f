"""The floor plan under a heat map, or the plain grid in its stead; both in the units of the spots' positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.locale import N_
from agent.survey.trouble import MissingExtraError, SurveyError, unreadable
from collectors.wire.survey_file import Visit

Extent = tuple[float, float, float, float]
"""Left, right, bottom and top in the units of the positions."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A floor plan's picture; `metres` is its width where positions are in metres, else they are its pixels."""

    file: Path
    metres: float | None = None

    @classmethod
    def of(cls, file: Path, metres: float | None) -> Plan:
        """The plan in a file that holds a picture.

        Raises:
            SurveyError: it cannot be read, or is none.
            MissingExtraError: what reads pictures is not installed.
        """
        try:
            from PIL import Image, UnidentifiedImageError  # noqa: PLC0415
        except ImportError as error:
            raise MissingExtraError(error) from None
        try:
            with Image.open(file):
                return cls(file, metres)
        except UnidentifiedImageError as error:
            raise SurveyError(N_("{file}: no picture; a floor plan is a PNG or JPEG file"), file=str(file)) from error
        except OSError as error:
            raise unreadable(file, error) from error


def extent_of(visits: Sequence[Visit], plan: Plan | None) -> Extent:
    """Of the plan, or what holds every spot of the surveys shown, so that they lie on each other."""
    if plan is not None:
        from PIL import Image  # noqa: PLC0415

        with Image.open(plan.file) as picture:
            unit = 1.0 if plan.metres is None else plan.metres / picture.width
            return 0.0, picture.width * unit, picture.height * unit, 0.0
    xs, ys = [visit.x or 0.0 for visit in visits], [visit.y or 0.0 for visit in visits]
    around = max(max(xs) - min(xs), max(ys) - min(ys))
    margin = around * 0.16 or max(*xs, *ys, 4.0) * 0.25
    return min(xs) - margin, max(xs) + margin, max(ys) + margin, min(ys) - margin


def backdrop(axis: Any, plan: Plan | None, extent: Extent) -> None:
    """Draw the plan, or a plain grid; in the units of the positions (y grows downwards)."""
    if plan is not None:
        from PIL import Image  # noqa: PLC0415

        with Image.open(plan.file) as opened:
            axis.imshow(opened.convert("RGB"), extent=extent, zorder=1)
        axis.set_xticks([])
        axis.set_yticks([])
        if plan.metres is not None:
            _ruler(axis, plan.metres, extent[2])
        return
    axis.grid(color="#8a8a8a", linewidth=0.5, alpha=0.5, zorder=3)
    axis.set_aspect("equal")
    axis.set_xlabel("x")
    axis.set_ylabel("y", rotation=0)


def _ruler(axis: Any, width: float, height: float) -> None:
    """A length in metres, about a sixth of the plan's width, in its lower left corner."""
    length = min((step for step in (1, 2, 5, 10, 20, 50, 100)), key=lambda step: abs(step - width / 6))
    left, low = width * 0.015, height * 0.975
    axis.plot([left, left + length], [low, low], color="#111111", linewidth=4, solid_capstyle="butt", zorder=9)
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.5}
    axis.text(left, low - height * 0.015, f"{length} m", fontsize=10, va="bottom", bbox=box, zorder=9)
