"""What a run says, for people: safe text, tables, plain text, answers side by side, the live progress view."""
