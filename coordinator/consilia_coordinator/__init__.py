"""The coordinator of a federation: the SPADE shell around the pure rounds, its journal and its HTTP API."""
