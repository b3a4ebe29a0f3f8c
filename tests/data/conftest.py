from __future__ import annotations

from hypothesis import settings

# files are read in these tests, and a machine may be busy: no test is a timing
settings.register_profile("counterpoint", deadline=None)
settings.load_profile("counterpoint")
