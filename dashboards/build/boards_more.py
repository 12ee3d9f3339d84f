"""Boards of what stands at a site and beyond it: Wi-Fi coverage, devices, portals."""

from __future__ import annotations

from dashboards.build.boards import DELAY, WHERE, S, with_name
from dashboards.build.panels import COUNT_BAD, PLAIN, UP, Board, Panel, Query, Steps
from dashboards.build.promql import SITE

SIGNAL: Steps = ((None, "red"), (-75, "yellow"), (-67, "green"))
FULL: Steps = ((None, "green"), (0.8, "yellow"), (0.9, "red"))

RSRP: Steps = ((None, "red"), (-120, "yellow"), (-110, "green"))
COVERED = f"max by ({SITE}, modem, state) (commune_mobile_coverage{{{S}}})"
POOR = f'max by ({SITE}, modem, state) (commune_mobile_coverage{{{S}, state!="good"}})'
SURVEYED = f"max by ({SITE}, zone, ssid, band) (commune_survey_signal_dbm{{{S}}})"
SURVEYED_AT = f"max by ({SITE}, zone, ssid, band) (commune_survey_timestamp_seconds{{{S}}})"

WIFI = Board(
    "commune-wifi",
    ("Phủ sóng Wi-Fi", "Wi-Fi coverage"),
    ("Vùng nào có sóng, vùng nào không, kênh nào chật.", "Which zones are covered, which are not, which channels are crowded."),
    (
        (
            ("Vùng", "Zones"),
            (
                Panel(
                    "stat",
                    ("Vùng yếu", "Dead zones"),
                    ("Vùng dưới ngưỡng hoặc không nghe thấy mạng.", "Zones below the threshold or without the network."),
                    (Query(f"sum(commune:zone_dead{{{S}}})"),),
                    "short",
                    COUNT_BAD,
                ),
                Panel(
                    "stat",
                    ("Vùng được theo dõi", "Zones watched"),
                    ("Số vùng có máy hoặc điểm phát đo sóng.", "Zones in which something measures."),
                    (Query(f"count(commune:zone_dead{{{S}}})"),),
                    "short",
                    PLAIN,
                ),
                Panel(
                    "table",
                    ("Sóng yếu nhất", "Weakest zones"),
                    (
                        "30 vùng yếu nhất; tốt từ -67 dBm, không dùng được dưới -75.",
                        "The 30 weakest zones; good from -67 dBm, dead below -75.",
                    ),
                    (Query(f"bottomk(30, {with_name(f'commune:zone_signal_dbm{{{S}}}')})", column="Sóng / Signal"),),
                    "dBm",
                    SIGNAL,
                    size=(16, 12),
                    columns=(*WHERE, ("zone", "Vùng / Zone"), ("ssid", "SSID")),
                    units=(("Sóng / Signal", "dBm", SIGNAL),),
                ),
                Panel(
                    "series",
                    ("Sóng từng vùng", "Signal by zone"),
                    ("Sóng tốt nhất của mạng trong vùng.", "Best signal of the network in the zone."),
                    (Query(f"bottomk(15, commune:zone_signal_dbm{{{S}}})", "{{commune}} {{zone}}"),),
                    "dBm",
                    SIGNAL,
                ),
                Panel(
                    "series",
                    ("Mạng chen cùng kênh", "Networks on a channel"),
                    (
                        "Số mạng nghe được trên mỗi kênh; nhiều hơn 6 là chật.",
                        "Networks heard on a channel; more than 6 is crowded.",
                    ),
                    (
                        Query(
                            f"topk(10, max by (commune, band, channel) (commune_wifi_channel_bss{{{S}}}))",
                            "{{commune}} {{band}} {{channel}}",
                        ),
                    ),
                    "short",
                    ((None, "green"), (6, "yellow")),
                ),
            ),
        ),
        (
            ("Khảo sát", "Surveys"),
            (
                Panel(
                    "table",
                    ("Sóng đo khi khảo sát", "Surveyed signal"),
                    (
                        "30 vùng yếu nhất trong lần khảo sát gần nhất bằng `agent survey`, và lần đó cách đây bao lâu.",
                        "The 30 weakest zones of the last survey with `agent survey`, and how long ago that was.",
                    ),
                    (
                        Query(f"bottomk(30, {with_name(f'({SURVEYED})')})", column="Sóng / Signal"),
                        Query(with_name(f"(time() - {SURVEYED_AT})"), column="Cách đây / Ago"),
                    ),
                    "dBm",
                    SIGNAL,
                    columns=(*WHERE, ("zone", "Vùng / Zone"), ("ssid", "SSID"), ("band", "Băng tần / Band")),
                    units=(("Sóng / Signal", "dBm", SIGNAL), ("Cách đây / Ago", "s", PLAIN)),
                ),
            ),
        ),
        (
            ("Điểm phát", "Access points"),
            (
                Panel(
                    "series",
                    ("Máy khách", "Clients"),
                    ("Số máy đang nối vào điểm phát.", "Stations associated with the access points."),
                    (Query(f"topk(10, sum by (commune, device) (commune_wifi_ap_clients{{{S}}}))", "{{commune}} {{device}}"),),
                    "short",
                    ((None, "green"), (30, "yellow")),
                ),
                Panel(
                    "table",
                    ("Điểm phát theo vùng", "Access points by zone"),
                    (
                        "Điểm phát của từng vùng có trả lời không; điểm phát không ghi vùng thì không có ở đây.",
                        "Whether the access points of each zone answer; those that name no zone are not here.",
                    ),
                    (Query(f"bottomk(30, {with_name(f'commune:ap_up{{{S}}}')})", column="Trả lời / Up"),),
                    "short",
                    UP,
                    columns=(*WHERE, ("zone", "Vùng / Zone"), ("device", "Thiết bị / Device")),
                    units=(("Trả lời / Up", "short", UP),),
                ),
                Panel(
                    "series",
                    ("Kênh bận", "Channel utilization"),
                    (
                        "Phần thời gian kênh bận; trên 50 % là chật (Cisco).",
                        "Share of time the channel is busy; above 50 % is crowded (Cisco).",
                    ),
                    (
                        Query(
                            f"topk(10, max by (commune, device, radio) (commune_wifi_ap_channel_utilization_ratio{{{S}}}))",
                            "{{commune}} {{device}} {{radio}}",
                        ),
                    ),
                    "percentunit",
                    ((None, "green"), (0.5, "yellow"), (0.8, "red")),
                ),
            ),
        ),
        (
            ("Di động", "Mobile"),
            (
                Panel(
                    "table",
                    ("Sóng di động", "Mobile coverage"),
                    (
                        "Modem và bộ định tuyến LTE, sóng yếu hoặc mất trước; theo ngưỡng trong cấu hình của agent.",
                        "Modems and LTE routers, weak ones and those without coverage first; by the limits of the agent's configuration.",
                    ),
                    (Query(f"sort_desc({with_name(f'{POOR} or {COVERED} * 0')})", column="Yếu / Weak"),),
                    "short",
                    COUNT_BAD,
                    columns=(*WHERE, ("modem", "Modem"), ("state", "Sóng / Coverage")),
                ),
                Panel(
                    "series",
                    ("Mức sóng di động", "Mobile signal"),
                    (
                        "RSRP của các modem yếu nhất; mặc định yếu dưới -110 dBm, mất sóng dưới -120.",
                        "RSRP of the weakest modems; by default weak below -110 dBm, none below -120.",
                    ),
                    (
                        Query(
                            f"bottomk(15, max by (commune, modem) (commune_mobile_signal_rsrp_dbm{{{S}}}))",
                            "{{commune}} {{modem}}",
                        ),
                    ),
                    "dBm",
                    RSRP,
                ),
            ),
        ),
    ),
)

