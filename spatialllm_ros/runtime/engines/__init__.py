"""What computes: one small protocol, one table of engines, each imported only when chosen."""
