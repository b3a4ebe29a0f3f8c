"""Settings of all tests."""

import torch
from hypothesis import settings

# a shared machine is slow now and then; what is tested is what is computed, not when
settings.register_profile("counterpoint", deadline=None)
settings.load_profile("counterpoint")
# some warnings come once a process, and whom they hit would depend on the order of the tests
torch.set_warn_always(True)