DEVICES = Board(
    "commune-devices",
    ("Thiết bị", "Devices"),
    (
        "Bộ định tuyến, bộ chuyển mạch, UPS, máy in: cái nào không trả lời, cái nào cần người.",
        "Routers, switches, UPSs, printers: which do not answer, which need a hand.",
    ),
    (
        (
            ("Tình trạng", "State"),
            (
                Panel(
                    "stat",
                    ("Không trả lời", "Down"),
                    ("Thiết bị không trả lời lần hỏi gần nhất.", "Devices that did not answer the last poll."),
                    (Query(f"count(commune:device_up{{{S}}} == 0) or vector(0)"),),
                    "short",
                    COUNT_BAD,
                ),
                Panel(
                    "stat",
                    ("Thiết bị", "Devices"),
                    ("Số thiết bị đang theo dõi.", "Devices that are watched."),
                    (Query(f"count(commune:device_up{{{S}}})"),),
                    "short",
                    PLAIN,
                ),
                Panel(
                    "stat",
                    ("UPS chạy ắc quy", "UPS on battery"),
                    ("Số UPS đang chạy ắc quy.", "UPSs that run on battery."),
                    (Query(f"sum(max by ({SITE}, device) (commune_ups_on_battery{{{S}}}))"),),
                    "short",
                    COUNT_BAD,
                ),
                Panel(
                    "table",
                    ("Thiết bị không trả lời", "Devices down"),
                    ("Thiết bị, loại và thiết bị phía trên nó.", "Device, kind, and the device above it."),
                    (
                        Query(
                            f"(commune:device_up{{{S}}} == 0) * on ({SITE}, device) group_left (kind, parent) commune_expected_device{{{S}}}",
                            column="Chạy / Up",
                        ),
                    ),
                    "short",
                    UP,
                    columns=(
                        ("commune", "Mã xã / Code"),
                        ("device", "Thiết bị / Device"),
                        ("kind", "Loại / Kind"),
                        ("parent", "Phía trên / Parent"),
                    ),
                ),
            ),
        ),
        (
            ("Sức khỏe", "Health"),
            (
                Panel(
                    "series",
                    ("Nhiệt độ", "Temperature"),
                    ("10 cảm biến nóng nhất.", "The 10 hottest sensors."),
                    (
                        Query(
                            f"topk(10, max by (commune, device, sensor) (commune_device_temperature_celsius{{{S}}}))",
                            "{{commune}} {{device}} {{sensor}}",
                        ),
                    ),
                    "celsius",
                    ((None, "green"), (60, "yellow"), (70, "red")),
                ),
                Panel(
                    "series",
                    ("Tải bộ xử lý", "Processor load"),
                    ("10 thiết bị bận nhất.", "The 10 busiest devices."),
                    (
                        Query(
                            f"topk(10, max by (commune, device) (commune_device_cpu_utilization_ratio{{{S}}}))",
                            "{{commune}} {{device}}",
                        ),
                    ),
                    "percentunit",
                    FULL,
                ),
                Panel(
                    "series",
                    ("Pin UPS", "UPS charge"),
                    ("10 UPS ít pin nhất.", "The 10 UPSs with the least charge."),
                    (
                        Query(
                            f"bottomk(10, min by (commune, device) (commune_ups_charge_ratio{{{S}}}))", "{{commune}} {{device}}"
                        ),
                    ),
                    "percentunit",
                    ((None, "red"), (0.3, "yellow"), (0.8, "green")),
                ),
                Panel(
                    "series",
                    ("Mực in", "Printer supplies"),
                    ("10 hộp mực ít nhất.", "The 10 lowest supplies."),
                    (
                        Query(
                            f"bottomk(10, min by (commune, device, supply) (commune_printer_supply_ratio{{{S}}}))",
                            "{{commune}} {{device}} {{supply}}",
                        ),
                    ),
                    "percentunit",
                    ((None, "red"), (0.1, "yellow"), (0.25, "green")),
                ),
            ),
        ),
    ),
)

