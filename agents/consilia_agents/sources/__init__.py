"""Data sources: where a hospital's rows come from, one module a kind."""
