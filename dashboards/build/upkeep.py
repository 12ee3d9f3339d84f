"""Alerts for computers, devices and agents, for the province's own stack, and the silent ones that inhibit."""

from __future__ import annotations

from dashboards.build.alert import Alert, AlertGroup
from dashboards.build.promql import JOB, SITE, fresh, of_site

_PRINTER_FINE = "idle|printing|warmup|ready|ok|other|unknown|none|standby|normal"
_PRINTER_ASKS = fresh("commune_printer_state", f'state!~"{_PRINTER_FINE}"')
_SUPPLY_EMPTY = fresh("commune_printer_supply_state", 'state="empty"')
_INSTANCE = f"{SITE}, instance"


UPKEEP = AlertGroup(
    "upkeep",
    60,
    (
        Alert(
            "PrinterAttention",
            "ticket",
            "device",
            of_site(f"max by ({SITE}, device, state) (({_PRINTER_ASKS} == 1) or ({_SUPPLY_EMPTY} == 1))"),
            300,
            (
                "{{ $labels.name }}: máy in {{ $labels.device }} cần người xử lý: {{ $labels.state }}.",
                "Nhờ cán bộ tại quầy nạp giấy, thay mực hoặc gỡ kẹt giấy.",
            ),
            (
                "{{ $labels.name }}: printer {{ $labels.device }} needs a hand: {{ $labels.state }}.",
                "Ask the counter's staff to load paper, change the toner or clear the jam.",
            ),
            hold=300,
        ),
        Alert(
            "DiskFull",
            "ticket",
            "agent",
            of_site(
                f"max by ({_INSTANCE}, mountpoint) (1 - {fresh('commune_host_filesystem_available_bytes')} "
                "/ commune_host_filesystem_size_bytes) > 0.9"
            ),
            600,
            (
                "{{ $labels.name }}: ổ đĩa {{ $labels.mountpoint }} của máy {{ $labels.instance }} đã dùng {{ $value | humanizePercentage }}.",
                "Dọn tệp tạm và bản quét cũ; máy đầy đĩa sẽ không lưu được hồ sơ.",
            ),
            (
                "{{ $labels.name }}: disk {{ $labels.mountpoint }} of {{ $labels.instance }} is {{ $value | humanizePercentage }} full.",
                "Remove temporary files and old scans; a computer with a full disk cannot save a file.",
            ),
            hold=600,
        ),
        Alert(
            "StorageFull",
            "ticket",
            "device",
            of_site(
                f"max by ({SITE}, device, component) ({fresh('commune_device_storage_used_bytes')} "
                "/ commune_device_storage_size_bytes) > 0.95"
            ),
            600,
            (
                "{{ $labels.name }}: bộ nhớ {{ $labels.component }} của {{ $labels.device }} đã dùng {{ $value | humanizePercentage }}.",
                "Dọn hoặc mở rộng bộ nhớ của thiết bị.",
            ),
            (
                "{{ $labels.name }}: storage {{ $labels.component }} of {{ $labels.device }} is {{ $value | humanizePercentage }} full.",
                "Clean up or extend the device's storage.",
            ),
            hold=600,
        ),
        Alert(
            "TemperatureHigh",
            "ticket",
            "device",
            of_site(
                f"max by ({SITE}, device, sensor) (({fresh('commune_device_temperature_celsius')} > 70) or "
                f'label_replace({fresh("commune_host_temperature_celsius")} > 90, "device", "$1", "instance", "(.+)"))'
            ),
            600,
            (
                "{{ $labels.name }}: {{ $labels.device }} nóng {{ $value }} °C (cảm biến {{ $labels.sensor }}).",
                "Lau bụi quạt, mở thông gió hoặc bật điều hòa phòng thiết bị.",
            ),
            (
                "{{ $labels.name }}: {{ $labels.device }} is {{ $value }} °C hot (sensor {{ $labels.sensor }}).",
                "Clean the fan, open the ventilation or switch on the room's air conditioning.",
            ),
            hold=600,
        ),
        Alert(
            "ClockWrong",
            "ticket",
            "agent",
            of_site(f"max by ({_INSTANCE}) (abs({fresh('commune_agent_clock_offset_seconds')})) > 5"),
            300,
            (
                "{{ $labels.name }}: đồng hồ máy {{ $labels.instance }} lệch {{ $value | humanizeDuration }}; ký số và đăng nhập có thể hỏng.",
                "Bật đồng bộ giờ tự động (NTP) trên máy; thay pin CMOS nếu giờ lại sai sau khi tắt máy.",
            ),
            (
                "{{ $labels.name }}: the clock of {{ $labels.instance }} is wrong by {{ $value | humanizeDuration }}; signing and login may fail.",
                "Switch on automatic time (NTP); replace the CMOS battery when it is wrong again after power-off.",
            ),
            hold=600,
        ),
        Alert(
            "AgentOutdated",
            "info",
            "agent",
            of_site(
                f"(max by ({_INSTANCE}, version) ({fresh('commune_agent_info')}) "
                f"unless on ({_INSTANCE}, version) commune_expected_agent) and on ({_INSTANCE}) commune_expected_agent"
            ),
            3600,
            (
                "{{ $labels.name }}: máy {{ $labels.instance }} chạy phiên bản {{ $labels.version }}, khác phiên bản quy định.",
                "Cập nhật bằng gói cài đặt của tỉnh (`sh install.sh` trong thư mục của máy này).",
            ),
            (
                "{{ $labels.name }}: {{ $labels.instance }} runs version {{ $labels.version }}, not the one laid down.",
                "Update it with the province's bundle (`sh install.sh` in this computer's folder).",
            ),
        ),
        Alert(
            "AgentUnknown",
            "info",
            "stack",
            f"count by (province, commune, site, instance) ({fresh('commune_agent_info')}) "
            f"unless on ({_INSTANCE}) commune_expected_agent",
            600,
            (
                "Máy {{ $labels.instance }} (xã {{ $labels.commune }}) gửi số liệu nhưng không có trong danh mục.",
                "Thêm máy vào danh mục rồi chạy lại `agent province render`, hoặc gỡ phần mềm khỏi máy.",
            ),
            (
                "Computer {{ $labels.instance }} (commune {{ $labels.commune }}) sends data but is not in the inventory.",
                "Add it to the inventory and run `agent province render` again, or remove the agent from it.",
            ),
        ),
        Alert(
            "SpoolGrowing",
            "ticket",
            "agent",
            of_site(
                f"(max by ({_INSTANCE}) ({fresh('commune_agent_spool_pending_samples')}) > 5000) "
                f"and on ({_INSTANCE}) (max by ({_INSTANCE}) (deriv(commune_agent_spool_pending_samples{{{JOB}}}[15m])) > 0)"
            ),
            1800,
            (
                "{{ $labels.name }}: máy {{ $labels.instance }} còn {{ $value }} mẫu chưa gửi được và đang tăng.",
                "Kiểm tra đường lên tỉnh và dung lượng máy chủ; xem nhật ký của commune-agent.",
            ),
            (
                "{{ $labels.name }}: {{ $labels.instance }} holds {{ $value }} samples that are not sent, and more every minute.",
                "Check the way to the province and the server's capacity; read the log of commune-agent.",
            ),
            hold=300,
        ),
        Alert(
            "AgentCollectorFailing",
            "info",
            "agent",
            of_site(f"min by ({_INSTANCE}, collector) ({fresh('commune_agent_collector_success')}) == 0"),
            3600,
            (
                "{{ $labels.name }}: phép đo {{ $labels.collector }} trên máy {{ $labels.instance }} không chạy được.",
                "Xem lý do trong nhật ký hoặc `/api/v1/status`; thường là thiếu quyền.",
            ),
            (
                "{{ $labels.name }}: collector {{ $labels.collector }} on {{ $labels.instance }} cannot do its work.",
                "Read the reason in the log or `/api/v1/status`; most often a permission is missing.",
            ),
        ),
        Alert(
            "SamplesRejected",
            "ticket",
            "agent",
            of_site(
                f'sum by ({_INSTANCE}) (increase(commune_agent_remote_write_samples_total{{{JOB}, result="rejected"}}[30m])) > 0'
            ),
            60,
            (
                "{{ $labels.name }}: máy chủ từ chối {{ $value | humanize }} mẫu của máy {{ $labels.instance }} trong 30 phút.",
                "Kiểm tra đồng hồ của máy và `out_of_order_time_window` của máy chủ.",
            ),
            (
                "{{ $labels.name }}: the server refused {{ $value | humanize }} samples of {{ $labels.instance }} in 30 minutes.",
                "Check the computer's clock and the server's `out_of_order_time_window`.",
            ),
        ),
        Alert(
            "AreaPowerCut",
            "info",
            "area",
            "count by (province, area) (((max by (province, commune, site) (increase(commune_host_unclean_boots_total"
            f"{{{JOB}}}[1h])) > 0) and on ({SITE}) (max by ({SITE}) (commune_host_boot_timestamp_seconds{{{JOB}}}) > time() - 1800))"
            f' * on ({SITE}) group_left (area) commune_site_info{{instance=""}}) >= 3',
            0,
            (
                "Xác nhận mất điện: máy ở {{ $value }} điểm của khu vực {{ $labels.area }} vừa khởi động lại sau khi tắt đột ngột.",
                "Ghi nhận vào báo cáo; nhắc các điểm chưa có UPS.",
            ),
            (
                "Power cut confirmed: computers at {{ $value }} sites of area {{ $labels.area }} have just started after a sudden stop.",
                "Keep it for the report; remind the sites without a UPS.",
            ),
        ),
    ),
)

