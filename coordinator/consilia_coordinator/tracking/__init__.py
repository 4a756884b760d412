"""Tracking: a process beside the coordinator that keeps MLflow informed.

It reads the coordinator's journal over its HTTPS API and writes what MLflow does not have yet. Nothing waits for it:
while MLflow is slow, down or absent, rounds go on, and this process catches up later, from the journal.

The same run is found again after a restart by its tags. Parameters are immutable in MLflow, so ``rounds`` is the target
that a run began with; where somebody raises it later, the tag ``consilia.rounds`` tells the target that holds.
"""
