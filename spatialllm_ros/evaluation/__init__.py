"""How good the answers are: scoring, benchmarks and reports."""
