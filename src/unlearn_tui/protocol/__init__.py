"""The words that every process speaks: what is asked (spec), what happens (events), what is told (commands).

Typed msgspec structs, one schema version, JSON lines on the wire. No Textual, no torch, no I/O.
"""

SCHEMA = 1
