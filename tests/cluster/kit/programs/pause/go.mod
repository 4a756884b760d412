module consilia.health/cluster/pause

go 1.25.0
