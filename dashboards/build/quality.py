"""Alerts for lines that work badly, services, conferences and the local network; thresholds with their sources.

Loss 1 % and 5 %, jitter 30 and 100 ms: Cisco and Zebra design values; delay 50 ms: QCVN 34; 150 ms: ITU-T G.114; speed
0.8 of the contract: QCVN 34; use of a line 80 and 90 %: QCVN 34:2019.
"""

from __future__ import annotations

from dashboards.build.alert import Alert, AlertGroup
from dashboards.build.promql import JOB, LINK_WAS_DOWN, SITE, fresh, of_site

_UP = f"and on ({SITE}, link) (commune:link_up == 1)"


def _line(name: str, record: str, limits: tuple[float, float], shown: str, words: tuple[str, str]) -> tuple[Alert, Alert]:
    """The ticket and the information about one property of a line; limits are those of the information and the ticket."""
    (warn, bad), (vi, en) = limits, words
    step_vi = "Xem máy nào dùng nhiều băng thông giờ đó; nếu đường rảnh mà vẫn vậy, gửi nhà mạng trang chứng cứ của `agent province report`."
    step_en = "See which computer uses the line at that time; when it is idle and still bad, send the carrier the report's evidence page."
    texts = (
        (f"{{{{ $labels.name }}}}: đường {{{{ $labels.link }}}} {vi} {{{{ $value | {shown} }}}}.", step_vi),
        (f"{{{{ $labels.name }}}}: line {{{{ $labels.link }}}} has {en} of {{{{ $value | {shown} }}}}.", step_en),
    )
    return (
        Alert(name, "ticket", "link", of_site(f"({record} > {bad:g}) {_UP}"), 120, *texts, hold=600),
        Alert(name, "info", "link", of_site(f"({record} > {warn:g}) {_UP}"), 300, *texts, hold=600),
    )


_LOSS = f"(commune:link_loss:ratio5m unless on ({SITE}, link) {LINK_WAS_DOWN})"
"""Without what an outage that is over left in the window."""
_TESTED = f"max by ({SITE}, link)"
_SLOW = " or ".join(
    f"label_replace((max by ({SITE}, link) (max_over_time(commune_bandwidth_{way}_bytes_per_second{{{JOB}}}[24h])) "
    f"and on ({SITE}, link) (max by ({SITE}, link) (commune_bandwidth_test_timestamp_seconds{{{JOB}}}) > time() - 93600)) "
    f'/ on ({SITE}, link) max by ({SITE}, link) (commune_link_contract_bytes_per_second{{{JOB}, direction="{way}"}}) < 0.8, '
    f'"direction", "{way}", "", "")'
    for way in ("download", "upload")
)

_MODEM = f"max by ({SITE}, modem)"
_POOR = 'state=~"weak|none"'
_UNCOVERED = f"{_MODEM} ({fresh('commune_mobile_coverage', _POOR)}) == 1"
"""Judged by the agent, with the limits of its configuration, for its own modems and for LTE routers read over SNMP."""

