"""Rates and memory of archives: `python -m benchmarks.scale`."""
