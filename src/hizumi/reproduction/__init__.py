"""Reproduction: published protocols run again, what their authors published, and the ledger of both."""
