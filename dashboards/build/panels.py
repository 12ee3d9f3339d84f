"""From one declaration of a panel to Grafana's own types: every panel has a unit, thresholds, and words in both languages."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

from grafana_foundation_sdk.builders import dashboard, geomap, prometheus, stat, table, timeseries
from grafana_foundation_sdk.builders.common import (
    FrameGeometrySource,
    GraphThresholdsStyleConfig,
    MapLayerOptions,
    ReduceDataOptions,
    TableSortByFieldState,
    VizLegendOptions,
)
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    FrameGeometrySourceMode,
    GraphTresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    VizOrientation,
)
from grafana_foundation_sdk.models.geomap import TooltipMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE = model.DataSourceRef(type_val="prometheus", uid="commune")
GREEN, YELLOW, RED, BLUE = "green", "yellow", "red", "blue"
Steps = tuple[tuple[float | None, str], ...]
COUNT_BAD: Steps = ((None, GREEN), (1, RED))
PLAIN: Steps = ((None, BLUE),)
SCORE: Steps = ((None, RED), (50, YELLOW), (90, GREEN))
UP: Steps = ((None, RED), (1, GREEN))
_SIZE = {"stat": (4, 4), "series": (12, 8), "table": (24, 9), "map": (12, 12)}


@dataclass(frozen=True)
class Query:
    """One query; `legend` names its series, `column` its column in a table."""

    expression: str
    legend: str = "__auto"
    column: str = "Value"


@dataclass(frozen=True)
class Panel:
    """One panel.

    Attributes:
        title, about: Vietnamese and English; `about` says what is seen and what it means.
        steps: thresholds, the first from minus infinity.
        columns: labels that a table shows, with their headings; `units`: heading, unit and thresholds of its values.
    """

    kind: Literal["stat", "series", "table", "map"]
    title: tuple[str, str]
    about: tuple[str, str]
    queries: tuple[Query, ...]
    unit: str
    steps: Steps
    size: tuple[int, int] | None = None
    columns: tuple[tuple[str, str], ...] = ()
    units: tuple[tuple[str, str, Steps], ...] = ()
    sort: str = ""


@dataclass(frozen=True)
class Board:
    """One dashboard: rows of panels under headings."""

    uid: str
    title: tuple[str, str]
    about: tuple[str, str]
    rows: tuple[tuple[tuple[str, str], tuple[Panel, ...]], ...]
    variables: tuple[str, ...] = ("province", "commune", "site")
    since: str = "now-6h"
    kept: tuple[str, ...] = ()
    """Variables that this board does not ask, and hands on to the boards that it links to."""
    refresh: str = "1m"


def both(words: tuple[str, str]) -> str:
    """Vietnamese, then English."""
    return f"{words[0]} / {words[1]}"


def _thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    found = [model.Threshold(value=value, color=color) for value, color in steps]
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(found)


def _targets(panel: Panel, *, instant: bool, tabular: bool) -> list[Any]:
    found = []
    for number, query in enumerate(panel.queries):
        target = prometheus.Dataquery().expr(query.expression).ref_id("ABCDEFGHIJ"[number]).legend_format(query.legend)
        target = target.datasource(SOURCE)
        target = target.instant() if instant else target.range()
        if tabular:
            target = target.format(PromQueryFormat.TABLE)
        found.append(target)
    return found


def _transformations(panel: Panel) -> list[Any]:
    """Joins the queries of a table into one row per thing, and gives the columns names for people."""
    names = {f"Value #{'ABCDEFGHIJ'[number]}": query.column for number, query in enumerate(panel.queries)}
    if len(panel.queries) == 1:
        names = {"Value": panel.queries[0].column}
    names |= dict(panel.columns)
    shown = [*dict(panel.columns), *[key for key in names if key.startswith("Value")]]
    return [
        model.DataTransformerConfig(id_val="merge", options={}),
        model.DataTransformerConfig(id_val="filterFieldsByName", options={"include": {"names": shown}}),
        model.DataTransformerConfig(
            id_val="organize",
            options={"indexByName": {name: order for order, name in enumerate(shown)}, "renameByName": names},
        ),
    ]


def _layer() -> MapLayerOptions:
    """Communes as circles, coloured by their score."""
    return (
        MapLayerOptions()
        .type("markers")
        .name("communes")
        .tooltip(True)
        .location(FrameGeometrySource().mode(FrameGeometrySourceMode.COORDS).latitude("latitude").longitude("longitude"))
        .config(
            {"showLegend": True, "style": {"size": {"fixed": 7}, "opacity": 0.8, "color": {"field": "score", "fixed": "green"}}}
        )
    )


TO_COMMUNE = {"title": "Một xã / Commune", "url": "/d/commune-commune?${province:queryparam}&var-commune=${__value.raw}"}


def _linked(built: Any, panel: Panel) -> Any:
    """A commune's code leads to its board."""
    heading = dict(panel.columns).get("commune")
    link = model.DynamicConfigValue(id_val="links", value=[TO_COMMUNE])
    return built if heading is None else built.override_by_name(heading, [link])


