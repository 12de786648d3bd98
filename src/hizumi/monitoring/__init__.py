"""Charts and sequential tests that watch scores, p-values and pictures for drift."""
