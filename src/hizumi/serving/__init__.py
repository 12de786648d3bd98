"""A station over HTTP: inspection, history, review and its page."""
