"""Write docs/reference/peers.md from the tested rows of the parity table; with --check, say whether it is current."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

from torch.nn import Module

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from objectives.peers.rows import NAMES, Gap, Peer, Row  # noqa: E402 - after the path
from objectives.peers.table import PEERS  # noqa: E402

PAGE = ROOT / "docs" / "reference" / "peers.md"
HEAD = """# Other libraries' classes in our words

<!-- Written by scripts/peers_page.py from tests/objectives/peers; do not edit. -->

Every row is a test: on random data in double precision the peer's own class, or a loop written from the paper where it
cannot be run, and our expression have the same loss and the same gradients, to a relative error of 1e-6 where the note
does not say otherwise (`tests/objectives/peers`). What stands in the column *ours* is the source that is tested.

An expression gives an objective, called as the column says, or a loss. `points` have labels; row i of `q` matches row i
of `k`; `owned` keys are seen by one query each, the first of them positive; other names are data that the row's note or
the tests explain. Besides names of `counterpoint`, `torch`, `math` and `F` (`torch.nn.functional`) it uses

```python
from counterpoint.geometry import Euclidean
from counterpoint.relation import Relation, same

labels = Relation(same("label"))
unit = Euclidean(normalized=True)
```
"""


def cell(text: str, *, code: bool = False) -> str:
    """Safe within a table."""
    text = text.replace("|", "\\|").replace("\n", " ")
    return f"`{text}`" if code and text else text


def called(row: Row) -> str:
    """How the objective is called, if the expression is one."""
    batch = row.batch(0)
    return batch.call if isinstance(eval(row.ours, {**NAMES, **batch.names}), Module) else ""


def table(entries: list[Row | Gap]) -> list[str]:
    lines = ["| theirs | ours | called with | tested against | note |", "|---|---|---|---|---|"]
    for entry in entries:
        if isinstance(entry, Gap):
            lines.append(f"| {cell(entry.name)} | none | | | {cell(entry.why)} |")
            continue
        cells = [cell(entry.name), cell(entry.ours, code=True), cell(called(entry), code=True)]
        lines.append("| " + " | ".join([*cells, cell(entry.against), cell(entry.note)]) + " |")
    return lines


def section(peer: Peer) -> str:
    lines = [f"## {peer.name} {peer.version}", ""]
    if peer.about:
        lines += [peer.about, ""]
    for title, entries in peer.tables.items():
        lines += [f"### {peer.name}: {title}", "", *table(entries), ""]
    return "\n".join(lines)


def counts() -> str:
    """Totals, peer by peer."""
    lines = [
        "| peer | classes | expressed | over our own nouns alone | by a class of ours for it | not expressed |",
        "|---|---|---|---|---|---|",
    ]
    totals = [0] * 5
    for peer in PEERS:
        entries = [e for rows in peer.tables.values() for e in rows]
        rows = [e for e in entries if isinstance(e, Row)]
        own = [r for r in rows if r.own]
        numbers = [
            len({e.name.split(" (")[0] for e in entries}),
            len(rows),
            len(rows) - len(own),
            len(own),
            len(entries) - len(rows),
        ]
        totals = [a + b for a, b in zip(totals, numbers, strict=True)]
        lines.append(f"| {peer.name} {peer.version} | " + " | ".join(map(str, numbers)) + " |")
    lines.append("| **all** | " + " | ".join(f"**{n}**" for n in totals) + " |")
    return "\n".join(lines)


def page() -> str:
    return "\n".join([HEAD, counts(), "", *(section(peer) for peer in PEERS)])


if __name__ == "__main__":
    if "--check" not in sys.argv:
        PAGE.write_text(inspect.cleandoc(page()) + "\n", "utf-8")
    elif not PAGE.exists() or PAGE.read_text("utf-8") != inspect.cleandoc(page()) + "\n":
        sys.exit("docs/reference/peers.md is not current; run: python scripts/peers_page.py")
