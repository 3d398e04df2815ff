"""The inspector: models stay in memory and answer prompt after prompt. `python -m unlearn_tui.engine.inspector SOCKET`."""
