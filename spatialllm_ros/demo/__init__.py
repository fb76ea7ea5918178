"""The demo: cameras to look through, a program that asks, and what starts them without launch."""
