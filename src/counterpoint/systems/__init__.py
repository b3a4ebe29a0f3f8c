"""The ledger of published systems: look one up, run it, measure what its paper claims."""

from counterpoint.systems.measuring import Outcome, Verdict, judged
from counterpoint.systems.registry import Claim, Registry, Signal, System, every, get, slug, system
from counterpoint.systems.running import run, verify

__all__ = [
    "Claim",
    "Outcome",
    "Registry",
    "Signal",
    "System",
    "Verdict",
    "every",
    "get",
    "judged",
    "run",
    "slug",
    "system",
    "verify",
]
