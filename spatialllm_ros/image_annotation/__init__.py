"""Scenes from plain images: pretrained models see, geometry measures, nothing is drawn by hand."""
