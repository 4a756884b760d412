"""Kubernetes objects as pure functions of a Federation, its Cohorts and its plan: one kind a module."""
