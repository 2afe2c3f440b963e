"""Tags are kept in one column, separated by commas."""


def split(text: str | None) -> list[str]:
    """Return the tags in `text`: trimmed, each once whatever its case, in their order."""
    tags: dict[str, str] = {}
    for part in (text or "").split(","):
        tag = " ".join(part.split())
        if tag:
            tags.setdefault(tag.casefold(), tag)
    return list(tags.values())


def join(tags: list[str]) -> str | None:
    """Return `tags` as they are kept; None for none."""
    return ", ".join(tags) or None
