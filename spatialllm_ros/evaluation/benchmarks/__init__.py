"""Public benchmarks in the files that their authors publish."""
