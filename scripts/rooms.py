"""Prints how large the house is: lines and files of each room of src/polyjudge, and circles of imports.

    python scripts/rooms.py

A circle is a set of siblings (rooms, or files of one room) each of which imports, by however many steps, every other
one. Imports inside functions count. The order of the rooms is checked by ``lint-imports``.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

import grimp

PACKAGE = "polyjudge"
SOURCE = Path(__file__).resolve().parents[1] / "src" / PACKAGE


def sizes(source: Path) -> dict[str, tuple[int, int]]:
    """Lines and files of each room, the largest first; a file that stands alone is a room."""
    lines: Counter[str] = Counter()
    files: Counter[str] = Counter()
    for path in source.rglob("*.py"):
        room = path.relative_to(source).parts[0].removesuffix(".py")
        lines[room] += len(path.read_text(encoding="utf-8").splitlines())
        files[room] += 1
    return {room: (count, files[room]) for room, count in lines.most_common()}


def circles(imports: Iterable[tuple[str, str]]) -> list[tuple[str, ...]]:
    """Every circle among siblings, as their names.

    Args:
        imports: (importer, imported), as dotted names of modules.
    """
    siblings: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for importer, imported in imports:
        left, right = importer.split("."), imported.split(".")
        level = next((k for k, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), None)
        if level is not None:
            siblings[".".join(left[:level])][".".join(left[: level + 1])].add(".".join(right[: level + 1]))
    return sorted(circle for edges in siblings.values() for circle in _circles(edges))


def _circles(edges: Mapping[str, set[str]]) -> set[tuple[str, ...]]:
    reached = {name: _reached(name, edges) for name in edges}
    return {
        tuple(sorted(other for other in reached[name] if name in reached.get(other, ())))
        for name in edges
        if name in reached[name]
    }


def _reached(start: str, edges: Mapping[str, set[str]]) -> set[str]:
    """Everything that ``start`` imports, by however many steps."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        for name in edges.get(waiting.pop(), set()) - seen:
            seen.add(name)
            waiting.append(name)
    return seen


def main() -> int:
    """Print the table; 1 when there is a circle."""
    rooms = sizes(SOURCE)
    total = sum(lines for lines, _ in rooms.values())
    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    found = circles(
        (importer, imported)
        for importer in graph.modules
        for imported in graph.find_modules_directly_imported_by(importer)
    )
    print(f"{'room':<14}{'lines':>8}{'files':>7}{'share':>8}")
    for room, (lines, files) in rooms.items():
        print(f"{room:<14}{lines:>8,}{files:>7}{lines / total:>8.1%}")
    print(f"{'all':<14}{total:>8,}{sum(files for _, files in rooms.values()):>7}")
    print(f"rooms: {len(rooms)}, circles: {len(found)}")
    for circle in found:
        print("circle: " + ", ".join(circle))
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
