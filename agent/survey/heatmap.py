"""Pictures of a survey: a heat map over the floor plan where spots have coordinates, bars by zone where they have none.

matplotlib is loaded in `draw` alone; it is in the extra `[survey]`, since no agent needs it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent.locale import Translate
from agent.survey.labels import Label, place
from agent.survey.plan import Extent, Plan, backdrop, extent_of
from agent.survey.report import DEAD, UNKNOWN, Limits, Survey, dbm
from agent.survey.trouble import MissingExtraError
from collectors.wire.survey_file import Visit

WEAKEST, STRONGEST = -90.0, -40.0
FAINTEST = -95.0
"""What a spot without signal is painted as."""
COLOURS = ((0.0, "#7f0000"), (0.15, "#d73027"), (0.30, "#fdae61"), (0.46, "#d9ef8b"), (0.7, "#66bd63"), (1.0, "#1a6b3c"))
VERDICT_COLOURS = {"good": "#1a7f37", "weak": "#b35900", "dead": "#b00020", "unknown": "#555555"}
MARKERS = {"dead": "X", "unknown": "D"}
REACH = 0.22
"""How far a spot's value is painted, as a share of the picture: beyond it nothing was measured, so nothing is claimed."""


def libraries() -> Any:
    """The figure module of matplotlib.

    Raises:
        MissingExtraError: it is not installed; says how to get it.
    """
    try:
        import matplotlib as mpl  # noqa: PLC0415  costs 40 MiB and a second
        from matplotlib import figure  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError(error) from None
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
    placed = [visit for one, _title in panels for visit in one.visits if visit.x is not None]
    extent = extent_of(placed, plan) if placed else (0.0, 9.4, 5.9, 0.0)
    figure = libraries().Figure(figsize=_size(extent, len(panels)), dpi=110, layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    figure.suptitle(_("Wi-Fi coverage: {ssid}").format(ssid=_plain(ssid)), fontsize=17, fontweight="bold")
    for axis, (one, title) in zip(axes, panels, strict=True):
        measured = f"{_('Measured on')} {', '.join(days(one.visits))}"
        axis.set_title(f"{title}: {measured}" if title else measured, fontsize=12, color="#444444")
        if placed:
            image = _map(axis, one, ssid, plan, extent)
        else:
            _bars(axis, one, ssid, _)
    if not placed:
        _legend(figure, _limit_lines(survey.limits, _))
    if placed:
        is_unknown = any(signal is None for one, _title in panels for _visit, signal in _spots(one, ssid))
        _scale(figure, axes, image, survey.limits, _, is_unknown=is_unknown)
        canvas = _canvas(figure)
        figure.draw_without_rendering()  # labels are placed in points of the picture, so its layout must stand
        figure.set_layout_engine("none")
        for axis, (one, _title) in zip(axes, panels, strict=True):
            place(canvas.get_renderer(), axis, _labels(one, ssid, _), size=10.5 if len(panels) == 1 else 9)
    figure.savefig(out)


def _canvas(figure: Any) -> Any:
    """What measures text as it will be drawn."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415

    return FigureCanvasAgg(figure)


def days(visits: Iterable[Visit]) -> list[str]:
    """The days of a survey, as dates are written here."""
    found = sorted({datetime.fromtimestamp(visit.time, UTC).astimezone().date() for visit in visits})
    return [day.strftime("%d/%m/%Y") for day in found]


def _plain(text: str) -> str:
    """Names are shown as they are: a dollar sign begins a formula otherwise."""
    return text.replace("$", r"\$")


def _spots(survey: Survey, ssid: str) -> list[tuple[Visit, float | None]]:
    return [(visit, visit.signal(ssid)) for visit in survey.visits if ssid in visit.ssids]


def _size(extent: Extent, panels: int) -> tuple[float, float]:
    """Inches of a picture whose maps fill it, whatever their shape: wide halls, tall wings."""
    ratio = (extent[2] - extent[3]) / (extent[1] - extent[0])
    width, highest = (9.4, 10.0) if panels == 1 else (8.0, 8.0)
    width = max(min(width, highest / ratio), 4.4)
    return width * panels + 1.6, min(max(width * ratio, 3.0), highest) + 1.7


def _map(axis: Any, survey: Survey, ssid: str, plan: Plan | None, extent: Extent) -> Any:
    import numpy as np  # noqa: PLC0415
    from matplotlib.colors import LinearSegmentedColormap, Normalize  # noqa: PLC0415

    spots = [(visit, signal) for visit, signal in _spots(survey, ssid) if visit.x is not None and visit.y is not None]
    left, right, bottom, top = extent
    backdrop(axis, plan, extent)
    colours = LinearSegmentedColormap.from_list("signal", COLOURS)
    across = np.linspace(left, right, 260)
    down = np.linspace(top, bottom, 200)
    grid_x, grid_y = np.meshgrid(across, down)
    diagonal = float(np.hypot(right - left, bottom - top))
    weights, total, nearest = np.zeros_like(grid_x), np.zeros_like(grid_x), np.full_like(grid_x, np.inf)
    for visit, signal in spots:
        if signal is None:
            continue
        distance = np.hypot(grid_x - (visit.x or 0.0), grid_y - (visit.y or 0.0))
        weight = 1.0 / np.maximum(distance / diagonal, 0.012) ** 2.6
        weights += weight
        total += weight * max(signal, FAINTEST)
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
        verdict = survey.limits.verdict(signal)
        marker = MARKERS.get(verdict, "o")
        colour = VERDICT_COLOURS[verdict]
        axis.plot(
            visit.x, visit.y, marker=marker, color=colour, markersize=11, markeredgecolor="white", markeredgewidth=1.4, zorder=7
        )
    axis.set_xlim(left, right)
    axis.set_ylim(bottom, top)
    return image


def _dead_areas(axis: Any, grid_x: Any, grid_y: Any, values: Any, limits: Limits) -> None:
    """Hatch what is below the threshold and draw its edge, so that it is told without colours too."""
    if values.count() and values.min() < limits.dead:
        levels = [min(float(values.min()), FAINTEST) - 1, limits.dead]
        axis.contourf(grid_x, grid_y, values, levels=levels, colors="none", hatches=["////"], zorder=4)
        if values.max() > limits.dead:
            axis.contour(
                grid_x, grid_y, values, levels=[limits.dead], colors="#5c0000", linewidths=2.2, linestyles="solid", zorder=5
            )
    if values.count() and values.min() < limits.good < values.max():
        axis.contour(grid_x, grid_y, values, levels=[limits.good], colors="#333333", linewidths=1.1, linestyles="--", zorder=5)


def _labels(survey: Survey, ssid: str, _: Translate) -> list[Label]:
    """A zone's name stands once, above its spots; each spot has its signal. A zone of one spot has both in one box."""
    spots: dict[str, list[tuple[float, float, float | None]]] = {}
    for visit, signal in _spots(survey, ssid):
        if visit.x is not None and visit.y is not None:
            spots.setdefault(visit.zone, []).append((visit.x, visit.y, signal))
    found = []
    for name, here in spots.items():
        alone = len(here) == 1
        for x, y, signal in here:
            verdict = survey.limits.verdict(signal)
            said = dbm(signal, _) + (f" · {_(verdict)}" if verdict == DEAD else "")
            text = f"{_plain(name)}\n{said}" if alone else said
            found.append(Label(text, x, y, VERDICT_COLOURS[verdict], is_bold=verdict == DEAD))
        if not alone:
            middle = sum(x for x, _y, _signal in here) / len(here)
            found.append(Label(_plain(name), middle, min(y for _x, y, _signal in here), "#333333", is_bold=True, is_title=True))
    return found


def _scale(figure: Any, axes: Any, image: Any, limits: Limits, _: Translate, *, is_unknown: bool) -> None:
    """The colour scale with both thresholds, and what hatching and lines mean."""
    from matplotlib.lines import Line2D  # noqa: PLC0415
    from matplotlib.patches import Patch  # noqa: PLC0415

    bar = figure.colorbar(image, ax=list(axes), shrink=0.85, pad=0.02, extend="both")
    bar.set_label(_("Signal (dBm)"), fontsize=12)
    bar.set_ticks([-90, -80, limits.dead, limits.good, -60, -50, -40])
    bar.ax.axhline(limits.dead, color="#5c0000", linewidth=2.2)
    bar.ax.axhline(limits.good, color="#333333", linewidth=1.3, linestyle="--")
    legend = [
        *_limit_lines(limits, _),
        Patch(facecolor="none", edgecolor="#333333", hatch="////", label=_("dead area")),
        Line2D([], [], marker="o", linestyle="", color="#555555", markersize=9, label=_("measured spot")),
        Line2D([], [], marker="X", linestyle="", color=VERDICT_COLOURS[DEAD], markersize=10, label=_("dead spot")),
    ]
    if is_unknown:
        colour, marker = VERDICT_COLOURS[UNKNOWN], MARKERS[UNKNOWN]
        legend.append(Line2D([], [], marker=marker, linestyle="", color=colour, markersize=9, label=_("heard, signal unknown")))
    _legend(figure, legend)


def _limit_lines(limits: Limits, _: Translate) -> list[Any]:
    from matplotlib.lines import Line2D  # noqa: PLC0415

    return [
        Line2D([], [], color="#333333", linestyle="--", label=_("good from {limit} dBm").format(limit=f"{limits.good:.0f}")),
        Line2D([], [], color="#5c0000", linewidth=2.2, label=_("dead below {limit} dBm").format(limit=f"{limits.dead:.0f}")),
    ]


def _legend(figure: Any, handles: list[Any]) -> None:
    """Below the maps, in as many columns as the picture is wide."""
    columns = min(len(handles), int(figure.get_figwidth() // 2.1))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, fontsize=11, frameon=False)


def _bars(axis: Any, survey: Survey, ssid: str, _: Translate) -> None:
    """Without coordinates: a bar for each zone, from the weakest signal, with both thresholds."""
    zones = [zone for zone in survey.zones if zone.ssid == ssid][::-1]
    for index, zone in enumerate(zones):
        signal = zone.weakest_dbm
        width = max((WEAKEST if signal is None else signal) - WEAKEST, 0.6)
        dead = zone.verdict == DEAD
        axis.barh(
            index, width, left=WEAKEST, color=VERDICT_COLOURS[zone.verdict], hatch="////" if dead else None, edgecolor="white"
        )
        text = _(UNKNOWN) if signal is None else f"{dbm(signal, _)} · {_(zone.verdict)}"
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
    axis.set_xlabel(_("Signal (dBm)"), fontsize=12)
