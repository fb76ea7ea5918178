"""From a trained SpatialLLM to a bundle that runs without torch."""
