"""Every row of the parity table: the peer's class and our expression give one loss and one gradient."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from objectives.peers.loading import installed
from objectives.peers.rows import check
from objectives.peers.table import PEERS

pytestmark = pytest.mark.filterwarnings("ignore")
ROWS = {f"{peer.name}: {row.name}": (peer, row) for peer in PEERS for row in peer.rows}


@pytest.mark.parametrize("name", ROWS)
def test_same_loss_and_gradient(name):
    peer, row = ROWS[name]
    # some references are loops, or part of a peer's class within another one
    there = not peer.package or installed(peer.package)
    if row.against == "their class" and not there:
        pytest.skip(f"{peer.name} is not installed")
    try:
        for seed in range(3):
            check(row, seed)
    except ModuleNotFoundError:
        if there:
            raise
        pytest.skip(f"{peer.name} is not installed")


def test_no_class_is_named_twice():
    assert len(ROWS) == sum(len(peer.rows) for peer in PEERS)


def test_the_page_is_current():
    script = Path(__file__).parents[3] / "scripts" / "peers_page.py"
    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
