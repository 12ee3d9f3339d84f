"""The first boards: the province at one glance, and its uplinks; and what other boards share with them."""

from __future__ import annotations

from dashboards.build.panels import COUNT_BAD, PLAIN, SCORE, UP, Board, Panel, Query, Steps
from dashboards.build.promql import SITE

GREEN_RED: Steps = ((None, "green"), (1, "red"))
P = 'province=~"$province"'
C = f'{P}, commune=~"$commune"'
S = f'{C}, site=~"$site"'
LOSS: Steps = ((None, "green"), (0.01, "yellow"), (0.05, "red"))
DELAY: Steps = ((None, "green"), (0.05, "yellow"), (0.15, "red"))
JITTER: Steps = ((None, "green"), (0.03, "yellow"), (0.1, "red"))
USE: Steps = ((None, "green"), (0.8, "yellow"), (0.9, "red"))
NAMED = f'on ({SITE}) group_left (name, area) commune_site_info{{instance="", {S}}}'
WHERE = (("name", "Điểm / Site"), ("commune", "Mã xã / Code"))


def with_name(expression: str) -> str:
    """Adds the site's name and area to an expression by site."""
    return f"({expression}) * {NAMED}"


def alerts(selector: str) -> Panel:
    """What fires now, pages first."""
    firing = f'ALERTS{{alertstate="firing", severity=~"page|ticket", {selector}}}'
    return Panel(
        "table",
        ("Đang báo động", "Alerts now"),
        (
            "Cảnh báo đang có, khẩn trước; kể cả những cái mà một cảnh báo rộng hơn đã giải thích và không gửi đi nữa.",
            "What fires now, pages first; also what a wider alert explains, of which nobody is told any more.",
        ),
        (
            Query(
                f"sort_desc(count by (alertname, severity, name, area, carrier, link, target, commune) ({firing}))",
                column="Số / Count",
            ),
        ),
        "short",
        PLAIN,
        columns=(
            ("severity", "Mức / Severity"),
            ("alertname", "Cảnh báo / Alert"),
            ("name", "Điểm / Site"),
            ("commune", "Mã / Code"),
            ("area", "Khu vực / Area"),
            ("carrier", "Nhà mạng / Carrier"),
            ("link", "Đường / Line"),
            ("target", "Cổng / Service"),
        ),
        sort="Mức / Severity",
    )


