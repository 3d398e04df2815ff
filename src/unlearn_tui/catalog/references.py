"""Publications that several records name."""

MUSE = "Shi et al. 2024 (arXiv 2407.06460)"
TOFU = "Maini et al. 2024, arXiv 2401.06121, section 2.2"
