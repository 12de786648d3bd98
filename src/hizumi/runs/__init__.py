"""Runs: what a fit was asked to be, what it did and will cost, and the folder from which it resumes."""