PROVINCE = Board(
    "commune-province",
    ("Toàn tỉnh", "Province overview"),
    (
        "Xã nào phục vụ được người dân ngay lúc này, xã nào tệ nhất và vì sao.",
        "Which communes can serve citizens now, which are worst off, and why.",
    ),
    (
        (
            ("Ngay lúc này", "Right now"),
            (
                Panel(
                    "stat",
                    ("Xã không phục vụ được", "Communes out"),
                    ("Số xã có điểm 0: mất hoàn toàn đường truyền.", "Communes whose score is 0: no line at all."),
                    (Query(f"sum(province:communes_out:count{{{P}}})"),),
                    "short",
                    COUNT_BAD,
                ),
                Panel(
                    "stat",
                    ("Điểm trung bình", "Mean score"),
                    ("Trung bình điểm phục vụ 0 đến 100 của các xã.", "Mean of the communes' serving scores, 0 to 100."),
                    (Query(f"avg(commune:serving_score{{{P}}})"),),
                    "short",
                    SCORE,
                ),
                Panel(
                    "stat",
                    ("Xã dưới 100 điểm", "Communes below 100"),
                    ("Số xã có ít nhất một thứ hạn chế việc phục vụ.", "Communes that something limits."),
                    (Query(f"count(commune:serving_score{{{P}}} < 100) or vector(0)"),),
                    "short",
                    ((None, "green"), (1, "yellow"), (12, "red")),
                ),
                Panel(
                    "stat",
                    ("Vùng yếu Wi-Fi", "Wi-Fi dead zones"),
                    ("Số vùng không có sóng Wi-Fi dùng được.", "Zones without a usable Wi-Fi signal."),
                    (Query(f"sum(province:dead_zones:count{{{P}}})"),),
                    "short",
                    COUNT_BAD,
                ),
                Panel(
                    "stat",
                    ("Sẵn sàng họp trực tuyến", "Conference ready"),
                    ("Tỷ lệ phòng họp đủ điều kiện đường truyền.", "Share of rooms whose line is good enough."),
                    (Query(f"avg(province:conference_ready:ratio{{{P}}})"),),
                    "percentunit",
                    ((None, "red"), (0.9, "yellow"), (0.99, "green")),
                ),
                Panel(
                    "stat",
                    ("Cổng dịch vụ có lỗi", "Portals in trouble"),
                    ("Số cổng mà từ 3 điểm trở lên không vào được.", "Portals that three sites or more cannot reach."),
                    (Query(f"count(province:portal_bad:count{{{P}}} >= 3) or vector(0)"),),
                    "short",
                    COUNT_BAD,
                ),
                Panel(
                    "map",
                    ("Bản đồ", "Map"),
                    (
                        "Mỗi chấm một xã; màu theo điểm phục vụ. Vị trí do danh mục khai.",
                        "One dot a commune, coloured by its score; places are those of the inventory.",
                    ),
                    (
                        Query(f"max by (commune) (commune_site_latitude_degrees{{{P}}})", column="latitude"),
                        Query(f"max by (commune) (commune_site_longitude_degrees{{{P}}})", column="longitude"),
                        Query(
                            f"min by (commune) (commune:serving_score{{{P}}}) * on (commune) group_left (commune_name) "
                            f'(max by (commune, commune_name) (commune_site_info{{instance="", {P}}}))',
                            column="score",
                        ),
                    ),
                    "short",
                    SCORE,
                    columns=(("commune_name", "name"), ("commune", "commune")),
                ),
                Panel(
                    "table",
                    ("Tệ nhất trước", "Worst first"),
                    (
                        "20 xã điểm thấp nhất với lý do hạn chế: đường truyền, tên miền, cổng, Wi-Fi hoặc thiết bị.",
                        "The 20 lowest scores with what limits them: uplink, name service, portal, Wi-Fi or device.",
                    ),
                    (
                        Query(
                            f"bottomk(20, commune:serving_score{{{P}}} * on (province, commune) group_left (commune_name) "
                            f'(max by (province, commune, commune_name) (commune_site_info{{instance="", {P}}})) '
                            f"* on (province, commune) group_left (reason) "
                            f"(commune:serving_limit{{{P}}} or on (province, commune) "
                            f'label_replace(commune:serving_score{{{P}}} == 100, "reason", "-", "", "") * 0 + 1))',
                            column="Điểm / Score",
                        ),
                    ),
                    "short",
                    SCORE,
                    size=(12, 12),
                    columns=(("commune_name", "Xã / Commune"), ("commune", "Mã / Code"), ("reason", "Vì / Because of")),
                    units=(("Điểm / Score", "short", SCORE),),
                    sort="Điểm / Score",
                ),
            ),
        ),
        (("Đang báo động", "Alerts now"), (alerts(P),)),
        (
            ("Theo thời gian", "Over time"),
            (
                Panel(
                    "series",
                    ("Xã không phục vụ được", "Communes out"),
                    ("Số xã điểm 0 theo thời gian.", "Communes with score 0 over time."),
                    (Query(f"sum by (province) (province:communes_out:count{{{P}}})", "{{province}}"),),
                    "short",
                    COUNT_BAD,
                ),
                Panel(
                    "series",
                    ("Đường đứt theo nhà mạng", "Communes cut off by carrier"),
                    ("Nhà mạng nào đang có sự cố diện rộng.", "Which carrier has a wide incident."),
                    (Query(f"sum by (carrier) (commune:carrier_links_down:count{{{P}}}) or vector(0)", "{{carrier}}"),),
                    "short",
                    ((None, "green"), (3, "red")),
                ),
            ),
        ),
        (
            ("Cần xem", "To look at"),
            (
                Panel(
                    "table",
                    ("Vùng yếu Wi-Fi", "Dead zones"),
                    ("Các vùng đang không có sóng dùng được.", "Zones without a usable signal now."),
                    (Query(f"commune:zone_dead{{{P}}} == 1", column="Yếu / Dead"),),
                    "short",
                    GREEN_RED,
                    size=(12, 8),
                    columns=(("commune", "Mã xã / Code"), ("zone", "Vùng / Zone"), ("ssid", "SSID")),
                ),
                Panel(
                    "table",
                    ("Chưa sẵn sàng họp", "Not ready for a conference"),
                    (
                        "Các điểm mà đường truyền chưa đủ cho họp trực tuyến.",
                        "Sites whose line is not good enough for a conference.",
                    ),
                    (Query(f"commune:conference_ready{{{P}}} == 0", column="Sẵn sàng / Ready"),),
                    "short",
                    UP,
                    size=(12, 8),
                    columns=(("commune", "Mã xã / Code"), ("site", "Điểm / Site"), ("target", "Cầu họp / Bridge")),
                ),
            ),
        ),
    ),
    variables=("province",),
    kept=("commune", "site"),
    refresh="30s",
)

