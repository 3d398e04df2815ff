"""Run directories: create, write, lock, launch, follow, command, list, remove. No Textual, no torch."""