LINES = AlertGroup(
    "quality",
    30,
    (
        *_line("UplinkLoss", _LOSS, (0.01, 0.05), "humanizePercentage", ("mất gói", "a packet loss")),
        *_line(
            "UplinkDelay",
            "commune:link_rtt_seconds:mean15m",
            (0.05, 0.15),
            "humanizeDuration",
            ("trễ trung bình", "a mean delay"),
        ),
        *_line(
            "UplinkJitter",
            "commune:link_jitter_seconds:mean15m",
            (0.03, 0.1),
            "humanizeDuration",
            ("biến động trễ", "a jitter"),
        ),
        *_line(
            "UplinkSaturated",
            "commune:link_utilization:mean15m",
            (0.8, 0.9),
            "humanizePercentage",
            ("đầy, đang dùng", "a utilization"),
        ),
        Alert(
            "UplinkBelowContract",
            "ticket",
            "link",
            of_site(_SLOW),
            900,
            (
                (
                    "{{ $labels.name }}: đường {{ $labels.link }} chỉ đạt {{ $value | humanizePercentage }} tốc độ hợp đồng "
                    "({{ $labels.direction }}), lần đo tốt nhất trong 24 giờ."
                ),
                "Gửi nhà mạng trang chứng cứ (`agent province report`); QCVN 34 đòi ít nhất 80 %.",
            ),
            (
                (
                    "{{ $labels.name }}: line {{ $labels.link }} reaches only {{ $value | humanizePercentage }} of its contract "
                    "({{ $labels.direction }}), best test of 24 hours."
                ),
                "Send the carrier the evidence page (`agent province report`); QCVN 34 asks for 80 % at least.",
            ),
        ),
        Alert(
            "PortalUnreachable",
            "ticket",
            "service",
            of_site(f"max by ({SITE}, target) ({fresh('commune_http_success')}) == 0"),
            125,
            (
                "{{ $labels.name }}: không vào được {{ $labels.target }}, các xã khác vẫn vào được.",
                "Mở thử tại chỗ; kiểm tra DNS, proxy và tường lửa của điểm (`agent diagnose`).",
            ),
            (
                "{{ $labels.name }}: {{ $labels.target }} cannot be reached from here, while other communes reach it.",
                "Try it on site; check the site's DNS, proxy and firewall (`agent diagnose`).",
            ),
            hold=120,
        ),
        Alert(
            "CertificateExpiring",
            "ticket",
            "service",
            f"(min by (province, target) ({fresh('commune_tls_certificate_expiry_timestamp_seconds')}) - time()) < 21 * 86400",
            600,
            (
                "Chứng thư số của {{ $labels.target }} hết hạn sau {{ $value | humanizeDuration }}.",
                "Báo đơn vị vận hành gia hạn; chứng thư của máy chủ giám sát: `agent province render --renew-certificates`.",
            ),
            (
                "The certificate of {{ $labels.target }} expires in {{ $value | humanizeDuration }}.",
                "Tell its operator to renew it; for the monitoring server's own: `agent province render --renew-certificates`.",
            ),
        ),
        Alert(
            "CertificateUntrusted",
            "ticket",
            "service",
            f"max by (province, target) ({fresh('commune_tls_verified')}) == 0",
            300,
            (
                "Chứng thư của {{ $labels.target }} không được tin cậy từ mọi điểm của tỉnh.",
                "Kiểm tra chuỗi chứng thư và tên máy chủ; nghi ngờ bị chặn giữa đường nếu chỉ một nhà mạng bị.",
            ),
            (
                "The certificate of {{ $labels.target }} is trusted from no site of the province.",
                "Check the certificate chain and the host name; suspect interception when only one carrier is affected.",
            ),
        ),
        Alert(
            "ConferenceNotReady",
            "ticket",
            "site",
            of_site(f"min by ({SITE}, target) ({fresh('commune_conference_ready')}) == 0"),
            60,
            (
                (
                    "{{ $labels.name }}: chưa sẵn sàng họp trực tuyến với {{ $labels.target }}; lý do: "
                    "{{ range query (printf \"commune_conference_limit{commune='%s', site='%s', target='%s'} == 1\" "
                    "$labels.commune $labels.site $labels.target) }}{{ .Labels.reason }} {{ end }}."
                ),
                "Dừng các máy đang tải nhiều, chuyển sang đường tốt hơn, thử lại trước giờ họp 60 phút.",
            ),
            (
                (
                    "{{ $labels.name }} is not ready for a conference with {{ $labels.target }}; because of: "
                    "{{ range query (printf \"commune_conference_limit{commune='%s', site='%s', target='%s'} == 1\" "
                    "$labels.commune $labels.site $labels.target) }}{{ .Labels.reason }} {{ end }}."
                ),
                "Stop heavy downloads, change to the better line, and try again 60 minutes before the meeting.",
            ),
            hold=120,
        ),
        Alert(
            "RogueDhcp",
            "ticket",
            "site",
            of_site(f"max by ({SITE}) ({fresh('commune_lan_rogue_dhcp_servers')}) > 0"),
            30,
            (
                "{{ $labels.name }}: có máy chủ DHCP lạ trong mạng nội bộ ({{ $value }}).",
                "Tìm bộ định tuyến Wi-Fi cắm nhầm cổng LAN; `agent diagnose` nêu địa chỉ của nó.",
            ),
            (
                "{{ $labels.name }}: an unknown DHCP server hands out addresses on the local network ({{ $value }}).",
                "Look for a Wi-Fi router plugged in by its LAN port; `agent diagnose` names its address.",
            ),
            hold=300,
        ),
        Alert(
            "DuplicateAddress",
            "ticket",
            "site",
            of_site(f"max by ({SITE}) ({fresh('commune_lan_duplicate_addresses')}) > 0"),
            30,
            (
                "{{ $labels.name }}: {{ $value }} địa chỉ IP bị hai thiết bị dùng chung.",
                "Đổi thiết bị đặt IP tĩnh sang DHCP; `agent diagnose` nêu địa chỉ.",
            ),
            (
                "{{ $labels.name }}: {{ $value }} addresses are used by two devices at once.",
                "Change the device with a fixed address to DHCP; `agent diagnose` names the address.",
            ),
            hold=300,
        ),
        Alert(
            "BackupLineWeak",
            "info",
            "site",
            of_site(_UNCOVERED),
            600,
            (
                "{{ $labels.name }}: đường dự phòng di động {{ $labels.modem }} yếu hoặc mất sóng.",
                "Dời ăng-ten ra cửa sổ hoặc đổi nhà mạng cho SIM dự phòng.",
            ),
            (
                "{{ $labels.name }}: the mobile backup line {{ $labels.modem }} has weak coverage or none.",
                "Move the antenna to a window, or change the carrier of the backup SIM.",
            ),
            hold=1800,
        ),
    ),
)
