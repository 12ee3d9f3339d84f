"""Boards of the service as a whole: agents' own health, and the service level of a month."""

from __future__ import annotations

from dashboards.build.boards import WHERE, C, S, with_name
from dashboards.build.panels import COUNT_BAD, PLAIN, UP, Board, Panel, Query, Steps
from dashboards.build.promql import SITE

TARGET: Steps = ((None, "red"), (0.995, "green"))

AGENTS = Board(
    "commune-agents",
    ("Sức khỏe phần mềm giám sát", "Agents' health"),
    ("Máy nào im lặng, chậm gửi, sai giờ hoặc chạy bản cũ.", "Which agents are silent, behind, out of time or outdated."),
    (
        (
            ("Tình trạng", "State"),
            (
                Panel(
                    "stat",
                    ("Máy đang lên tiếng", "Agents alive"),
                    ("Máy có nhịp sống trong 60 giây.", "Agents with a heartbeat within 60 seconds."),
                    (
                        Query(
                            f'count(time() - commune_agent_heartbeat_timestamp_seconds{{{S}, job="commune-agent"}} < 60) or vector(0)'
                        ),
                    ),
                    "short",
                    UP,
                ),
                Panel(
                    "stat",
                    ("Máy im lặng", "Agents silent"),
                    (
                        "Máy trong danh mục không có nhịp sống trong 60 giây.",
                        "Agents of the inventory without a heartbeat within 60 seconds.",
                    ),
                    (
                        Query(
                            f'count(commune_expected_agent{{role!="hub", {S}}} unless on ({SITE}, instance) '
                            f'(time() - commune_agent_heartbeat_timestamp_seconds{{{S}, job="commune-agent"}} < 60)) or vector(0)'
                        ),
                    ),
                    "short",
                    COUNT_BAD,
                ),
                Panel(
                    "stat",
                    ("Còn chưa gửi", "Samples not sent"),
                    ("Số mẫu các máy còn giữ chưa gửi được.", "Samples that agents still hold."),
                    (Query(f"sum(commune_agent_spool_pending_samples{{{S}}})"),),
                    "short",
                    ((None, "green"), (100000, "yellow"), (1000000, "red")),
                ),
                Panel(
                    "table",
                    ("Máy im lặng", "Silent agents"),
                    ("Máy trong danh mục không lên tiếng.", "Agents of the inventory that do not report."),
                    (
                        Query(
                            f'commune_expected_agent{{role!="hub", {S}}} unless on ({SITE}, instance) '
                            f'(time() - commune_agent_heartbeat_timestamp_seconds{{{S}, job="commune-agent"}} < 60)',
                            column="Thiếu / Missing",
                        ),
                    ),
                    "short",
                    COUNT_BAD,
                    size=(12, 9),
                    columns=(
                        ("commune", "Mã xã / Code"),
                        ("site", "Điểm / Site"),
                        ("instance", "Máy / Computer"),
                        ("role", "Vai trò / Role"),
                    ),
                ),
                Panel(
                    "table",
                    ("Phiên bản", "Versions"),
                    ("Số máy theo phiên bản.", "Agents by version."),
                    (
                        Query(
                            f"count by (version) (max by ({SITE}, instance, version) (commune_agent_info{{{S}}}))",
                            column="Máy / Agents",
                        ),
                    ),
                    "short",
                    PLAIN,
                    size=(12, 9),
                    columns=(("version", "Phiên bản / Version"),),
                ),
                Panel(
                    "series",
                    ("Lệch giờ", "Clock offset"),
                    ("10 máy lệch nhiều nhất.", "The 10 clocks that are furthest off."),
                    (
                        Query(
                            f"topk(10, abs(max by (commune, instance) (commune_agent_clock_offset_seconds{{{S}}})))",
                            "{{commune}} {{instance}}",
                        ),
                    ),
                    "s",
                    ((None, "green"), (1, "yellow"), (5, "red")),
                ),
                Panel(
                    "series",
                    ("Chưa gửi theo thời gian", "Backlog over time"),
                    (
                        "10 máy giữ nhiều nhất; phải giảm sau khi có mạng lại.",
                        "The 10 largest; it must shrink once the line is back.",
                    ),
                    (
                        Query(
                            f"topk(10, max by (commune, instance) (commune_agent_spool_pending_samples{{{S}}}))",
                            "{{commune}} {{instance}}",
                        ),
                    ),
                    "short",
                    ((None, "green"), (5000, "yellow")),
                ),
                Panel(
                    "series",
                    ("Phép đo không chạy", "Collectors that fail"),
                    ("Số máy theo phép đo không chạy được.", "Agents by collector that cannot work."),
                    (Query(f"count by (collector) (commune_agent_collector_success{{{S}}} == 0) or vector(0)", "{{collector}}"),),
                    "short",
                    COUNT_BAD,
                ),
                Panel(
                    "series",
                    ("Thời gian không có số liệu", "Time without data"),
                    ("Giây mỗi ngày không có số liệu, theo lý do.", "Seconds a day without data, by reason."),
                    (Query(f"sum by (reason) (increase(commune_agent_gap_seconds_total{{{S}}}[1d]))", "{{reason}}"),),
                    "s",
                    ((None, "green"), (3600, "yellow")),
                ),
            ),
        ),
    ),
)


