"""A trained network for use elsewhere: an ONNX model, and a page to draw on."""
