"""Descriptions of labelled data, and the images and labels that they find."""
