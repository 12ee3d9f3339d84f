"""Metrics about asking itself; the families that devices share with this host are in collectors/families.py."""

from collectors.model import counter

TRAPS = counter("commune_snmp_traps_total", "Traps and informs received.", "device", "trap", urgent=True)
ERRORS = counter(
    "commune_snmp_errors_total", "Questions to a device that got no, a malformed or an endless answer.", "device", "reason"
)
