"""The ledger of published systems: look one up, run it, measure what its paper claims."""

from counterpoint.systems.measuring import Outcome, Verdict, verify
from counterpoint.systems.registry import Claim, Registry, System, every, get, slug, system

__all__ = ["Claim", "Outcome", "Registry", "System", "Verdict", "every", "get", "slug", "system", "verify"]
