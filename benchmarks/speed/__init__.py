"""How fast, against plain code and against the machine: `python -m benchmarks.speed`."""
