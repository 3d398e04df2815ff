"""The command line's commands, one small file per group; each imports what it needs when it runs."""
