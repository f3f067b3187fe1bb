"""Who runs the network; `onnx` needs nothing beyond the base install."""
