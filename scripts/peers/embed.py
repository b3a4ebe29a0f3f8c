"""Embed texts with the sentence-transformers of this environment: `embed.py JOB.json`.

The job is {"texts": [...], "models": {name: {"folder": ..., "prompt_name": ...}}, "out": folder}; each model gives
out/NAME.npy, or out/NAME.error with the reason.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from sentence_transformers import SentenceTransformer

job = json.loads(Path(sys.argv[1]).read_text())
for name, model in job["models"].items():
    out = Path(job["out"]) / name
    try:
        encoder = SentenceTransformer(model["folder"], device="cpu")
        prompt = model.get("prompt_name")
        np.save(out.with_suffix(".npy"), encoder.encode(job["texts"], prompt_name=prompt))
    except Exception as error:
        out.with_suffix(".error").write_text(f"{type(error).__name__}: {error}")
