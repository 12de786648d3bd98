"""Storage: archives and their headers, files replaced atomically, tables of results: how things lie on a disk."""

__all__: list[str] = []
