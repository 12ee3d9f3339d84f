"""Bytes or text to values and back: pure, fuzzed, standard library only."""
