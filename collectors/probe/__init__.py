"""Measuring functions: what several collectors, the diagnosis and the survey measure with."""
