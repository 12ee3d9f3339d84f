"""Receivers of remote write: a strict one written from the specifications, and the real servers."""
