"""commune-agent: measures the network and the equipment of a commune's public-service centre."""

__version__ = "0.1.0"
