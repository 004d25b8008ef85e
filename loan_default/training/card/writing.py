"""How a card becomes text: templates, escaping, numbers, pictures as data."""

import base64
import re
from typing import Any

from markupsafe import Markup

_MARKDOWN_SIGNS = re.compile(r"([\\`*\[\]|#~])")  # would be taken for something else than text


def escape_markdown(value: Any) -> Any:
    """A value as text on one line, whatever it contains; what a template wrote itself passes."""
    if hasattr(value, "__html__"):
        return value
    text = _MARKDOWN_SIGNS.sub(r"\\\1", " ".join(str(value).split()))
    return Markup(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))  # noqa: S704  # escaped here


def flow(text: str) -> Markup:
    """Text that a template wrote, on one line."""
    return Markup(" ".join(text.split()))  # noqa: S704  # it was escaped when it was written


def figure(value: float) -> str:
    """With four decimals."""
    return f"{value:.4f}"


def percent(share: float, digits: int = 2) -> str:
    """A share in percent."""
    return f"{100 * share:.{digits}f} %"


def data_uri(png: bytes) -> str:
    """A picture that needs no file beside the page."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
