"""Preprocessing: how records reach what was fitted and come back, chosen on training data and stored with the fit."""

__all__: list[str] = []
