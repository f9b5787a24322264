"""Optional content (ISO 32000-1, 8.11): which layers a viewer leaves out when it opens the document.

Only the default configuration counts. What a viewer switches on for printing alone, or by its language, is not
evaluated.
"""

from __future__ import annotations

from semscan.engine.pdf.syntax import Name, Ref, Resolver, Value

_MOST_GROUPS = 10_000
_DEEPEST_EXPRESSION = 20


class Layers:
    """The layers of a document.

    Args:
        resolver: of the document.
        catalogue: the document's root object.
    """

    def __init__(self, resolver: Resolver, catalogue: Value) -> None:
        self._resolver = resolver
        properties = resolver.get(catalogue, "OCProperties")
        self.present = isinstance(properties, dict)
        """Whether there are any."""
        default = resolver.get(properties, "D") if self.present else None
        self._on = self._groups(resolver.get(default, "ON"))
        self._off = self._groups(resolver.get(default, "OFF"))
        if resolver.get(default, "BaseState") == "OFF":
            self._off |= self._groups(resolver.get(properties, "OCGs")) - self._on

    def hides(self, membership: Value) -> bool:
        """Whether content that belongs to a group or a membership dictionary is not shown."""
        if not self.present or not isinstance(membership, Ref | dict):
            return False
        if isinstance(membership, Ref) and membership.xref in self._off:
            return True
        entries = self._resolver.resolve(membership)
        if self._resolver.get(entries, "Type") != "OCMD":
            return False
        expression = self._resolver.get(entries, "VE")
        if isinstance(expression, list):
            return not self._true(expression, 0)
        return not self._allowed(entries)

    def _allowed(self, entries: Value) -> bool:
        listed = entries.get("OCGs") if isinstance(entries, dict) else None
        groups = self._groups(listed if isinstance(listed, Ref | list) else None)
        if isinstance(listed, Ref) and not groups:
            groups = {listed.xref}
        if not groups:
            return True
        off = groups & self._off
        policy = self._resolver.get(entries, "P")
        if policy == "AllOn":
            return not off
        if policy == "AnyOff":
            return bool(off)
        if policy == "AllOff":
            return off == groups
        return off != groups

    def _true(self, expression: Value, depth: int) -> bool:
        if isinstance(expression, Ref) and not isinstance(self._resolver.resolve(expression), list):
            return expression.xref not in self._off
        parts = self._resolver.resolve(expression)
        if depth > _DEEPEST_EXPRESSION or not isinstance(parts, list) or not parts:
            return True
        head, rest = self._resolver.resolve(parts[0]), parts[1:_MOST_GROUPS]
        if head == Name("Not"):
            return not (rest and self._true(rest[0], depth + 1))
        found = (self._true(part, depth + 1) for part in rest)
        return any(found) if head == Name("Or") else all(found)

    def _groups(self, value: Value) -> set[int]:
        listed = self._resolver.resolve(value)
        items = listed if isinstance(listed, list) else []
        return {item.xref for item in items[:_MOST_GROUPS] if isinstance(item, Ref)}