STACK = AlertGroup(
    "stack",
    30,
    (
        Alert(
            "Deadman",
            "none",
            "stack",
            "vector(1)",
            0,
            (
                "Nhịp sống: luôn gửi; ngừng gửi nghĩa là hệ thống giám sát của tỉnh đã chết.",
                "Không cần làm gì khi còn nhận được.",
            ),
            ("Sign of life: always sent; when it stops, the province's monitoring is dead.", "Nothing to do while it arrives."),
        ),
        Alert(
            "RuleEvaluationFailing",
            "ticket",
            "stack",
            "sum by (job, instance) (increase(prometheus_rule_evaluation_failures_total[10m])) > 0",
            300,
            (
                "Máy chủ giám sát không tính được luật cảnh báo ({{ $value | humanize }} lần trong 10 phút).",
                "Xem nhật ký Prometheus; thường do thiếu bộ nhớ hoặc tệp luật bị sửa tay.",
            ),
            (
                "The monitoring server fails to evaluate rules ({{ $value | humanize }} times in 10 minutes).",
                "Read Prometheus's log; usually memory is short or a rules file was edited by hand.",
            ),
        ),
        Alert(
            "NotificationsFailing",
            "ticket",
            "stack",
            "sum by (integration) (increase(alertmanager_notifications_failed_total[10m])) > 0",
            300,
            (
                "Alertmanager không gửi được thông báo qua {{ $labels.integration }}.",
                "Kiểm tra máy chủ thư, cầu nối Zalo và mật khẩu; kênh khác vẫn nhận được tin này.",
            ),
            (
                "Alertmanager cannot deliver through {{ $labels.integration }}.",
                "Check the mail server, the Zalo bridge and their passwords; this message came by another channel.",
            ),
        ),
    ),
)
