"""Models and maps for other programs: ONNX, torch.export, the model card, STAC."""
