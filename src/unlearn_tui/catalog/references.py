"""Publications that several records name."""

MUSE = "Shi et al. 2024 (arXiv 2407.06460)"
