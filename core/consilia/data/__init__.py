"""Public data that travels inside the package (ADR 0003)."""
