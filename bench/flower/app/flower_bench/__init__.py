"""The bench's workload as a Flower app: it trains with this project's own function, on the same shards."""
