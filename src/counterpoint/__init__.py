"""Counterpoint: contrastive representation learning, complete."""

__version__ = "0.1.0"
