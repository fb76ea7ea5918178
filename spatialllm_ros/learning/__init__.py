"""Training: probing heads, grounding losses, stages, recipes. Never imported at run time."""
