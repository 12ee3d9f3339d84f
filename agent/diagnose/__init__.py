"""On-site diagnosis: what is wrong, where, how it is known, and what to do next.

`checks` measure (with the collectors' own measuring functions), `graph` runs them by what they stand on, `judge` finds
the cause that explains the rest, `report` tells it.
"""
