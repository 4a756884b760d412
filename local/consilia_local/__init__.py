"""The consilia command: runs a plan as processes on one machine."""
