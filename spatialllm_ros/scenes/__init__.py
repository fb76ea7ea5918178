"""Where 3D truth comes from: simulated worlds, their renderer, and shards of scenes on disk."""
