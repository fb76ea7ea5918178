"""SpatialLLM as a transformers model."""
