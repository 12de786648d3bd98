"""Graphs in ONNX: what their bytes may hold, and sessions that run them within bounds; no torch, no package of ONNX."""
