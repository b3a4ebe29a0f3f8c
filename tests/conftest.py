"""Settings of all tests."""

from hypothesis import settings

# a shared machine is slow now and then; what is tested is what is computed, not when
settings.register_profile("counterpoint", deadline=None)
settings.load_profile("counterpoint")
