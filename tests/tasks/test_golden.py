"""Figures of text tasks are what they were before tasks were of all modalities, to the last digit."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from counterpoint.data import Example
from counterpoint.data.rows import rows_of
from counterpoint.tasks import task_for

WORDS = [
    *("red", "green", "blue", "grey", "boat", "car", "lamp", "door", "tree", "road", "river", "stone", "paper"),
    *("bread", "glass", "horse", "cloud", "north", "winter", "market", "letter", "garden", "window", "silver"),
    *("summer", "valley", "engine", "island", "bottle", "candle", "forest", "ladder", "pepper", "rocket"),
    *("saddle", "tunnel"),
]


class Trigrams:
    """How often a text has each of 64 groups of trigrams."""

    def encode_items(self, items, *, kind=None):
        z = np.zeros((len(items), 64), np.float32)
        prompts = items.prompts or [""] * len(items)
        for i, text in enumerate(map("".join, zip(prompts, items.texts, strict=True))):
            for j in range(len(text) - 2):
                z[i, zlib.crc32(text[j : j + 3].encode()) % 64] += 1
        return z


def rows():
    """Titles of three words, and descriptions that have two of them among eight."""
    draw = np.random.default_rng(7).integers(0, len(WORDS), (450, 10))
    found = []
    for line in draw.tolist():
        title = [WORDS[i] for i in line[:3]]
        found.append((" ".join(title), " ".join(sorted([*title[:2], *(WORDS[i] for i in line[3:9])]))))
    return found


PAIRS = rows()
EXAMPLES = {
    "pairs": [Example(title, (text,)) for title, text in PAIRS],
    "prompted": [Example(title, (text,), prompt="find " * (i % 2)) for i, (title, text) in enumerate(PAIRS)],
    "tuples": [Example(title, (text, title[::-1]), ("red " + text,)) for title, text in PAIRS],
    "texts": [Example(text) for _, text in PAIRS],
    "scored": [
        Example(title, (PAIRS[(i + i % 3) % 450][1],), score=round((4.2, 1.1, 0.3)[i % 3] + len(title) % 7 / 10, 1))
        for i, (title, _) in enumerate(PAIRS)
    ],
    "labelled": [Example(text, label=title.split()[0][0]) for title, text in PAIRS],
    "sets": [Example(text, labels=tuple(sorted(set(title.split()) & set(WORDS[:8])))) for title, text in PAIRS],
}
# value and interval of each figure; of dev the value
GOLDEN = {
    "pairs": {
        "dev": (0.1785138888888889,),
        "trained mrr@10": (0.15587125220458553, 0.11478207671957673, 0.20148253968253962),
        "trained recall@1": (0.06666666666666667, 0.03333333333333333, 0.10666666666666667),
        "trained recall@10": (0.40444444444444444, 0.3244444444444444, 0.48444444444444446),
        "trained ndcg@10": (0.21380909953642208, 0.16758190920530375, 0.2640996384648449),
        "BM25 mrr@10": (0.1817261634466781, 0.14099383776040741, 0.22374753310019704),
        "BM25 recall@1": (0.07817460317460317, 0.04372222222222223, 0.11428571428571428),
        "BM25 recall@10": (0.5047730414181821, 0.4310483819320777, 0.5804931839497055),
        "BM25 ndcg@10": (0.2565863614668372, 0.20949676304081707, 0.30249867314758117),
        "textbook BM25 mrr@10": (0.1818573492543345, 0.14099030491275769, 0.22339404305785007),
        "textbook BM25 recall@1": (0.07817460317460317, 0.04372222222222223, 0.11428571428571428),
        "textbook BM25 recall@10": (0.5019999321744847, 0.4286246670209586, 0.5786200190882576),
        "textbook BM25 ndcg@10": (0.25603486764382166, 0.20883337287571604, 0.3024573966969439),
        "BM25 + trained mrr@10": (0.1863452380952381, 0.14362397486772488, 0.23067648809523805),
        "BM25 + trained recall@1": (0.07333333333333333, 0.03333333333333333, 0.12),
        "BM25 + trained recall@10": (0.53, 0.4499166666666668, 0.61),
        "BM25 + trained ndcg@10": (0.26591627263993334, 0.21822136654447893, 0.31453011984952434),
    },
    "prompted": {
        "dev": (0.18355753968253968,),
        "trained mrr@10": (0.15633994708994708, 0.11278769841269842, 0.20388458994708997),
        "trained recall@1": (0.08, 0.04, 0.12666666666666668),
        "trained recall@10": (0.38666666666666666, 0.3, 0.4666666666666667),
        "trained ndcg@10": (0.20956823475452557, 0.15992859521473005, 0.2599157118097245),
        "BM25 mrr@10": (0.1817261634466781, 0.14099383776040741, 0.22374753310019704),
        "BM25 recall@1": (0.07817460317460317, 0.04372222222222223, 0.11428571428571428),
        "BM25 recall@10": (0.5047730414181821, 0.4310483819320777, 0.5804931839497055),
        "BM25 ndcg@10": (0.2565863614668372, 0.20949676304081707, 0.30249867314758117),
        "textbook BM25 mrr@10": (0.1818573492543345, 0.14099030491275769, 0.22339404305785007),
        "textbook BM25 recall@1": (0.07817460317460317, 0.04372222222222223, 0.11428571428571428),
        "textbook BM25 recall@10": (0.5019999321744847, 0.4286246670209586, 0.5786200190882576),
        "textbook BM25 ndcg@10": (0.25603486764382166, 0.20883337287571604, 0.3024573966969439),
        "BM25 + trained mrr@10": (0.17341137566137566, 0.1313631283068783, 0.21634675925925922),
        "BM25 + trained recall@1": (0.06666666666666667, 0.03316666666666696, 0.10666666666666667),
        "BM25 + trained recall@10": (0.48, 0.3933333333333333, 0.56),
        "BM25 + trained ndcg@10": (0.24469920249979396, 0.19552644102457917, 0.2906569185400789),
    },
    "tuples": {
        "dev": (0.14223015873015873,),
        "trained mrr@10": (0.1238148148148148, 0.08554335317460318, 0.1656278108465608),
        "trained recall@1": (0.03, 0.013333333333333334, 0.05),
        "trained recall@10": (0.15666666666666668, 0.12, 0.19333333333333333),
        "trained ndcg@10": (0.10314117812486766, 0.07558732221919479, 0.1325515391810247),
        "BM25 mrr@10": (0.155110950398678, 0.11003718657138783, 0.19750058964326467),
        "BM25 recall@1": (0.04527777777777777, 0.025555555555555554, 0.065),
        "BM25 recall@10": (0.18220659324335794, 0.14599048653552332, 0.21824099370808928),
        "BM25 ndcg@10": (0.12474199155249915, 0.09500573771627237, 0.15454290513331656),
        "textbook BM25 mrr@10": (0.16077220156581154, 0.11476248589713664, 0.20592385652409104),
        "textbook BM25 recall@1": (0.0475, 0.02722222222222222, 0.06805555555555555),
        "textbook BM25 recall@10": (0.19070099100246157, 0.15487737087259146, 0.2275138674030218),
        "textbook BM25 ndcg@10": (0.12966782429379237, 0.09994297798838311, 0.15996191515999167),
        "BM25 + trained mrr@10": (0.14606084656084656, 0.10462440476190478, 0.19080529100529098),
        "BM25 + trained recall@1": (0.03333333333333333, 0.016666666666666666, 0.05333333333333334),
        "BM25 + trained recall@10": (0.19, 0.15, 0.23),
        "BM25 + trained ndcg@10": (0.1230437581489982, 0.094018662529232, 0.15234754845039192),
    },
    "texts": {
        "dev": (0.10145636256747367,),
        "trained mrr@10": (0.06824997336742303, 0.03760509880686056, 0.10174779615425586),
        "trained recall@1": (0.03355704697986577, 0.006711409395973154, 0.06040268456375839),
        "trained recall@10": (0.1476510067114094, 0.09395973154362416, 0.2080536912751678),
        "trained ndcg@10": (0.0872526696253321, 0.053247440328924096, 0.12530581300008428),
        "BM25 mrr@10": (0.057614602053220616, 0.03098127885363973, 0.08783272108670594),
        "BM25 recall@1": (0.030201342281879196, 0.006711409395973154, 0.05704697986577181),
        "BM25 recall@10": (0.14176236701404488, 0.0922328964380139, 0.19489730883396988),
        "BM25 ndcg@10": (0.07726393246831655, 0.04714223095533504, 0.11040624203696645),
        "textbook BM25 mrr@10": (0.057614602053220616, 0.03098127885363973, 0.08783272108670594),
        "textbook BM25 recall@1": (0.030201342281879196, 0.006711409395973154, 0.05704697986577181),
        "textbook BM25 recall@10": (0.14176236701404488, 0.0922328964380139, 0.19489730883396988),
        "textbook BM25 ndcg@10": (0.07726393246831655, 0.04714223095533504, 0.11040624203696645),
        "BM25 + trained mrr@10": (0.060589112602535425, 0.032792225950783, 0.09140846383296046),
        "BM25 + trained recall@1": (0.026845637583892617, 0.0, 0.053691275167785234),
        "BM25 + trained recall@10": (0.1476510067114094, 0.09395973154362416, 0.20151006711409303),
        "BM25 + trained ndcg@10": (0.08124656045625464, 0.0491961094695528, 0.11614565639596008),
    },
    "scored": {
        "dev": (0.5024965868461981,),
        "trained spearman": (0.6061674690381225, 0.48287452559501615, 0.698667520644642),
        "trained pearson": (0.678673256194592, 0.5831077991796628, 0.7539563502877339),
    },
    "labelled": {
        "dev": (0.22,),
        "trained knn accuracy": (0.17333333333333334, 0.11333333333333333, 0.23333333333333334),
        "trained probe accuracy": (0.17333333333333334, 0.11333333333333333, 0.23333333333333334),
    },
    "sets": {
        "dev": (0.03508771929824561,),
        "trained knn micro f1": (0.018867924528301886, 0.0, 0.06382978723404255),
        "trained knn macro f1": (0.011363636363636364, 0.0, 0.03409090909090909),
        "trained probe micro f1": (0.0, 0.0, 0.0),
        "trained probe macro f1": (0.0, 0.0, 0.0),
    },
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_figures_of_texts_are_what_they_were(name):
    train, dev, test = (rows_of(EXAMPLES[name][a:b]) for a, b in ((0, 200), (200, 300), (300, 450)))
    encoder = Trigrams()
    task = task_for(train, dev, test, encoder)
    trained, baselines = task.measure("trained", encoder), task.baselines()
    found = {"dev": (task.validate(encoder),)}
    for m in (trained, *baselines, *task.combined(baselines, trained)):
        found |= {
            f"{m.name} {what}": (f.value, f.interval.low, f.interval.high)
            for what, f in m.figures.items()
            if f.interval is not None
        }
    assert found.keys() == GOLDEN[name].keys()
    for what, values in GOLDEN[name].items():
        assert found[what] == pytest.approx(values, abs=1e-12), what
