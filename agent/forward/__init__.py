"""What carries readings to the province: a spool that outlives everything, and remote write."""
