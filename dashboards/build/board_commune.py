"""The board of one commune: what it can do now, why not, and whom to call."""

from __future__ import annotations

from dashboards.build.boards import DELAY, LOSS, USE, C, S, alerts
from dashboards.build.panels import COUNT_BAD, PLAIN, SCORE, UP, Board, Panel, Query
from dashboards.build.promql import SITE

COMMUNE = Board(
    "commune-commune",
    ("Một xã", "Commune"),
    (
        "Mọi thứ của một xã: điểm phục vụ, đường truyền, cổng, Wi-Fi, thiết bị.",
        "All about one commune: score, lines, portals, Wi-Fi, devices.",
    ),
    (
        (
            ("Ngay lúc này", "Right now"),
            (
                Panel(
                    "stat",
                    ("Điểm phục vụ", "Serving score"),
                    ("Thấp nhất trong các xã đang chọn, 0 đến 100.", "The lowest of the chosen communes, 0 to 100."),
                    (Query(f"min(commune:serving_score{{{C}}})"),),
                    "short",
                    SCORE,
                ),
                Panel(
                    "stat",
                    ("Đường đang chạy", "Lines up"),
                    ("Số đường truyền đang chạy.", "Lines that work now."),
                    (Query(f"sum(commune:link_up{{{S}}})"),),
                    "short",
                    UP,
                ),
                Panel(
                    "stat",
                    ("Đường đứt", "Lines down"),
                    ("Số đường truyền đang đứt.", "Lines that are down now."),
                    (Query(f"count(commune:link_up{{{S}}} == 0) or vector(0)"),),
                    "short",
                    COUNT_BAD,
                ),
                Panel(
                    "stat",
                    ("Cổng không vào được", "Portals unreachable"),
                    ("Số cổng dịch vụ không vào được từ đây.", "Portals that cannot be reached from here."),
                    (Query(f"count(commune:portal_up{{{S}}} == 0) or vector(0)"),),
                    "short",
                    COUNT_BAD,
                ),
                Panel(
                    "stat",
                    ("Thiết bị không trả lời", "Devices down"),
                    ("Số thiết bị không trả lời.", "Devices that do not answer."),
                    (Query(f"count(commune:device_up{{{S}}} == 0) or vector(0)"),),
                    "short",
                    COUNT_BAD,
                ),
                Panel(
                    "stat",
                    ("Máy im lặng", "Agents silent"),
                    ("Số điểm không có máy nào lên tiếng.", "Sites of which no computer reports."),
                    (Query(f"count(commune:site_alive{{{S}}} == 0) or vector(0)"),),
                    "short",
                    COUNT_BAD,
                ),
            ),
        ),
        (
            ("Vì sao", "Why"),
            (
                Panel(
                    "series",
                    ("Từng phần của điểm", "Parts of the score"),
                    ("Phần thấp nhất quyết định điểm.", "The lowest part decides the score."),
                    (Query(f"min by (commune, reason) (commune:serving_part{{{S}}})", "{{commune}} {{reason}}"),),
                    "short",
                    SCORE,
                ),
                Panel(
                    "series",
                    ("Trễ tới bên ngoài", "Delay beyond the gateway"),
                    ("Trễ trung bình 15 phút; QCVN 34: không quá 50 ms.", "Mean of 15 minutes; QCVN 34: 50 ms at most."),
                    (Query(f"commune:link_rtt_seconds:mean15m{{{S}}}", "{{commune}} {{link}}"),),
                    "s",
                    DELAY,
                ),
                Panel(
                    "series",
                    ("Mất gói", "Packet loss"),
                    ("Mất gói 5 phút theo đường.", "Loss of 5 minutes by line."),
                    (Query(f"commune:link_loss:ratio5m{{{S}}}", "{{commune}} {{link}}"),),
                    "percentunit",
                    LOSS,
                ),
                Panel(
                    "series",
                    ("Sóng Wi-Fi từng vùng", "Wi-Fi signal by zone"),
                    (
                        "Tốt từ -67 dBm, yếu dưới -70, không dùng được dưới -75.",
                        "Good from -67 dBm, weak below -70, dead below -75.",
                    ),
                    (Query(f"commune:zone_signal_dbm{{{S}}}", "{{commune}} {{zone}} {{ssid}}"),),
                    "dBm",
                    ((None, "red"), (-75, "yellow"), (-67, "green")),
                ),
            ),
        ),
        (
            ("Chi tiết", "Details"),
            (
                alerts(S),
                Panel(
                    "table",
                    ("Đường truyền", "Lines"),
                    (
                        "Từng đường: đang chạy, mất gói, trễ và mức dùng chiều tải xuống.",
                        "Each line: whether it works, its loss and delay, and how full its download is.",
                    ),
                    (
                        Query(
                            f"commune:link_up{{{S}}} * on ({SITE}, link) group_left (carrier) commune_expected_link{{{S}}}",
                            column="Chạy / Up",
                        ),
                        Query(f"commune:link_loss:ratio5m{{{S}}}", column="Mất gói / Loss"),
                        Query(f"commune:link_rtt_seconds:mean15m{{{S}}}", column="Trễ / Delay"),
                        Query(f'commune:link_utilization:mean15m{{{S}, direction="download"}}', column="Đang dùng / In use"),
                    ),
                    "short",
                    UP,
                    size=(16, 8),
                    columns=(
                        ("commune", "Mã / Code"),
                        ("site", "Điểm / Site"),
                        ("link", "Đường / Line"),
                        ("carrier", "Nhà mạng / Carrier"),
                    ),
                    units=(
                        ("Chạy / Up", "short", UP),
                        ("Mất gói / Loss", "percentunit", LOSS),
                        ("Trễ / Delay", "s", DELAY),
                        ("Đang dùng / In use", "percentunit", USE),
                    ),
                    sort="Chạy / Up",
                ),
                Panel(
                    "table",
                    ("Gọi ai", "Whom to call"),
                    ("Đầu mối của xã, theo danh mục.", "The commune's contacts, from the inventory."),
                    (Query(f"commune_contact_info{{{C}}}", column="Có / There"),),
                    "short",
                    PLAIN,
                    size=(8, 8),
                    columns=(("commune", "Mã / Code"), ("contact", "Đầu mối / Contact"), ("phone", "Điện thoại / Phone")),
                ),
            ),
        ),
    ),
    refresh="30s",
)