PORTALS = Board(
    "commune-portals",
    ("Cổng dịch vụ", "Portals"),
    (
        "Cổng nào vào được, từ bao nhiêu điểm, chậm ở bước nào.",
        "Which services answer, for how many sites, and where time is lost.",
    ),
    (
        (
            ("Tình trạng", "State"),
            (
                Panel(
                    "table",
                    ("Cổng", "Services"),
                    ("Tỷ lệ điểm vào được từng cổng ngay lúc này.", "Share of sites that reach each service now."),
                    (Query(f"avg by (target) (commune:portal_up{{{S}}})", column="Vào được / Reached"),),
                    "percentunit",
                    ((None, "red"), (0.9, "yellow"), (0.99, "green")),
                    size=(12, 8),
                    columns=(("target", "Cổng / Service"),),
                    units=(("Vào được / Reached", "percentunit", ((None, "red"), (0.9, "yellow"), (0.99, "green"))),),
                ),
                Panel(
                    "table",
                    ("Chứng thư", "Certificates"),
                    ("Thời gian còn lại của chứng thư.", "Time left of the certificates."),
                    (
                        Query(
                            f"min by (target) (commune_tls_certificate_expiry_timestamp_seconds{{{S}}}) - time()",
                            column="Còn / Left",
                        ),
                    ),
                    "s",
                    ((None, "red"), (1814400, "green")),
                    size=(12, 8),
                    columns=(("target", "Cổng / Service"),),
                    units=(("Còn / Left", "s", ((None, "red"), (1814400, "green"))),),
                ),
                Panel(
                    "series",
                    ("Vào được theo thời gian", "Reachability over time"),
                    ("Tỷ lệ điểm vào được.", "Share of sites that reach it."),
                    (Query(f"avg by (target) (commune:portal_up{{{S}}})", "{{target}}"),),
                    "percentunit",
                    ((None, "red"), (0.99, "green")),
                ),
                Panel(
                    "series",
                    ("Thời gian trả lời", "Response time"),
                    ("Trung vị và 95 % của các điểm.", "Median and 95 % of the sites."),
                    (
                        Query(f"quantile by (target) (0.5, commune_http_duration_seconds{{{S}}})", "{{target}} 50 %"),
                        Query(f"quantile by (target) (0.95, commune_http_duration_seconds{{{S}}})", "{{target}} 95 %"),
                    ),
                    "s",
                    ((None, "green"), (3, "yellow"), (10, "red")),
                ),
                Panel(
                    "series",
                    ("Chậm ở bước nào", "Where time is lost"),
                    (
                        "Trung bình từng bước: tên, kết nối, TLS, byte đầu, truyền.",
                        "Mean of each phase: name, connect, TLS, first byte, transfer.",
                    ),
                    (Query(f"avg by (phase) (commune_http_phase_duration_seconds{{{S}}})", "{{phase}}"),),
                    "s",
                    ((None, "green"), (1, "yellow"), (5, "red")),
                ),
                Panel(
                    "series",
                    ("Máy chủ tên miền", "Name servers"),
                    ("10 máy chủ chậm nhất.", "The 10 slowest servers."),
                    (
                        Query(
                            f"topk(10, max by (commune, server) (commune_dns_duration_seconds{{{S}}}))", "{{commune}} {{server}}"
                        ),
                    ),
                    "s",
                    DELAY,
                ),
            ),
        ),
    ),
)
