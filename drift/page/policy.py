"""What a report may do: nothing but show itself, and run the scripts of Evidently's report and no others."""

import base64
import hashlib
import re

# Not a parser: Evidently writes the document, and a script that is not found here does not run.
_SCRIPT = re.compile(r"<script[^>]*>(.*?)</script>", re.DOTALL | re.IGNORECASE)


def policy(evidently: str) -> str:
    """A content security policy for the page with this report in a frame, which inherits it.

    The scripts are named by their hashes, so that a column with a hostile name could not bring one of its own, even if
    it got past the escaping.
    """
    scripts = " ".join(f"'sha256-{_hash(script)}'" for script in _SCRIPT.findall(evidently)) or "'none'"
    return (
        f"default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; img-src data: blob:; font-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(script: str) -> str:
    """The hash that a browser computes, which reads every end of a line as a line feed."""
    text = script.replace("\r\n", "\n").replace("\r", "\n")
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
