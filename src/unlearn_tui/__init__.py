"""unlearn-tui: see what quantization brings back after a language model was made to unlearn."""

__version__ = "0.1.0"
