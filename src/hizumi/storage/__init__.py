"""Files on disk: bundles with typed headers, atomic writes, and tables of results in JSON and CSV."""
