"""The operator: watches Federations and Cohorts, and keeps a cluster as their plan says."""
