"""Requirements of strangers, read so that nothing can go wrong with them afterwards."""

from __future__ import annotations

from packaging.requirements import Requirement


def parse_requirement(text: str) -> Requirement:
    """The requirement in a text (PEP 508), whose versions and marker can be read as well.

    ``Requirement`` itself looks at these only when they are asked for: a number of more digits than Python reads, or a
    marker that compares what can't be compared, would be found out in the middle of something else.

    Raises:
        ValueError: it can't be read; ``InvalidRequirement`` where it is not even written like one.
    """
    found = Requirement(text)
    found.specifier.contains("1")
    if found.marker is not None:
        found.marker.evaluate({"extra": ""})
    return found
