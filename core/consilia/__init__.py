"""Federated learning between hospitals: the pure core. No I/O, clock, network or framework."""
