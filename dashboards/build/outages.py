"""Alerts for outages, told apart by joining the view from inside (agents) with the view from outside (the hub)."""

from __future__ import annotations

from dashboards.build.alert import CONTACTS, DESK, Alert, AlertGroup, count_query
from dashboards.build.promql import (
    AWAKE,
    CARRIER_DOWN,
    EXPECTED,
    INFO,
    JOB,
    LATE_WITNESS,
    LINK_DOWN,
    LINK_OF,
    LINK_WAS_DOWN,
    OUTSIDE,
    SILENT_SINCE,
    SITE,
    alive,
    fresh,
    of_site,
    silent,
)

_CLUSTER = f"(abs({SILENT_SINCE} - on (province, area) group_left () quantile by (province, area) (0.5, {SILENT_SINCE})) < 600)"
_CARRIER_ALL = f"count by (province, carrier) (count by (province, carrier, commune) ({LINK_OF}))"
_CARRIER_BAD = f"count by (province, carrier) ({CARRIER_DOWN})"
_PEERS_BAD = (
    f"((sum by (province) ({_CARRIER_BAD}) - on (province) group_right () ({_CARRIER_BAD})) "
    f"/ on (province, carrier) (sum by (province) ({_CARRIER_ALL}) - on (province) group_right () ({_CARRIER_ALL})))"
)
_LINK_DOWN_OF = f"{LINK_DOWN} * on ({SITE}, link) group_left (carrier) {LINK_OF}"
_PORTAL_BAD = (
    f"count by (province, target) (((max by ({SITE}, target) ({fresh('commune_http_success')}) == 0) "
    f"unless on ({SITE}) {LINK_DOWN}) unless on ({SITE}) {LATE_WITNESS})"
)
_PORTAL_SEEN = f"count by (province, target) (max by ({SITE}, target) ({fresh('commune_http_success')}))"
_SITE_HELD = f"(({silent(45)}) and on ({SITE}) ({OUTSIDE} == 0)) or (({silent(75)} > 1) unless on ({SITE}) {OUTSIDE})"
_PC_OFF = (
    f"({EXPECTED} unless on ({SITE}, instance) {alive(120, SITE + ', instance')}) "
    f"and on ({SITE}) ({alive(60)} or ({OUTSIDE} == 1))"
)

