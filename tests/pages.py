"""What tests ask of a page in a real browser."""

from typing import Any

from axe_playwright_python.sync_playwright import Axe


def width_of(page: Any) -> int:
    """Return how wide a page is, in CSS pixels, once all of it is there.

    A click does not wait for what it leads to: see something of the new page first.
    """
    page.wait_for_load_state()
    return page.evaluate("document.documentElement.scrollWidth")


def problems_of(page: Any) -> list[str]:
    """Return what axe finds wrong with a page, once all of it is there."""
    page.wait_for_load_state()
    found = Axe().run(page).response["violations"]
    return [f"{rule['id']}: {node['html'][:200]}" for rule in found for node in rule["nodes"]]
