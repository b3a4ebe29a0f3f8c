"""Pictures: a folder of files, an `.npz` file of arrays, or a set by name; alone or with their classes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from counterpoint.data.decoding import Decoded, Encoded, decode, is_picture
from counterpoint.data.items import Data, Items
from counterpoint.data.loaded import Loaded
from counterpoint.data.tables import FORMATS, suffix
from counterpoint.data.triples import PARTS
from counterpoint.data.types import Progress, Rejects
from counterpoint.errors import InputError

FIX = "give a folder of pictures, or one with one folder of pictures a class"
