"""Time series: from files, tables and arrays to recordings, windows that are learned, and blocks that are judged."""
