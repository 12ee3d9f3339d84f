"""Pictures of a survey: a heat map over the floor plan where spots have coordinates, bars by zone where they have none.

matplotlib is loaded in `draw` alone; it is in the extra `[survey]`, since no agent needs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.locale import Translate
from agent.survey.report import DEAD, Limits, Survey, dbm
from collectors.wire.survey_file import Visit

WEAKEST, STRONGEST = -90.0, -40.0
UNHEARD = -95.0
COLOURS = ((0.0, "#7f0000"), (0.15, "#d73027"), (0.30, "#fdae61"), (0.46, "#d9ef8b"), (0.7, "#66bd63"), (1.0, "#1a6b3c"))
VERDICT_COLOURS = {"good": "#1a7f37", "weak": "#b35900", "dead": "#b00020"}
REACH = 0.22
"""How far a spot's value is painted, as a share of the picture: beyond it nothing was measured, so nothing is claimed."""


class MissingExtraError(RuntimeError):
    """matplotlib is not installed."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A floor plan's picture; `metres` is its width where positions are in metres, else they are its pixels."""

    file: Path
    metres: float | None = None


def libraries() -> Any:
    """The figure module of matplotlib.

    Raises:
        MissingExtraError: it is not installed; says how to get it.
    """
    try:
        import matplotlib as mpl  # noqa: PLC0415  costs 40 MiB and a second
        from matplotlib import figure  # noqa: PLC0415
    except ImportError as error:
        message = f"pictures need matplotlib ({error}); install it with: pip install 'commune-agent[survey]'"
        raise MissingExtraError(message) from None
    mpl.rcParams.update({"font.family": "DejaVu Sans", "axes.unicode_minus": False, "svg.fonttype": "path"})
    return figure