OUTAGES = AlertGroup(
    "outages",
    10,
    (
        Alert(
            "ProvinceUnreachable",
            "page",
            "province",
            f"(count by (province) ({silent(40)}) / count by (province) (count by ({SITE}) ({EXPECTED})) > 0.5) "
            f"and count by (province) ({silent(40)}) >= 5 {AWAKE}",
            0,
            (
                "Hơn một nửa số điểm của tỉnh {{ $labels.province }} mất liên lạc cùng lúc ({{ $value | humanizePercentage }}).",
                "Kiểm tra đường truyền và máy chủ giám sát của tỉnh trước; các điểm nhiều khả năng vẫn chạy.",
            ),
            (
                "More than half of the sites of {{ $labels.province }} fell silent together ({{ $value | humanizePercentage }}).",
                "Check the province's own lines and monitoring server first; the sites themselves are probably working.",
            ),
            hold=60,
        ),
        Alert(
            "CarrierOutage",
            "page",
            "carrier",
            f"(({_CARRIER_BAD} >= 3) / on (province, carrier) {_CARRIER_ALL} >= 0.2) "
            f"unless on (province, carrier) ({_PEERS_BAD} >= 0.5 * {_CARRIER_BAD} / on (province, carrier) {_CARRIER_ALL})",
            0,
            (
                (
                    "Sự cố nhà mạng {{ $labels.carrier }}: {{ $value | humanizePercentage }} số xã dùng nhà mạng này mất kết nối, "
                    "các nhà mạng khác bình thường."
                ),
                "Gọi tổng đài kỹ thuật của {{ $labels.carrier }}"
                + DESK
                + ", báo danh sách xã trên bảng đường truyền; không cử người xuống xã.",
            ),
            (
                (
                    "Incident at carrier {{ $labels.carrier }}: {{ $value | humanizePercentage }} of its communes are cut off "
                    "while other carriers work."
                ),
                "Call {{ $labels.carrier }}'s technical desk"
                + DESK
                + " with the list of communes from the uplinks board; send nobody to a commune.",
            ),
            hold=120,
        ),
        Alert(
            "AreaOutage",
            "page",
            "area",
            f"(count by (province, area) ({_CLUSTER}) >= 3) and on (province, area) "
            f"(count by (province, area) ({_CLUSTER}) / count by (province, area) ({INFO}) >= 0.3) {AWAKE}",
            0,
            (
                "{{ $value }} điểm của khu vực {{ $labels.area }} mất liên lạc gần như cùng lúc: có thể mất điện diện rộng hoặc bão. "
                "Số điểm có UPS chạy ắc quy ngay trước đó: " + count_query("commune:area_on_battery:count", "area") + ".",
                "Hỏi điện lực và đầu mối khu vực {{ $labels.area }}; đợi điện trở lại rồi mới cử người đi.",
            ),
            (
                "{{ $value }} sites of area {{ $labels.area }} fell silent at nearly the same time: a power cut or a storm is likely. "
                "Sites whose UPS ran on battery just before: " + count_query("commune:area_on_battery:count", "area") + ".",
                "Ask the power company and the contact of area {{ $labels.area }}; send people only after power is back.",
            ),
            hold=120,
        ),
        Alert(
            "SiteDark",
            "page",
            "site",
            of_site(f"({_SITE_HELD}) {AWAKE}", "carrier"),
            20,
            (
                "{{ $labels.name }} mất hoàn toàn: không máy nào lên tiếng, bộ định tuyến không trả lời.",
                "Gọi đầu mối của xã" + CONTACTS + " hỏi nguồn điện trước, rồi gọi nhà mạng của từng đường truyền.",
            ),
            (
                "{{ $labels.name }} is dark: no computer reports and no router answers.",
                "Call the commune's contact" + CONTACTS + " and ask about power first, then the carrier of each line.",
            ),
        ),
        Alert(
            "SiteSilent",
            "page",
            "site",
            of_site(f"(({silent(75)} == 1) unless on ({SITE}) {OUTSIDE}) {AWAKE}", "carrier"),
            20,
            (
                "{{ $labels.name }} im lặng, chưa rõ nguyên nhân: chỉ có một máy báo cáo và tỉnh không nhìn được bộ định tuyến từ ngoài.",
                "Gọi đầu mối của xã"
                + CONTACTS
                + ": máy có bật không, có điện không, mạng có vào được không; chạy `agent diagnose` tại chỗ.",
            ),
            (
                "{{ $labels.name }} is silent, cause unknown: its only agent stopped reporting and its router cannot be seen from outside.",
                "Call the commune's contact"
                + CONTACTS
                + ": is the computer on, is there power, does the Internet work; run `agent diagnose` there.",
            ),
        ),
        Alert(
            "GatewayDown",
            "page",
            "link",
            of_site(f"(max by ({SITE}, link) ({fresh('commune_link_gateway_up')}) == 0) and on ({SITE}, link) {LINK_DOWN}"),
            0,
            (
                "{{ $labels.name }}: bộ định tuyến của đường {{ $labels.link }} không trả lời; máy vẫn ra ngoài bằng đường khác.",
                "Nhờ đầu mối" + CONTACTS + " xem nguồn và dây của bộ định tuyến, khởi động lại nó; chưa cần gọi nhà mạng.",
            ),
            (
                "{{ $labels.name }}: the router of line {{ $labels.link }} does not answer; the site still gets out by another line.",
                "Ask the contact"
                + CONTACTS
                + " to check the router's power and cables and to restart it; the carrier is not at fault yet.",
            ),
            hold=60,
        ),
        Alert(
            "UplinkDown",
            "page",
            "link",
            of_site(_LINK_DOWN_OF),
            10,
            (
                "{{ $labels.name }}: đường {{ $labels.link }} ({{ $labels.carrier }}) đứt, đường khác đang gánh. "
                "Số xã cùng nhà mạng đang đứt: " + count_query("commune:carrier_links_down:count", "carrier") + ".",
                "Nếu chỉ xã này đứt: kiểm tra dây và thiết bị đầu cuối tại chỗ rồi báo nhà mạng" + DESK + " kèm trang chứng cứ.",
            ),
            (
                "{{ $labels.name }}: line {{ $labels.link }} ({{ $labels.carrier }}) is down, another line carries the site. "
                "Communes of this carrier that are down now: " + count_query("commune:carrier_links_down:count", "carrier") + ".",
                "If this commune is alone: check cable and terminal on site, then report to the carrier"
                + DESK
                + " with the evidence page.",
            ),
            hold=60,
        ),
        Alert(
            "UplinkFlapping",
            "ticket",
            "link",
            of_site(
                f"(max by ({SITE}, link) (changes(commune_link_up{{{JOB}}}[30m])) >= 6) "
                f"unless on ({SITE}) (min_over_time(commune:site_alive[30m]) == 0)"
            ),
            0,
            (
                "{{ $labels.name }}: đường {{ $labels.link }} chập chờn, đổi trạng thái {{ $value }} lần trong 30 phút.",
                "Kiểm tra dây, đầu nối, nguồn của thiết bị đầu cuối; báo nhà mạng nếu tại chỗ tốt.",
            ),
            (
                "{{ $labels.name }}: line {{ $labels.link }} flaps, {{ $value }} changes in 30 minutes.",
                "Check cable, connectors and the terminal's power supply; report to the carrier when these are good.",
            ),
            hold=900,
        ),
        Alert(
            "PortalDown",
            "page",
            "service",
            f"({_PORTAL_BAD} >= 3) or ({_PORTAL_BAD} >= 2 and {_PORTAL_BAD} / {_PORTAL_SEEN} >= 0.1)",
            20,
            (
                "{{ $labels.target }} không truy cập được từ {{ $value }} điểm của tỉnh {{ $labels.province }}.",
                "Lỗi ở phía cổng hoặc đường trục: báo đơn vị vận hành cổng, thông báo cho các xã tiếp nhận hồ sơ giấy.",
            ),
            (
                "{{ $labels.target }} cannot be reached from {{ $value }} sites of {{ $labels.province }}.",
                "The fault is at the service or on the backbone: tell its operator, and tell the communes to take paper files.",
            ),
            hold=180,
        ),
        Alert(
            "DnsDown",
            "page",
            "site",
            of_site(
                f"((max by ({SITE}) ({fresh('commune_dns_success')}) == 0) unless on ({SITE}) ({LINK_WAS_DOWN} unless {LINK_DOWN})) "
                f"unless on ({SITE}) {LATE_WITNESS}"
            ),
            20,
            (
                "{{ $labels.name }}: không máy chủ tên miền nào trả lời, trang web không mở được.",
                "Kiểm tra DNS trên bộ định tuyến; tạm đặt DNS của nhà mạng hoặc của tỉnh.",
            ),
            (
                "{{ $labels.name }}: no name server answers, so no web page opens.",
                "Check the router's DNS settings; use the carrier's or the province's servers meanwhile.",
            ),
            hold=60,
        ),
        Alert(
            "DnsServerFailing",
            "ticket",
            "site",
            of_site(
                f"((max by ({SITE}, server) ({fresh('commune_dns_success')}) == 0) "
                f"unless on ({SITE}) ({LINK_WAS_DOWN} unless {LINK_DOWN})) unless on ({SITE}) {LATE_WITNESS}"
            ),
            40,
            (
                "{{ $labels.name }}: máy chủ tên miền {{ $labels.server }} không trả lời đúng.",
                "Đổi máy chủ này trong cấu hình DHCP hoặc bộ định tuyến.",
            ),
            (
                "{{ $labels.name }}: name server {{ $labels.server }} does not answer properly.",
                "Replace it in the DHCP or router configuration.",
            ),
            hold=50,
        ),
        Alert(
            "WifiDeadZone",
            "page",
            "zone",
            of_site(f"min by ({SITE}, zone, ssid) ({fresh('commune_wifi_zone_dead')}) == 1"),
            60,
            (
                "{{ $labels.name }}: vùng {{ $labels.zone }} không có sóng Wi-Fi {{ $labels.ssid }} dùng được.",
                "Xem điểm phát gần nhất có điện và có mạng không; dời hoặc thêm điểm phát, khảo sát lại bằng `agent survey`.",
            ),
            (
                "{{ $labels.name }}: zone {{ $labels.zone }} has no usable signal of Wi-Fi {{ $labels.ssid }}.",
                "Check power and cable of the nearest access point; move or add one, and survey again with `agent survey`.",
            ),
            hold=300,
        ),
        Alert(
            "UpsBatteryLow",
            "ticket",
            "device",
            of_site(
                f"(max by ({SITE}, device) ({fresh('commune_ups_on_battery')}) == 1) and on ({SITE}, device) "
                f"((min by ({SITE}, device) ({fresh('commune_ups_runtime_seconds')}) < 600) "
                f"or (min by ({SITE}, device) ({fresh('commune_ups_charge_ratio')}) < 0.3))"
            ),
            0,
            (
                "{{ $labels.name }}: UPS {{ $labels.device }} sắp cạn ắc quy, còn dưới 10 phút hoặc dưới 30 %.",
                "Báo xã lưu hồ sơ đang làm và tắt máy đúng cách; hỏi điện lực giờ có điện.",
            ),
            (
                "{{ $labels.name }}: UPS {{ $labels.device }} is nearly empty, less than 10 minutes or 30 % left.",
                "Tell the commune to save its work and shut down properly; ask the power company when power returns.",
            ),
            hold=60,
        ),
        Alert(
            "UpsOnBattery",
            "ticket",
            "device",
            of_site(f"max by ({SITE}, device) ({fresh('commune_ups_on_battery')}) == 1"),
            10,
            (
                "{{ $labels.name }}: mất điện lưới, UPS {{ $labels.device }} đang chạy ắc quy.",
                "Hỏi điện lực; nếu chỉ phòng máy mất điện thì kiểm tra áp tô mát.",
            ),
            (
                "{{ $labels.name }}: mains power is gone, UPS {{ $labels.device }} runs on battery.",
                "Ask the power company; when only this room is dark, check its circuit breaker.",
            ),
            hold=60,
        ),
        Alert(
            "DeviceDown",
            "ticket",
            "device",
            of_site(
                f"(max by ({SITE}, device) ({fresh('commune_device_up')}) == 0) * on ({SITE}, device) group_left (kind, parent) "
                f'(commune_expected_device{{always_on="true"}} or (commune_expected_device and on ({SITE}) '
                "(min_over_time(commune:site_open[20m]) == 1)))"
            ),
            60,
            (
                "{{ $labels.name }}: thiết bị {{ $labels.device }} ({{ $labels.kind }}) không trả lời.",
                "Kiểm tra nguồn và dây mạng của thiết bị; xem thiết bị phía trên ({{ $labels.parent }}) có chạy không.",
            ),
            (
                "{{ $labels.name }}: device {{ $labels.device }} ({{ $labels.kind }}) does not answer.",
                "Check its power and network cable, and whether the device above it ({{ $labels.parent }}) works.",
            ),
            hold=120,
        ),
        Alert(
            "AgentSilent",
            "ticket",
            "agent",
            of_site(_PC_OFF),
            120,
            (
                "{{ $labels.name }}: máy {{ $labels.instance }} tắt hoặc phần mềm giám sát dừng; mạng của điểm vẫn chạy.",
                "Nhờ đầu mối"
                + CONTACTS
                + " bật máy; nếu máy đang bật, chạy `systemctl status commune-agent` và `agent diagnose`.",
            ),
            (
                "{{ $labels.name }}: computer {{ $labels.instance }} is off or its agent stopped; the site's network works.",
                "Ask the contact"
                + CONTACTS
                + " to switch it on; if it is on, look at `systemctl status commune-agent` and `agent diagnose`.",
            ),
            hold=60,
        ),
        Alert(
            "HubSilent",
            "ticket",
            "province",
            f'commune_expected_agent{{role="hub"}} unless on (province, instance) {alive(75, "province, instance")}',
            30,
            (
                "Máy giám sát tại tỉnh ({{ $labels.instance }}) im lặng: không còn nhìn được các xã từ bên ngoài.",
                "Khởi động lại dịch vụ commune-agent trên máy chủ của tỉnh; cảnh báo mất điểm chậm hơn trong lúc này.",
            ),
            (
                "The province's own agent ({{ $labels.instance }}) is silent: communes are not seen from outside any more.",
                "Restart the commune-agent service on the province's server; site outages are told later meanwhile.",
            ),
        ),
        Alert(
            "DeviceSubtree",
            "none",
            "device",
            f'label_replace(max by ({SITE}, device) ({fresh("commune_device_up")}) == 0, "parent", "$1", "device", "(.+)")',
            0,
            ("Nội bộ: chặn cảnh báo của thiết bị nằm sau {{ $labels.parent }}.", "Không cần làm gì."),
            ("Internal: holds back alerts of devices behind {{ $labels.parent }}.", "Nothing to do."),
            hold=180,
        ),
    ),
)
