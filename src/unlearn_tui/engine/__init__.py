"""The engine: the only home of torch. `python -m unlearn_tui.engine RUN_DIR` writes one run's log and files."""
