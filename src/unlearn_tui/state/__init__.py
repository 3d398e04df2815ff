"""Pure folds over a run's events: no files, no Textual, no torch."""
