"""A report page of a planted mismatch, and what a reader reads of a page."""

import re

COMMAND = "python -m parity.check resnet50 --seed 3"


def text_of(html: str) -> str:
    """What a reader reads, in one line."""
    return re.sub(r"\s+", " ", re.sub(r"<style>.*?</style>|<script>.*?</script>|<[^>]+>", " ", html, flags=re.S))
