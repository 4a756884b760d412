"""The agent of a hospital: the SPADE shell, data sources and trainers."""