def _spent(states: str, selector: str = S) -> str:
    """Seconds of this range in some states, by line: value minus value at its start, so that late data counts."""
    level = f'commune:link_seconds:last{{{selector}, state=~"{states}"}}'
    return f"sum by ({SITE}, link) ({level} - ({level} offset $__range or {level} * 0))"


def _open(states: str) -> str:
    """The same inside service hours: half-hours whose beginning was inside them, from the raw counter."""
    level = f'(max by ({SITE}, link, state) (commune_link_seconds_total{{{S}, state=~"{states}"}}))'
    past = f'(max by ({SITE}, link, state) (commune_link_seconds_total{{{S}, state=~"{states}"}} offset 30m))'
    return (
        f"sum by ({SITE}, link) (sum_over_time((({level} - {past}) and on ({SITE}) "
        f"(commune:site_open{{{S}}} offset 30m == 1))[$__range:30m]))"
    )


_GOOD, _ALL = "up|degraded", "up|degraded|down"
SLA = Board(
    "commune-sla",
    ("Mức dịch vụ trong tháng", "Service level of the month"),
    (
        "Thời gian đường truyền chạy trong tháng, cả ngày đêm và trong giờ làm việc, so với mục tiêu 99,5 %.",
        "Availability of each line this month, round the clock and in service hours, against the target of 99.5 %.",
    ),
    (
        (
            ("Tỉnh", "Province"),
            (
                Panel(
                    "stat",
                    ("Cả ngày đêm", "Round the clock"),
                    (
                        "Trung bình các đường; thời gian không biết không tính.",
                        "Mean of the lines; time that nobody knows about does not count.",
                    ),
                    (Query(f"avg({_spent(_GOOD)} / ({_spent(_ALL)} > 0))"),),
                    "percentunit",
                    TARGET,
                    size=(6, 4),
                ),
                Panel(
                    "stat",
                    ("Đường dưới 99,5 %", "Lines below 99.5 %"),
                    ("Số đường không đạt mục tiêu.", "Lines that miss the target."),
                    (Query(f"count({_spent(_GOOD)} / ({_spent(_ALL)} > 0) < 0.995) or vector(0)"),),
                    "short",
                    COUNT_BAD,
                    size=(6, 4),
                ),
                Panel(
                    "stat",
                    ("Giờ đứt", "Hours down"),
                    ("Tổng số giờ đứt của mọi đường.", "Hours down of all lines together."),
                    (Query(f"sum({_spent('down')})"),),
                    "s",
                    ((None, "green"), (3600, "yellow"), (86400, "red")),
                    size=(6, 4),
                ),
                Panel(
                    "stat",
                    ("Giờ không biết", "Hours unknown"),
                    ("Tổng thời gian không có số liệu (máy tắt).", "Time without data (computer off)."),
                    (Query(f"sum({_spent('unknown')}) or vector(0)"),),
                    "s",
                    PLAIN,
                    size=(6, 4),
                ),
            ),
        ),
        (
            ("Từng đường", "Line by line"),
            (
                Panel(
                    "table",
                    ("Cả ngày đêm", "Round the clock"),
                    ("50 đường thấp nhất tháng này.", "The 50 lowest lines this month."),
                    (Query(f"bottomk(50, {with_name(f'{_spent(_GOOD)} / ({_spent(_ALL)} > 0)')})", column="Chạy / Available"),),
                    "percentunit",
                    TARGET,
                    size=(12, 12),
                    columns=(*WHERE, ("link", "Đường / Line")),
                    units=(("Chạy / Available", "percentunit", TARGET),),
                    sort="Chạy / Available",
                ),
                Panel(
                    "table",
                    ("Trong giờ làm việc", "In service hours"),
                    (
                        "Tính theo từng nửa giờ mở cửa; chọn một xã để nhanh hơn.",
                        "By half-hours of opening time; choose one commune to be quicker.",
                    ),
                    (Query(f"bottomk(50, {with_name(f'{_open(_GOOD)} / ({_open(_ALL)} > 0)')})", column="Chạy / Available"),),
                    "percentunit",
                    TARGET,
                    size=(12, 12),
                    columns=(*WHERE, ("link", "Đường / Line")),
                    units=(("Chạy / Available", "percentunit", TARGET),),
                    sort="Chạy / Available",
                ),
                Panel(
                    "series",
                    ("Điểm phục vụ", "Serving score"),
                    ("Trung bình điểm phục vụ các xã đang chọn.", "Mean score of the chosen communes."),
                    (Query(f"avg by (province) (commune:serving_score{{{C}}})", "{{province}}"),),
                    "short",
                    ((None, "red"), (50, "yellow"), (90, "green")),
                    size=(24, 8),
                ),
            ),
        ),
    ),
    since="now/M",
    refresh="",
)
