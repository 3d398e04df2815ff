"""The terminal app: views drawn from pure state, one key registry, no torch."""
