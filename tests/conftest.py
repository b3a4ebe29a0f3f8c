"""Settings of all tests."""

import numpy as np
import pytest
import torch
from hypothesis import settings

# a shared machine is slow now and then; what is tested is what is computed, not when
settings.register_profile("counterpoint", deadline=None)
settings.load_profile("counterpoint")
# some warnings come once a process, and whom they hit would depend on the order of the tests
torch.set_warn_always(True)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Every test begins with the same state of the global generators, whichever tests ran before it.

    What is published takes its generator; tests draw their inputs from the global one, and must not pass by luck.
    """
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002 - what scikit-learn draws from
