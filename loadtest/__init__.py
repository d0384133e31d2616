"""The experiment: a variant, served, loaded, recorded and judged."""