def draw(survey: Survey, ssid: str, plan: Plan | None, out: Path, _: Translate, before: Survey | None = None) -> None:
    """Draw one network's coverage into a PNG file; with `before`, both side by side.

    Raises:
        MissingExtraError: matplotlib is not installed.
        OSError: the plan cannot be read, or the picture not written.
    """
    panels = [(survey, _("After") if before else "")]
    if before is not None:
        panels.insert(0, (before, _("Before")))
    placed = any(visit.x is not None for one, _title in panels for visit in one.visits)
    figure = libraries().Figure(figsize=(11, 7.6) if len(panels) == 1 else (18, 6.8), dpi=110, layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    figure.suptitle(_("Wi-Fi coverage: {ssid}").format(ssid=_plain(ssid)), fontsize=17, fontweight="bold")
    for axis, (one, title) in zip(axes, panels, strict=True):
        axis.set_title(title, fontsize=13)
        if placed:
            image = _map(axis, one, ssid, plan, _)
        else:
            _bars(axis, one, ssid, _)
    if placed:
        _scale(figure, axes, image, survey.limits, _)
    figure.savefig(out)


def _plain(text: str) -> str:
    """Names are shown as they are: a dollar sign begins a formula otherwise."""
    return text.replace("$", r"\$")


def _spots(survey: Survey, ssid: str) -> list[tuple[Visit, float | None]]:
    found = []
    for visit in survey.visits:
        if ssid in visit.ssids:
            best = visit.best(ssid)
            found.append((visit, None if best is None else best.signal_dbm))
    return found


def _map(axis: Any, survey: Survey, ssid: str, plan: Plan | None, _: Translate) -> Any:
    import numpy as np  # noqa: PLC0415
    from matplotlib.colors import LinearSegmentedColormap, Normalize  # noqa: PLC0415

    spots = [(visit, signal) for visit, signal in _spots(survey, ssid) if visit.x is not None and visit.y is not None]
    left, right, bottom, top = _backdrop(axis, [visit for visit, _signal in spots], plan)
    colours = LinearSegmentedColormap.from_list("signal", COLOURS)
    across = np.linspace(left, right, 260)
    down = np.linspace(top, bottom, 200)
    grid_x, grid_y = np.meshgrid(across, down)
    diagonal = float(np.hypot(right - left, bottom - top))
    weights, total, nearest = np.zeros_like(grid_x), np.zeros_like(grid_x), np.full_like(grid_x, np.inf)
    for visit, signal in spots:
        distance = np.hypot(grid_x - (visit.x or 0.0), grid_y - (visit.y or 0.0))
        weight = 1.0 / np.maximum(distance / diagonal, 0.012) ** 2.6
        weights += weight
        total += weight * (UNHEARD if signal is None else signal)
        nearest = np.minimum(nearest, distance)
    values = np.ma.masked_where(nearest > REACH * diagonal, total / np.maximum(weights, 1e-9))
    image = axis.imshow(
        values,
        extent=(left, right, bottom, top),
        cmap=colours,
        norm=Normalize(WEAKEST, STRONGEST),
        alpha=0.6 if plan else 0.85,
        interpolation="bilinear",
        zorder=2,
    )
    _dead_areas(axis, grid_x, grid_y, values, survey.limits)
    for visit, signal in spots:
        _label(axis, visit, signal, survey.limits, _)
    axis.set_xlim(left, right)
    axis.set_ylim(bottom, top)
    return image


def _backdrop(axis: Any, visits: Sequence[Visit], plan: Plan | None) -> tuple[float, float, float, float]:
    """Draw the plan, or a plain grid; left, right, bottom and top in the units of the positions (y grows downwards)."""
    if plan is not None:
        from PIL import Image  # noqa: PLC0415

        with Image.open(plan.file) as opened:
            picture = opened.convert("RGB")
        unit = 1.0 if plan.metres is None else plan.metres / picture.width
        extent = (0.0, picture.width * unit, picture.height * unit, 0.0)
        axis.imshow(picture, extent=extent, zorder=1)
        axis.set_xticks([])
        axis.set_yticks([])
        return extent
    xs = [visit.x for visit in visits if visit.x is not None] or [0.0]
    ys = [visit.y for visit in visits if visit.y is not None] or [0.0]
    margin = max(max(xs) - min(xs), max(ys) - min(ys), 4.0) * 0.16
    axis.grid(color="#8a8a8a", linewidth=0.5, alpha=0.5, zorder=3)
    axis.set_aspect("equal")
    return min(xs) - margin, max(xs) + margin, max(ys) + margin, min(ys) - margin


def _dead_areas(axis: Any, grid_x: Any, grid_y: Any, values: Any, limits: Limits) -> None:
    """Hatch what is below the threshold and draw its edge, so that it is told without colours too."""
    if values.count() and values.min() < limits.dead:
        levels = [min(float(values.min()), UNHEARD) - 1, limits.dead]
        axis.contourf(grid_x, grid_y, values, levels=levels, colors="none", hatches=["////"], zorder=4)
        if values.max() > limits.dead:
            axis.contour(
                grid_x, grid_y, values, levels=[limits.dead], colors="#5c0000", linewidths=2.2, linestyles="solid", zorder=5
            )
    if values.count() and values.min() < limits.good < values.max():
        axis.contour(grid_x, grid_y, values, levels=[limits.good], colors="#333333", linewidths=1.1, linestyles="--", zorder=5)


def _label(axis: Any, visit: Visit, signal: float | None, limits: Limits, _: Translate) -> None:
    verdict = limits.verdict(signal)
    colour = VERDICT_COLOURS[verdict]
    marker = "X" if verdict == DEAD else "o"
    axis.plot(visit.x, visit.y, marker, color=colour, markersize=11, markeredgecolor="white", markeredgewidth=1.4, zorder=7)
    text = f"{_plain(visit.zone)}\n{dbm(signal, _)}" + (f" · {_(verdict)}" if verdict == DEAD else "")
    axis.annotate(
        text,
        (visit.x, visit.y),
        xytext=(0, 11),
        textcoords="offset points",
        ha="center",
        va="bottom",
        fontsize=10.5,
        fontweight="bold" if verdict == DEAD else "normal",
        color="#111111",
        bbox={"boxstyle": "round,pad=0.25", "facecolor": "white", "edgecolor": colour, "alpha": 0.92, "linewidth": 1.3},
        zorder=8,
    )


def _scale(figure: Any, axes: Any, image: Any, limits: Limits, _: Translate) -> None:
    """The colour scale with both thresholds, and what hatching and lines mean."""
    from matplotlib.lines import Line2D  # noqa: PLC0415
    from matplotlib.patches import Patch  # noqa: PLC0415

    bar = figure.colorbar(image, ax=list(axes), shrink=0.85, pad=0.02, extend="both")
    bar.set_label(_("Signal (dBm)"), fontsize=12)
    bar.set_ticks([-90, -80, limits.dead, limits.good, -60, -50, -40])
    bar.ax.axhline(limits.dead, color="#5c0000", linewidth=2.2)
    bar.ax.axhline(limits.good, color="#333333", linewidth=1.3, linestyle="--")
    legend = [
        Line2D([], [], color="#333333", linestyle="--", label=_("good from {limit} dBm").format(limit=f"{limits.good:.0f}")),
        Line2D([], [], color="#5c0000", linewidth=2.2, label=_("dead below {limit} dBm").format(limit=f"{limits.dead:.0f}")),
        Patch(facecolor="none", edgecolor="#333333", hatch="////", label=_("dead area")),
        Line2D([], [], marker="o", linestyle="", color="#555555", markersize=9, label=_("measured spot")),
        Line2D([], [], marker="X", linestyle="", color=VERDICT_COLOURS[DEAD], markersize=10, label=_("dead spot")),
    ]
    figure.legend(handles=legend, loc="outside lower center", ncols=5, fontsize=11, frameon=False)


def _bars(axis: Any, survey: Survey, ssid: str, _: Translate) -> None:
    """Without coordinates: a bar for each zone, from the weakest signal, with both thresholds."""
    zones = [zone for zone in survey.zones if zone.ssid == ssid][::-1]
    for index, zone in enumerate(zones):
        signal = zone.weakest_dbm
        width = max((UNHEARD if signal is None else signal) - WEAKEST, 0.6)
        dead = zone.verdict == DEAD
        axis.barh(
            index, width, left=WEAKEST, color=VERDICT_COLOURS[zone.verdict], hatch="////" if dead else None, edgecolor="white"
        )
        text = f"{dbm(signal, _)} · {_(zone.verdict)}"
        axis.text(
            WEAKEST + width + 0.6,
            index,
            text,
            va="center",
            fontsize=11,
            fontweight="bold" if dead else "normal",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
            zorder=5,
        )
    axis.set_yticks(range(len(zones)), [_plain(zone.zone) for zone in zones], fontsize=12)
    axis.set_ylim(-0.7, max(len(zones), 4) - 0.3)
    axis.set_xlim(WEAKEST, STRONGEST + 8)
    axis.axvline(survey.limits.dead, color="#5c0000", linewidth=2)
    axis.axvline(survey.limits.good, color="#333333", linestyle="--")
    for limit, text in ((survey.limits.dead, _("dead below {limit} dBm")), (survey.limits.good, _("good from {limit} dBm"))):
        align = "right" if limit == survey.limits.dead else "left"
        axis.text(limit, axis.get_ylim()[1], " " + text.format(limit=f"{limit:.0f}") + " ", ha=align, va="top", fontsize=10)
    axis.set_xlabel(_("Signal (dBm)"), fontsize=12)