UPLINKS = Board(
    "commune-uplinks",
    ("Đường truyền và băng thông", "Uplinks and bandwidth"),
    (
        "Chất lượng và mức dùng từng đường, so với hợp đồng và với nhà mạng khác.",
        "Quality and use of each line, beside its contract and other carriers.",
    ),
    (
        (
            ("Tình trạng", "State"),
            (
                Panel(
                    "table",
                    ("Đường đứt", "Lines down"),
                    ("Các đường đang đứt, theo nhà mạng.", "Lines that are down now, with their carrier."),
                    (
                        Query(
                            f"(commune:link_up{{{S}}} == 0) * on ({SITE}, link) group_left (carrier, kind) commune_expected_link{{{S}}}",
                            column="Chạy / Up",
                        ),
                    ),
                    "short",
                    UP,
                    size=(12, 8),
                    columns=(
                        ("commune", "Mã xã / Code"),
                        ("link", "Đường / Line"),
                        ("carrier", "Nhà mạng / Carrier"),
                        ("kind", "Loại / Kind"),
                    ),
                ),
                Panel(
                    "table",
                    ("Tệ nhất", "Worst lines"),
                    ("20 đường mất gói nhiều nhất.", "The 20 lines that lose most."),
                    (Query(f"topk(20, {with_name(f'commune:link_loss:ratio5m{{{S}}}')})", column="Mất gói / Loss"),),
                    "percentunit",
                    LOSS,
                    size=(12, 8),
                    columns=(*WHERE, ("link", "Đường / Line")),
                    units=(("Mất gói / Loss", "percentunit", LOSS),),
                ),
                Panel(
                    "series",
                    ("Trễ theo nhà mạng", "Delay by carrier"),
                    ("Trung vị các đường của từng nhà mạng.", "Median of each carrier's lines."),
                    (
                        Query(
                            f"quantile by (carrier) (0.5, commune:link_rtt_seconds:mean15m{{{S}}} * on ({SITE}, link) group_left (carrier) "
                            f"commune_expected_link{{{S}}})",
                            "{{carrier}}",
                        ),
                    ),
                    "s",
                    DELAY,
                ),
                Panel(
                    "series",
                    ("Biến động trễ", "Jitter"),
                    ("10 đường có biến động lớn nhất (RFC 3550).", "The 10 lines with the largest jitter (RFC 3550)."),
                    (Query(f"topk(10, commune:link_jitter_seconds:mean15m{{{S}}})", "{{commune}} {{link}}"),),
                    "s",
                    JITTER,
                ),
            ),
        ),
        (
            ("Băng thông", "Bandwidth"),
            (
                Panel(
                    "series",
                    ("Mức dùng đường", "Use of the lines"),
                    (
                        "Tỷ lệ băng thông hợp đồng đang dùng; cảnh báo từ 80 %.",
                        "Share of the contract in use; a warning from 80 %.",
                    ),
                    (Query(f"topk(10, commune:link_utilization:mean15m{{{S}}})", "{{commune}} {{link}} {{direction}}"),),
                    "percentunit",
                    USE,
                ),
                Panel(
                    "table",
                    ("Tốc độ đo so với hợp đồng", "Tests against the contract"),
                    (
                        "Lần đo tải xuống gần nhất chia cho tốc độ hợp đồng; QCVN 34 đòi từ 0,8.",
                        "The last download test over the contract; QCVN 34 asks for 0.8.",
                    ),
                    (
                        Query(
                            f"bottomk(20, max by ({SITE}, link) (commune_bandwidth_download_bytes_per_second{{{S}}}) / on ({SITE}, link) "
                            f'max by ({SITE}, link) (commune_link_contract_bytes_per_second{{{S}, direction="download"}}))',
                            column="Đạt / Reached",
                        ),
                    ),
                    "percentunit",
                    ((None, "red"), (0.8, "green")),
                    size=(12, 8),
                    columns=(("commune", "Mã xã / Code"), ("link", "Đường / Line")),
                    units=(("Đạt / Reached", "percentunit", ((None, "red"), (0.8, "green"))),),
                ),
                Panel(
                    "series",
                    ("Lưu lượng máy giám sát", "Traffic of the agents' computers"),
                    ("Byte mỗi giây nhận vào, theo xã.", "Bytes per second received, by commune."),
                    (Query(f"topk(10, sum by (commune) (commune:link_rx_bytes:rate5m{{{S}}}))", "{{commune}}"),),
                    "Bps",
                    PLAIN,
                ),
                Panel(
                    "series",
                    ("Chất lượng thoại", "Call quality"),
                    (
                        "MOS ước tính (ITU-T G.107), 1 đến 4,5; 10 đường thấp nhất.",
                        "Estimated MOS (ITU-T G.107), 1 to 4.5; the 10 lowest lines.",
                    ),
                    (Query(f"bottomk(10, commune:link_mos:mean5m{{{S}}})", "{{commune}} {{link}}"),),
                    "short",
                    ((None, "red"), (3.1, "yellow"), (3.6, "green")),
                ),
            ),
        ),
    ),
)