def _common(built: Any, panel: Panel, place: model.GridPos) -> Any:
    colors = model.FieldColorModeId.PALETTE_CLASSIC if panel.kind == "series" else model.FieldColorModeId.THRESHOLDS
    built = (
        built.title(both(panel.title))
        .description(f"{panel.about[0]}\n\n{panel.about[1]}")
        .datasource(SOURCE)
        .unit(panel.unit)
        .thresholds(_thresholds(panel.steps))
        .color_scheme(dashboard.FieldColor().mode(colors))
        .grid_pos(place)
    )
    return built.min(0) if panel.unit == "percentunit" else built


def _build(panel: Panel, place: model.GridPos) -> Any:
    if panel.kind == "stat":
        built: Any = (
            stat.Panel()
            .targets(_targets(panel, instant=True, tabular=False))
            .color_mode(BigValueColorMode.BACKGROUND)
            .graph_mode(BigValueGraphMode.NONE)
            .orientation(VizOrientation.AUTO)
            .reduce_options(ReduceDataOptions().calcs(["lastNotNull"]))
            .no_value("-")
        )
    elif panel.kind == "series":
        built = (
            timeseries.Panel()
            .targets(_targets(panel, instant=False, tabular=False))
            .legend(
                VizLegendOptions()
                .show_legend(True)
                .placement(LegendPlacement.BOTTOM)
                .display_mode(LegendDisplayMode.TABLE)
                .calcs(["lastNotNull", "max"])
            )
            .thresholds_style(GraphThresholdsStyleConfig().mode(GraphTresholdsStyleMode.DASHED))
            .fill_opacity(5)
            .line_width(1)
        )
    elif panel.kind == "table":
        built = table.Panel().show_header(True)
        built = built.targets(_targets(panel, instant=True, tabular=True)).transformations(_transformations(panel))
        for column, unit, steps in panel.units:
            built = built.override_by_name(
                column,
                [
                    model.DynamicConfigValue(id_val="unit", value=unit),
                    model.DynamicConfigValue(
                        id_val="thresholds",
                        value={"mode": "absolute", "steps": [{"value": value, "color": color} for value, color in steps]},
                    ),
                    model.DynamicConfigValue(id_val="custom.cellOptions", value={"type": "color-background", "mode": "basic"}),
                ],
            )
        built = _linked(built, panel)
        if panel.sort:
            built = built.sort_by([TableSortByFieldState().display_name(panel.sort).desc(False)])
    else:
        view = geomap.MapViewConfig().id("fit").all_layers(True)
        built = geomap.Panel().basemap(MapLayerOptions().type("default").name("base")).layers([_layer()]).view(view)
        built = built.tooltip(geomap.TooltipOptions().mode(TooltipMode.DETAILS))  # the commune's name, score and link
        built = built.targets(_targets(panel, instant=True, tabular=True)).transformations(_transformations(panel))
        built = _linked(built, panel)
    return _common(built, panel, place)


_VARIABLES = {
    "province": ("Tỉnh", "Province", 'label_values(commune_site_info{instance=""}, province)', ""),
    "commune": (
        "Xã",
        "Commune",
        'query_result(commune_site_info{instance="", province=~"$province"})',
        '/commune="(?<value>[^"]+)".*commune_name="(?<text>[^"]+)"/',
    ),
    "site": (
        "Điểm",
        "Site",
        'label_values(commune_site_info{instance="", province=~"$province", commune=~"$commune"}, site)',
        "",
    ),
}


def _variable(name: str, *, hidden: bool) -> Any:
    vi, en, query, regex = _VARIABLES[name]
    return (
        dashboard.QueryVariable(name)
        .hide(model.VariableHide.HIDE_VARIABLE if hidden else model.VariableHide.DONT_HIDE)
        .label(both((vi, en)))
        .query({"query": query, "refId": name})
        .datasource(SOURCE)
        .regex(regex)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
        .current(model.VariableOption(selected=True, text="All", value="$__all"))
    )


def render(board: Board) -> str:
    """A board as Grafana reads it, in a stable order."""
    built = (
        dashboard.Dashboard(both(board.title))
        .uid(board.uid)
        .description(f"{board.about[0]}\n\n{board.about[1]}")
        .tags(["commune-agent"])
        .timezone("Asia/Ho_Chi_Minh")
        .week_start("monday")
        .time(board.since, "now")
        .refresh(board.refresh)
        .readonly()
        .link(
            dashboard.DashboardLink("Bảng khác / Other boards")
            .type(model.DashboardLinkType.DASHBOARDS)
            .tags(["commune-agent"])
            .as_dropdown(True)
            .include_vars(True)
            .keep_time(True)
        )
    )
    for name in (*board.variables, *board.kept):
        built = built.with_variable(_variable(name, hidden=name in board.kept))
    top = 0
    number = 1
    for heading, panels in board.rows:
        built = built.with_row(dashboard.Row(both(heading)).id(number).grid_pos(model.GridPos(h=1, w=24, x=0, y=top)))
        number += 1
        top += 1
        left = height = 0
        for panel in panels:
            width, tall = panel.size or _SIZE[panel.kind]
            if left + width > 24:
                top, left, height = top + height, 0, 0
            built = built.with_panel(_build(panel, model.GridPos(h=tall, w=width, x=left, y=top)).id(number))
            number += 1
            left, height = left + width, max(height, tall)
        top += height
    text = json.dumps(built.build(), cls=JSONEncoder, indent=1, sort_keys=True, ensure_ascii=False)
    return text + "\n"
