"""Words that many messages need."""


def counted(count: int, noun: str) -> str:
    """So many of these: "1 image", "1,200 images"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
