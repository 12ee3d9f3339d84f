"""Metric families that several kinds emit, declared once: interfaces, devices, access points, modems, printers, UPSs."""

from collectors.model import counter, gauge, info

# Interfaces: of this host (device="self") and of SNMP devices.
INTERFACE = ("device", "interface")
RECEIVE_BYTES = counter("commune_interface_receive_bytes_total", "Bytes received.", *INTERFACE)
TRANSMIT_BYTES = counter("commune_interface_transmit_bytes_total", "Bytes sent.", *INTERFACE)
RECEIVE_PACKETS = counter("commune_interface_receive_packets_total", "Packets received.", *INTERFACE)
TRANSMIT_PACKETS = counter("commune_interface_transmit_packets_total", "Packets sent.", *INTERFACE)
RECEIVE_ERRORS = counter("commune_interface_receive_errors_total", "Packets received with errors.", *INTERFACE)
TRANSMIT_ERRORS = counter("commune_interface_transmit_errors_total", "Packets not sent because of errors.", *INTERFACE)
RECEIVE_DROPS = counter("commune_interface_receive_drops_total", "Received packets dropped without error.", *INTERFACE)
TRANSMIT_DROPS = counter("commune_interface_transmit_drops_total", "Outgoing packets dropped without error.", *INTERFACE)
INTERFACE_UP = gauge("commune_interface_up", "1 when the interface has a carrier and is up.", *INTERFACE)
INTERFACE_SPEED = gauge("commune_interface_speed_bytes_per_second", "Nominal speed of the interface.", *INTERFACE)
INTERFACE_FULL_DUPLEX = gauge("commune_interface_full_duplex", "1 at full duplex, 0 at half duplex.", *INTERFACE)
INTERFACES = (
    RECEIVE_BYTES,
    TRANSMIT_BYTES,
    RECEIVE_PACKETS,
    TRANSMIT_PACKETS,
    RECEIVE_ERRORS,
    TRANSMIT_ERRORS,
    RECEIVE_DROPS,
    TRANSMIT_DROPS,
    INTERFACE_UP,
    INTERFACE_SPEED,
    INTERFACE_FULL_DUPLEX,
)

# Devices that answer SNMP.
DEVICE_UP = gauge("commune_device_up", "1 when the device answered the last poll.", "device", urgent=True)
DEVICE_INFO = info(
    "commune_device_info",
    "What the device is, and the profile that recognised it.",
    "device",
    "vendor",
    "model",
    "version",
    "serial",
    "sysname",
    "profile",
)
DEVICE_BOOT = gauge("commune_device_boot_timestamp_seconds", "When the device started.", "device")
COMPONENT = ("device", "component")
DEVICE_CPU = gauge("commune_device_cpu_utilization_ratio", "Share of time the processor is busy.", *COMPONENT)
DEVICE_MEMORY_SIZE = gauge("commune_device_memory_size_bytes", "Size of a memory pool.", *COMPONENT)
DEVICE_MEMORY_USED = gauge("commune_device_memory_used_bytes", "Bytes in use of a memory pool.", *COMPONENT)
DEVICE_MEMORY_UTILIZATION = gauge(
    "commune_device_memory_utilization_ratio", "Share of a memory pool in use, where the device tells no sizes.", *COMPONENT
)
DEVICE_STORAGE_SIZE = gauge("commune_device_storage_size_bytes", "Size of a file system.", *COMPONENT)
DEVICE_STORAGE_USED = gauge("commune_device_storage_used_bytes", "Bytes in use of a file system.", *COMPONENT)
SENSOR = ("device", "sensor")
DEVICE_TEMPERATURE = gauge("commune_device_temperature_celsius", "Temperature of a sensor.", *SENSOR)
DEVICE_VOLTAGE = gauge("commune_device_voltage_volts", "Voltage of a sensor.", *SENSOR)
DEVICE_CURRENT = gauge("commune_device_current_amperes", "Current of a sensor.", *SENSOR)
DEVICE_POWER = gauge("commune_device_power_watts", "Power of a sensor.", *SENSOR)
DEVICE_FREQUENCY = gauge("commune_device_frequency_hertz", "Frequency of a sensor.", *SENSOR)
DEVICE_FAN_SPEED = gauge("commune_device_fan_speed_rpm", "Revolutions per minute of a fan.", *SENSOR)
DEVICE_HUMIDITY = gauge("commune_device_humidity_ratio", "Relative humidity.", *SENSOR)
DEVICE_SENSOR_STATE = gauge("commune_device_sensor_state", "1 for the state that the sensor is in.", *SENSOR, "state")
DEVICE_NEIGHBOR = info(
    "commune_device_neighbor_info",
    "The device at the other end of a port, by LLDP.",
    "device",
    "interface",
    "neighbor",
    "neighbor_port",
)
DEVICE_TOPOLOGY_CHANGES = counter(
    "commune_device_topology_changes_total", "Changes of the spanning tree that the device has seen.", "device"
)

