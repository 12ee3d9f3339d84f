"""Throughput by iperf3, started with bounds: seconds, and a pace that no line can exceed within the bytes allowed."""

from __future__ import annotations

from typing import Literal

from collectors.machine import Machine
from collectors.model import Reason
from collectors.probe.sockets import Fault, split_host_port
from collectors.probe.transfer import Limits, Transfer
from collectors.wire.iperf3 import parse_report

PORT = 5201
MARGIN_SECONDS = 6.0
_WORDS = (
    ("busy", Reason.BUSY),
    ("refused", Reason.REFUSED),
    ("timed out", Reason.TIMEOUT),
    ("unreachable", Reason.UNREACHABLE),
    ("No route", Reason.UNREACHABLE),
    ("Name or service", Reason.NAME_UNRESOLVED),
    ("name resolution", Reason.NAME_UNRESOLVED),
    ("closed", Reason.RESET),
    ("reset", Reason.RESET),
)


async def transfer(
    machine: Machine,
    target: str,
    direction: Literal["download", "upload"],
    limits: Limits,
    *,
    interface: str | None = None,
) -> Transfer:
    """Run iperf3 once.

    Args:
        machine: starts it.
        target: `host[:port]` of an iperf3 server.
        direction: who sends.
        limits: whole seconds are used; the pace is `octets` over them, so that the bytes cannot be exceeded.
        interface: leave by it.
    """
    try:
        host, port = split_host_port(target, PORT)
    except ValueError as error:
        return Transfer(None, 0, Fault(Reason.MALFORMED, str(error)))
    seconds = max(1, int(limits.seconds))
    pace = int(limits.octets * 8 / seconds)
    argv = ["iperf3", "--client", host, "--port", str(port), "--json", "--connect-timeout", "5000"]
    argv += ["--time", str(seconds), "--bitrate", str(pace)]
    argv += ["--reverse"] if direction == "download" else []
    argv += ["--bind-dev", interface] if interface else []
    try:
        done = await machine.run(argv, seconds + MARGIN_SECONDS)
    except FileNotFoundError:
        return Transfer(None, 0, Fault(Reason.NOT_SUPPORTED, "iperf3 is not installed"))
    except TimeoutError:
        return Transfer(None, limits.octets, Fault(Reason.TIMEOUT, f"{target}: iperf3 did not end"))
    try:
        report = parse_report(done.output)
    except ValueError:
        said = (done.errors or done.output).strip().splitlines()
        return Transfer(None, 0, Fault(Reason.INTERNAL, f"iperf3 ended with status {done.status}: {said[-1] if said else ''}"))
    if report.rate is None:
        reason = next((reason for word, reason in _WORDS if word in report.error), Reason.RESET)
        return Transfer(None, report.moved, Fault(reason, f"{target}: {report.error}"))
    return Transfer(report.rate, report.moved)
