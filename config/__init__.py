"""Data that ships with the agent: the example configuration, JSON Schemas, device profiles."""
