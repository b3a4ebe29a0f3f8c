"""Testbeds: small, real data that raw input does not solve, each with a training and a test part."""

from counterpoint.testbeds.pictures import PICTURES, pictures

__all__ = ["PICTURES", "pictures"]
