"""What a template prints, made in one place: named values, without a class for each part of the page."""

from types import SimpleNamespace


class View(SimpleNamespace):
    """Named values of a part of the page; a template that asks for another fails (`StrictUndefined`)."""