UPS_ON_BATTERY = gauge("commune_ups_on_battery", "1 while the load runs on battery.", "device", urgent=True)
UPS_CHARGE = gauge("commune_ups_charge_ratio", "Charge of the battery.", "device")
UPS_RUNTIME = gauge("commune_ups_runtime_seconds", "Time left on battery at the present load.", "device")
UPS_LOAD = gauge("commune_ups_load_ratio", "Load as a share of the rated power.", "device")

PRINTER_SUPPLY = gauge(
    "commune_printer_supply_ratio", "Level of a supply; absent when unknown or 'some left'.", "device", "supply"
)
PRINTER_SUPPLY_STATE = gauge(
    "commune_printer_supply_state", "1 for the state that the supply is in.", "device", "supply", "state"
)
DEVICE_ZONE = info("commune_device_zone_info", "The zone in which a device stands, as configured.", "device", "zone")
PRINTER_STATE = gauge("commune_printer_state", "1 for each state that the printer reports.", "device", "state")
PRINTER_PAGES = counter("commune_printer_pages_total", "Pages printed in the printer's life.", "device")
DEVICES = (
    DEVICE_UP,
    DEVICE_INFO,
    DEVICE_BOOT,
    DEVICE_ZONE,
    DEVICE_CPU,
    DEVICE_MEMORY_SIZE,
    DEVICE_MEMORY_USED,
    DEVICE_MEMORY_UTILIZATION,
    DEVICE_STORAGE_SIZE,
    DEVICE_STORAGE_USED,
    DEVICE_TEMPERATURE,
    DEVICE_VOLTAGE,
    DEVICE_CURRENT,
    DEVICE_POWER,
    DEVICE_FREQUENCY,
    DEVICE_FAN_SPEED,
    DEVICE_HUMIDITY,
    DEVICE_SENSOR_STATE,
    DEVICE_NEIGHBOR,
    DEVICE_TOPOLOGY_CHANGES,
    UPS_ON_BATTERY,
    UPS_CHARGE,
    UPS_RUNTIME,
    UPS_LOAD,
    PRINTER_SUPPLY,
    PRINTER_SUPPLY_STATE,
    PRINTER_STATE,
    PRINTER_PAGES,
)

# Access points, bridges and controllers.
RADIO = ("device", "radio", "ssid")
AP_CLIENTS = gauge("commune_wifi_ap_clients", "Stations associated with the access point.", *RADIO)
AP_CHANNEL_UTILIZATION = gauge("commune_wifi_ap_channel_utilization_ratio", "Share of time the channel is busy.", *RADIO)
AP_NOISE = gauge("commune_wifi_ap_noise_dbm", "Noise floor at the radio.", *RADIO)
AP_RSSI = gauge("commune_wifi_ap_rssi_dbm", "Signal of the peer as the radio hears it.", *RADIO)
AP_SNR = gauge("commune_wifi_ap_snr_db", "Signal-to-noise ratio at the radio.", *RADIO)
AP_CCQ = gauge("commune_wifi_ap_ccq_ratio", "Client connection quality as the vendor computes it.", *RADIO)
ACCESS_POINTS = (AP_CLIENTS, AP_CHANNEL_UTILIZATION, AP_NOISE, AP_RSSI, AP_SNR, AP_CCQ)

# Mobile: modems of this PC and LTE routers.
MOBILE_RSRP = gauge("commune_mobile_signal_rsrp_dbm", "LTE reference signal received power (3GPP TS 36.214).", "modem")
MOBILE_RSRQ = gauge("commune_mobile_signal_rsrq_db", "LTE reference signal received quality (3GPP TS 36.214).", "modem")
MOBILE_SINR = gauge("commune_mobile_signal_sinr_db", "LTE signal to interference and noise ratio.", "modem")
MOBILE_REGISTERED = gauge("commune_mobile_registered", "1 while registered with a network.", "modem", urgent=True)
MOBILE_INFO = info("commune_mobile_info", "Operator and access technology in use.", "modem", "operator", "technology")
MOBILE = (MOBILE_RSRP, MOBILE_RSRQ, MOBILE_SINR, MOBILE_REGISTERED, MOBILE_INFO)
MOBILE_COVERAGE = gauge(
    "commune_mobile_coverage",
    "1 for the coverage that the modem has: good, weak (below weak_dbm), none (below none_dbm or not registered).",
    "modem",
    "state",
)

# Coverage of a zone as a radio there hears it; what an access point adds is joined by DEVICE_ZONE.
ZONE_SIGNAL = gauge("commune_wifi_zone_signal_dbm", "Best signal of the site's network in the zone.", "zone", "ssid")
ZONE_DEAD = gauge(
    "commune_wifi_zone_dead",
    "1 when the network is below the threshold or unheard in the zone, 0 again above threshold plus hysteresis.",
    "zone",
    "ssid",
    urgent=True,
)
ZONES = (ZONE_SIGNAL, ZONE_DEAD)
