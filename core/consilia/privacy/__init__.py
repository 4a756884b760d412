"""Differential privacy: mechanisms, exact accounting, the plan of a run's noise, and the rules of a cohort's ledger."""
