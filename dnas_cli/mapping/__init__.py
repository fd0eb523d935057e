"""Prediction over whole scenes: windows, blending, streaming, writers."""
