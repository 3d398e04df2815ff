"""Pure drawing: a screen's state as lines of styled text; no Textual."""
