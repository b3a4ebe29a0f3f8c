"""Every head and procedure, and whatever else stands in the loop: what the guarantee test runs of them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import nn

import guarantee_texts
from counterpoint.data import Example
from counterpoint.data.items import Data, Items
from counterpoint.data.rows import rows_of
from counterpoint.encoders import StaticEncoder
from counterpoint.encoders.crossing import CrossEncoder, KernelCrossEncoder, Readers
from counterpoint.encoders.crossing_transformer import TransformerCrossEncoder
from counterpoint.encoders.sparse import SparseAutoencoder
from counterpoint.engine import all_reduce_gradients
from counterpoint.geometry import Dot, Gated, MaxSim, Parts
from counterpoint.heads import (
    AlsoGiven,
    AlsoStopped,
    Gaussian,
    GroupWhitening,
    Halves,
    MeanContext,
    NonNegative,
    PerView,
    Predictions,
    Reweight,
    Several,
    Unit,
    projection,
)
from counterpoint.objectives import (
    MGDA,
    Adversary,
    Alignment,
    Apart,
    AutoEncoding,
    BoundedMargin,
    ContrastiveImitation,
    DistillKL,
    FeatureImitation,
    HedgedMatch,
    InfoNCE,
    InTurn,
    InversePropensity,
    LambdaMRR,
    Lengths,
    ListMLE,
    Logits,
    Matching,
    Matryoshka,
    Mined,
    Objective,
    Only,
    OrderImitation,
    Pairs,
    Part,
    PointRegression,
    RankImitation,
    ScoredInfoNCE,
    SetContrast,
    SoftContrastive,
    SparseReconstruction,
    StandardNormal,
    SumBy,
    SupCon,
    TopicELBO,
    Triplet,
    Uniformity,
    WeightedErrors,
    below_the_guide,
)
from counterpoint.procedures import (
    Again,
    AgainstClasses,
    AgainstColumn,
    AgainstItself,
    AgainstStart,
    AgainstTable,
    AlsoPassages,
    AlsoQueries,
    ByTask,
    Call,
    Chain,
    ClassVectors,
    ClusteredNeighbours,
    ClusterNegatives,
    Composed,
    Coupled,
    CrossView,
    CutDomains,
    DetectReplaced,
    Discourse,
    DistanceFromStart,
    EmulatedLists,
    EveryPair,
    Forget,
    Futures,
    Guided,
    InSets,
    InterpolateNegatives,
    KeysKnow,
    LabelledKeys,
    Lists,
    MeanOfBlocks,
    MixHardPairs,
    MixNegatives,
    MixPositives,
    MixTargets,
    MomentumQueue,
    NoiseNegatives,
    OneDomain,
    OrderedLists,
    OwnGuide,
    PairFeatures,
    PairGates,
    PairsOfViews,
    Predictor,
    Procedure,
    Prototypes,
    Queue,
    Rebuild,
    RestOfViews,
    SampledAttention,
    SeveralItems,
    SeveralVectors,
    SpanLists,
    SparseCodes,
    Teacher,
    TokenTask,
    TurnedViews,
    TwoKinds,
    Verbalizer,
)
from counterpoint.relation import Relation, mined, near, own_mined, portion, same, share
from counterpoint.training import TrainConfig
from counterpoint.training._processes import Processes
from counterpoint.training.lists import CrossLists, CrossPairs, lists
from counterpoint.training.loop import _backward
from counterpoint.training.payload import Batches, Payload
from counterpoint.training.rows import RowBatches

WIDTH, OUT, BATCH = 6, 5, 11
BY_CLASS = Relation(same("label"))


def plain() -> nn.Module:
    return nn.Sequential(nn.Linear(WIDTH, 8), nn.Tanh(), nn.Linear(8, 4))


def sequences() -> nn.Module:
    """Three steps of eight numbers."""
    return nn.Sequential(nn.Linear(WIDTH, 8), nn.Tanh(), nn.Linear(8, 24), nn.Unflatten(1, (3, 8)))


def sets() -> nn.Module:
    """Three sets of two vectors."""
    return nn.Sequential(*list(sequences())[:-1], nn.Unflatten(1, (3, 2, 4)))


@dataclass(frozen=True)
class Case:
    """An encoder, a head and what stands behind them.

    Of what the rows are, `rows` says: views of items alone, or "pairs", "sampled" (each with drawn negatives), "shared"
    (all that there are as keys), "parts" (two positives each), "tuples" of two positives and two negatives, "edited"
    texts, "two views" of texts, "tasks" (pairs of two kinds), or
    "scored" pairs.
    """

    objective: Callable[[], Objective]
    head: Callable[[], nn.Module] = nn.Identity
    procedure: Callable[[], Procedure] | None = None
    rows: int | str = "pairs"
    encoder: Callable[[], nn.Module] = plain


def both() -> nn.Module:
    """BatchNorm within and at the end."""
    return projection(4, hidden=(7,), out=OUT, norm=nn.BatchNorm1d, last=lambda: nn.BatchNorm1d(OUT, affine=False))


class Centred(nn.Module):
    """Statistics of a batch that no BatchNorm layer says it has."""

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return z - z.median(0).values


class Twice(nn.Module):
    """What an encoder says, and something else that follows from it."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = self.encoder(x)
        return torch.stack([z, z.flip(1)], 1)


class WithoutNoise(Gaussian):
    """Whose sample is its mean."""

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return super().forward(z)[:, [1, 1, 2]]


class Drawn(Procedure):
    """Remembers a random number."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("drawn", torch.zeros(()))

    def change(self, call: Call) -> Call:
        self.drawn.copy_(torch.rand(()))
        return call


class FirstDrawn(RowBatches):
    """What is drawn for an anchor is always the first item, however many processes draw."""

    def payload(self, rows: torch.Tensor, among: torch.Tensor | None = None) -> Payload:
        with patch("torch.randint", lambda _most, size: torch.zeros(size, dtype=torch.long)):
            return super().payload(rows, among)


class Fixed(Procedure):
    """The same random numbers however it is executed, so that what is made of them can be compared."""

    def __init__(self, procedure: Procedure) -> None:
        super().__init__()
        self.procedure = procedure
        self.start, self.finish_step = procedure.start, procedure.finish_step

    def forward(self, calls: list[Call], again: Again) -> list[Call]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(3)
            return self.procedure(calls, again)


def predictor(*before: Procedure) -> Procedure:
    return Chain(*before, Predictor(projection(OUT, hidden=(3,), norm=nn.BatchNorm1d)))


def crossing() -> CrossEncoder:
    return KernelCrossEncoder(StaticEncoder.from_corpus([t for e in LISTS for t in e.texts], dim=4, prompts={}))


def two_readers() -> CrossEncoder:
    first, second = crossing(), crossing()
    with torch.no_grad():
        second.kernels.add_(0.3)
    return Readers(first, second)


def reading_both() -> CrossEncoder:
    return TransformerCrossEncoder.of(guarantee_texts.reading())


DROPOUT = "dropout"
"""Whose random numbers are others in another order of rows."""
DRAWN = "drawn"
LISTS = [
    Example(f"a {c} thing {n}", (f"{c} {n} is here",), (f"no {c}", "nothing")[: 1 + n % 2])
    for n in range(8)
    for c in ("red", "blue", "pink")
][: 2 * BATCH]
CASES = {
    # heads
    "views together": Case(lambda: InfoNCE(0.3, layout="views"), both),
    "view by view": Case(lambda: InfoNCE(0.3, layout="views"), lambda: PerView(both())),
    "three views": Case(lambda: InfoNCE(0.3, layout="views"), lambda: PerView(both()), rows=3),
    "no BatchNorm layer": Case(lambda: InfoNCE(0.3), lambda: nn.Sequential(nn.Linear(4, OUT), Centred())),
    DROPOUT: Case(
        lambda: InfoNCE(0.3), lambda: nn.Sequential(nn.Linear(4, OUT), nn.Dropout(0.5), nn.BatchNorm1d(OUT))
    ),
    "side by side": Case(
        lambda: Matryoshka(InfoNCE(0.3), (12, 5)),
        lambda: Several(
            Halves(nn.Linear(2, 3), nn.Linear(2, 2)),
            Reweight(4, kappa=1.5),
            nn.Sequential(nn.Linear(4, 3), NonNegative(smooth=True), Unit()),
        ),
    ),
    "also stopped": Case(lambda: InfoNCE(0.3, geometry=Parts(0, 1)), lambda: AlsoStopped(both())),
    "mean of steps": Case(lambda: InfoNCE(0.3), lambda: MeanContext(4), rows=2, encoder=sequences),
    "clouds": Case(
        lambda: SoftContrastive(geometry=HedgedMatch(0)) + StandardNormal(), lambda: nn.Linear(4, 6)
    ),
    # procedures
    "stopped, predicted": Case(Alignment, lambda: PerView(both()), lambda: predictor(Teacher(0.0))),
    "teacher, predicted": Case(Alignment, lambda: PerView(both()), lambda: predictor(Teacher(0.9))),
    "teacher, queue": Case(
        lambda: InfoNCE(0.3), both, lambda: Chain(Teacher(0.9, symmetric=False), Queue(15, OUT, in_batch=True))
    ),
    "queue": Case(lambda: InfoNCE(0.3), procedure=lambda: Queue(15, 4)),
    "momentum queue": Case(
        lambda: InfoNCE(0.3), both, lambda: MomentumQueue(15, OUT)
    ),
    "two kinds": Case(lambda: InfoNCE(0.3), both, lambda: TwoKinds(15, OUT), rows=4),
    "cross view": Case(
        lambda: DistillKL(0.3, guide_temperature=0.2), lambda: AlsoGiven(nn.Linear(4, 4)), lambda: CrossView(15, 4)
    ),
    DRAWN: Case(lambda: InfoNCE(0.3), procedure=Drawn),
    "itself": Case(
        lambda: InfoNCE(0.3, geometry=Parts(1, 2)), lambda: Gaussian(4, 3), AgainstItself, rows=1
    ),
    "given": Case(
        lambda: InfoNCE(0.3),
        lambda: nn.Linear(4, 2),
        lambda: Chain(AgainstColumn("pixels"), Queue(15, 2, in_batch=True)),
        rows=1,
    ),
    "decoded": Case(
        lambda: AutoEncoding(nn.Linear(3, 2), "pixels"), lambda: WithoutNoise(4, 3), AgainstItself, rows=1
    ),
    "adversary": Case(lambda: Adversary(2.0), lambda: nn.Linear(4, 3), AgainstItself, rows=1),
    "topics in sets": Case(
        lambda: TopicELBO(nn.Linear(3, 2), "pixels") + 10 * SetContrast(0.5), lambda: WithoutNoise(4, 3),
        lambda: InSets(4), rows="tuples",
    ),
    "balanced": Case(lambda: MGDA(InfoNCE(0.3), Uniformity()), both, rows=2),
    "classes": Case(
        lambda: InfoNCE(1.0, geometry=Dot(), relation=BY_CLASS), procedure=lambda: AgainstClasses(4), rows=2
    ),
    "table": Case(
        lambda: InfoNCE(1.0, geometry=Dot(), relation=BY_CLASS),
        procedure=lambda: AgainstTable(lambda encoder: encoder[2].weight.T), rows=2,
    ),
    "its start": Case(
        lambda: Part(InfoNCE(0.3), 0, -1) + 0.1 * Part(Lengths(), -1),
        procedure=lambda: Chain(AgainstStart(Twice, nn.Linear(4, 3)), DistanceFromStart()),
        rows=1,
    ),
    "one of its start": Case(
        lambda: InfoNCE(0.3), procedure=lambda: AgainstStart(Twice, drawn=True), rows=1
    ),
    "verbalizer": Case(
        lambda: InTurn(Part(SupCon(0.3), 0, -4) + Only("view", 0, Part(Logits(4), -4))),
        lambda: Several(nn.Linear(4, 3), nn.Identity()),
        lambda: Verbalizer(lambda encoder: encoder[2].weight.T[:4]), rows=2,
    ),
    "class vectors": Case(lambda: InfoNCE(0.3, relation=BY_CLASS), procedure=lambda: ClassVectors(6, 4), rows=2),
    "keys that know": Case(
        lambda: ScoredInfoNCE(0.3, layout="symmetric"), both, lambda: KeysKnow(["score"]), rows="scored"
    ),
    "labelled keys": Case(
        lambda: SupCon(0.3, layout="views", relation=BY_CLASS), both, LabelledKeys, rows="tuples"
    ),
    "futures": Case(
        lambda: InfoNCE(0.3), lambda: Predictions(4, 4, steps=2), Futures, rows=1, encoder=sequences
    ),
    "guided": Case(
        lambda: Mined(InfoNCE(0.3, geometry=Dot()), below_the_guide()), procedure=Guided,
    ),
    "blocks": Case(Triplet, procedure=MeanOfBlocks, rows="tuples"),
    "rest of views": Case(lambda: InfoNCE(0.3), procedure=RestOfViews, rows=3),
    "several items": Case(lambda: InfoNCE(0.3, layout="views"), procedure=SeveralItems, rows=4),
    "several vectors": Case(
        lambda: SupCon(0.3), procedure=lambda: SeveralVectors("parts"), encoder=sequences,
    ),
    "late interaction": Case(lambda: InfoNCE(0.3, geometry=MaxSim()), rows="tuples", encoder=sequences),
    "lists of spans": Case(
        lambda: DistillKL(0.5, geometry=MaxSim()), procedure=SpanLists, rows="tuples", encoder=sets
    ),
    "pairs of views": Case(lambda: InfoNCE(0.3), procedure=PairsOfViews, rows=3),
    "pairs with the first": Case(lambda: InfoNCE(0.3), procedure=lambda: PairsOfViews(first=True), rows=3),
    # one group is the same however its dimensions are shuffled
    "whitened": Case(lambda: InfoNCE(0.3), lambda: PerView(GroupWhitening(4), both())),
    "turned views": Case(
        lambda: InfoNCE(0.3, layout="views"), procedure=lambda: TurnedViews("alike"), rows=4
    ),
    "composed": Case(
        lambda: InfoNCE(0.3),
        procedure=lambda: Composed(2, "halves", then=projection(4, hidden=(3,), norm=nn.BatchNorm1d)), rows="parts",
    ),
    "some of them": Case(lambda: Only("label", 1, InfoNCE(0.3))),
    "summed by class": Case(lambda: SumBy("label", InfoNCE(0.3))),
    "sparse": Case(
        lambda: SparseReconstruction() + InfoNCE(0.3, geometry=Parts(0, 0)),
        procedure=lambda: SparseCodes(12, wide=2, revived=3, patience=1),
        encoder=lambda: SparseAutoencoder(WIDTH, 12, k=2),
    ),
    "sparse, one side": Case(
        lambda: SparseReconstruction() + InfoNCE(0.3, layout="views", geometry=Parts(0, 0)),
        procedure=lambda: SparseCodes(12, wide=2, revived=3, patience=1),
        rows=1,
        encoder=lambda: SparseAutoencoder(WIDTH, 12, k=2),
    ),
    "forgotten": Case(lambda: InfoNCE(0.3), procedure=lambda: Forget("input", "partner")),
    "lists": Case(
        lambda: Apart("owned", DistillKL(0.5)) + 0.2 * Apart("keys", InfoNCE(0.3)), procedure=Lists, rows="tuples"
    ),
    "emulated lists": Case(
        lambda: ContrastiveImitation(geometry=Dot(), relation=Relation(ignored=share("easy") | share("batch")))
        + RankImitation(geometry=Dot(), relation=Relation(ignored=share("easy")))
        + OrderImitation(geometry=Dot(), relation=Relation(share("hard"), share("positive"), share("easy")))
        + FeatureImitation(column="likenesses"),
        procedure=lambda: Chain(Lists(), EmulatedLists(nn.Sequential(nn.Linear(8, 3), nn.Tanh(), nn.Linear(3, 1)), 1)),
        rows="tuples",
    ),
    "lists by ranks": Case(lambda: Apart("owned", LambdaMRR()), procedure=Lists, rows="tuples"),
    "ordered lists": Case(lambda: ListMLE(0.3), procedure=OrderedLists, rows=1),
    "also passages": Case(
        lambda: Only("term", 0, InfoNCE(0.3)) + 0.1 * Only("term", 1, InfoNCE(0.3, relation=Relation(negative=mined))),
        procedure=AlsoPassages, rows="tuples",
    ),
    "also queries": Case(
        lambda: InfoNCE(0.3, relation=Relation(negative=~mined & ~same("sample") | own_mined | share("asked"))),
        procedure=AlsoQueries, rows="tuples",
    ),
    "own guide": Case(
        lambda: InfoNCE(0.3, relation=Relation(ignored=near("guide", 0.5) & ~same("sample"))), procedure=OwnGuide,
        rows="tuples",
    ),
    "one domain": Case(
        lambda: InfoNCE(0.3, relation=BY_CLASS), procedure=lambda: OneDomain("domain", 2), rows=2
    ),
    "domains cut": Case(lambda: Matching("mixture"), procedure=lambda: CutDomains("domain"), rows=2),
    "gates": Case(
        lambda: InfoNCE(0.3, geometry=Gated(), relation=PairGates.relation),
        procedure=lambda: PairGates(4, 4, width=5), rows=2,
    ),
    "pair features": Case(
        lambda: Logits(4), procedure=lambda: PairFeatures(projection(16, hidden=(3,), out=4, norm=nn.BatchNorm1d))
    ),
    "every pair": Case(
        lambda: Logits(1, Pairs(2.0, over="terms", geometry=Dot()) + Pairs(None, -2.0, over="terms", geometry=Dot()),
            column="apart"),
        procedure=lambda: EveryPair(projection(16, hidden=(3,), out=1)), rows="tuples",
    ),
    "by task": Case(
        lambda: InfoNCE(0.3, geometry=Dot(), relation=Relation(same("sample") | same("label"))),
        procedure=lambda: ByTask(
            Predictor(projection(4, hidden=(3,), norm=nn.BatchNorm1d), side="keys"),
            Chain(PairFeatures(projection(16, hidden=(3,), out=4, norm=nn.BatchNorm1d)), AgainstClasses(4)),
        ),
        rows="tasks",
    ),
    "discourse": Case(
        lambda: Discourse.objective(3, 4), procedure=lambda: Discourse(4, context=2, candidates=3, classes=4),
        rows="discourse",
    ),
    "portions of classes": Case(
        lambda: Logits(
            4, SupCon(1.0, layout="one-way", geometry=Dot(), relation=Relation(portion("portions"))), column="portions"
        ),
        lambda: nn.Linear(4, 4), rows=1,
    ),
    "neighbours": Case(
        lambda: InfoNCE(0.3), procedure=lambda: ClusteredNeighbours(15, 4, clusters=3, k=2), rows=2
    ),
    "clusters": Case(
        lambda: InfoNCE(0.3) + BoundedMargin(relation=ClusterNegatives.mates),
        procedure=lambda: ClusterNegatives(4, 4, start=1.0, rate=0.3), rows=2,
    ),
    "prototypes": Case(lambda: InfoNCE(0.3, relation=BY_CLASS), procedure=lambda: Prototypes(2), rows=2),
    "tokens beside": Case(
        lambda: TokenTask.beside(InfoNCE(0.3), 0.5), lambda: nn.Linear(4, 4),
        lambda: DetectReplaced(4), rows="edited", encoder=guarantee_texts.reading,
    ),
    "rebuilt": Case(
        lambda: TokenTask.beside(InfoNCE(0.3), 0.5), lambda: nn.Linear(4, 4),
        lambda: Rebuild(4, layers=1, hidden=0.5), rows="edited", encoder=guarantee_texts.reading,
    ),
    "attention beside": Case(
        lambda: SampledAttention.beside(InfoNCE(0.3), 0.5), lambda: Halves(nn.Linear(4, 3), nn.Identity(), at=4),
        lambda: SampledAttention(20), rows="two views", encoder=guarantee_texts.attending,
    ),
    "errors beside": Case(
        lambda: Part(InfoNCE(0.3), 0, -8) + Part(WeightedErrors(), -8), rows="two views",
        encoder=guarantee_texts.telling,
    ),
    "noise": Case(lambda: InfoNCE(0.3), procedure=lambda: NoiseNegatives(0.5, rate=0.3), rows=2),
    "negatives mixed": Case(lambda: InfoNCE(0.3), procedure=lambda: Chain(Queue(15, 4), MixNegatives(5, 3, 2))),
    "moved apart": Case(
        lambda: InfoNCE(0.3), procedure=lambda: Chain(MixPositives(each="batch"), MixPositives(each="pair"))
    ),
    "queue mixed": Case(
        lambda: InfoNCE(0.3),
        procedure=lambda: Chain(Queue(15, 4, in_batch=True), InterpolateNegatives(each="dimension")),
    ),
    "hard pairs": Case(
        lambda: SupCon(0.3), procedure=lambda: MixHardPairs(projection(4, hidden=(3,), norm=nn.BatchNorm1d)), rows=2
    ),
    "targets mixed": Case(
        lambda: SupCon(0.3, relation=BY_CLASS, geometry=Dot()), procedure=lambda: MixTargets("age"), rows=2
    ),
    # batches of other keys, and an encoder that makes no vectors
    "sampled": Case(Triplet, rows="sampled"),
    "shared": Case(lambda: InfoNCE(0.3), rows="shared"),
    "crossing": Case(lambda: InfoNCE(1.0, geometry=Dot()), encoder=crossing),
    "crossing, taught": Case(lambda: DistillKL(1.0, geometry=Dot()), encoder=crossing, rows="taught"),
    "crossing, coupled": Case(lambda: InversePropensity(2.0), procedure=Coupled, encoder=two_readers),
    "crossing, pair by pair": Case(PointRegression, encoder=crossing, rows="scored"),
    "read together": Case(lambda: InfoNCE(1.0, geometry=Dot()), encoder=reading_both),
    "read together, pair by pair": Case(
        lambda: Pairs(0.0, 0.0, shape=F.softplus, geometry=Dot()), encoder=reading_both
    ),
    "read together, margin": Case(lambda: Triplet(1.0, geometry=Dot()), encoder=reading_both),
}  # fmt: skip


def batches(case: Case, encoder: nn.Module, dtype: torch.dtype) -> Batches:
    """Vectors with all that may be known of them, the same whoever asks for them."""
    if isinstance(encoder, CrossEncoder):
        if case.rows == "scored":
            scored = [replace(e, negatives=(), score=len(e.anchor) / 10) for e in LISTS]
            return CrossPairs(rows_of(scored), encoder)
        data = rows_of(LISTS)
        if case.rows == "taught":
            data = replace(data, columns={"teacher": (lists(data) * 1.7).sin().to(dtype)})
        return CrossLists(data, encoder)
    if case.rows == "edited":
        return guarantee_texts.edited(encoder)
    if case.rows == "two views":
        return guarantee_texts.two_views(encoder)
    n = 2 * BATCH
    generator = torch.Generator().manual_seed(1)
    first, second = (Items("vector", torch.randn(n, WIDTH, generator=generator).to(dtype)) for _ in range(2))
    rows = torch.arange(n)
    columns = {"label": rows * 7 % 4, "domain": rows * 5 % 3 // 2, "alike": rows % 3 - 1, "age": rows * 3.0 % 11}
    columns["pixels"] = torch.stack([rows % 2, rows % 3 / 2], 1)
    columns["parts"] = torch.stack([(rows + i) * 5 % 4 - i // 4 for i in range(6)], 1)
    columns["portions"] = torch.softmax(torch.stack([(rows * i).sin() for i in range(4)], 1).to(dtype), 1)
    columns |= {"list": rows % 2, "place": rows * 9 % n}
    columns["vector"] = torch.stack([rows % 5 - 2.0, rows.sin()], 1).to(dtype)
    if isinstance(case.rows, int):
        data = Data.alone(first, **columns)
        return RowBatches(data, encoder, views=case.rows, view=(None, *(partial(turned, view) for view in (1, 2, 3))))
    positives, negatives = rows[:, None], None
    if case.rows == "parts":
        second = Items("vector", torch.randn(2 * n, WIDTH, generator=generator).to(dtype))
        positives = torch.stack([rows, rows + n], 1)
    if case.rows == "discourse":
        positives = torch.stack([(rows + i) % n for i in range(4)], 1)
        positives[rows % 3 != 1, 1:] = -1
        columns |= {"task": rows % 3, "label": torch.where(rows % 3 == 2, rows * 7 % 4, rows * 5 % 2)}
    if case.rows == "scored":
        columns |= {"score": rows * 3 % 7 / 6}
    if case.rows == "tasks":
        columns |= {"task": rows * 5 % 3 // 2, "label": torch.where(rows * 5 % 3 == 2, rows * 7 % 4, -1)}
    if case.rows == "tuples":
        positives, negatives = (torch.stack([(rows + a) % n, (rows + b) % n], 1) for a, b in ((0, 1), (5, 7)))
        teacher = torch.rand(n, 3, generator=generator)
        teacher[::3, 2] = torch.nan
        columns = {
            "listed": second.hashes()[torch.cat([rows[:, None], negatives], 1)],
            "teacher": teacher,
            "likenesses": torch.stack([rows.sin(), rows.cos(), rows.cos(), torch.nan / (rows % 3)], 1).view(n, 2, 2),
            "pixels": columns["pixels"],
            "label": columns["label"],
            "found": negatives * 5 % 4,
            "parts": torch.stack([teacher.sin(), teacher.nan_to_num() + 0.5], 2),
        }
    data = Data(first, rows, second, positives, negatives, columns)
    if case.rows == "sampled":
        return FirstDrawn(data, encoder, sampled=2)
    return RowBatches(data, encoder, shared=n if case.rows == "shared" else 0)


def turned(view: int, x: torch.Tensor) -> torch.Tensor:
    return 1.1 * x + x.roll(view, 1)


def run(
    case: Case, dtype: torch.dtype, processes: Processes, chunk: int = 1000, device: str = "cpu"
) -> dict[str, torch.Tensor]:
    """Two steps of the loop: losses, every gradient of both, and every buffer at the end, each in one vector."""
    torch.manual_seed(0)
    encoder = case.encoder().to(device, dtype)
    head, objective = case.head().to(device, dtype), case.objective().to(device, dtype)
    procedure = None if case.procedure is None else case.procedure().to(device, dtype)
    if procedure is not None and not isinstance(procedure, Drawn):
        procedure = Fixed(procedure)
    network = nn.Sequential(encoder, head)
    if procedure is not None:
        procedure.start(network)
    modules = [network, objective, *([] if procedure is None else [procedure])]
    parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
    config, data = TrainConfig(chunk_tokens=chunk, dtype="float32"), batches(case, encoder, dtype)
    losses, gradients = [], []
    for step in range(2):
        torch.manual_seed(step * processes.world + processes.rank)
        rows = torch.arange(step * BATCH, (step + 1) * BATCH)
        with patch.object(Processes, "current", lambda: processes):
            payload = data.payload(processes.share(rows), rows)
        loss, _ = _backward(network, procedure, objective, payload, config, nullcontext, processes)
        if processes.group is not None:
            all_reduce_gradients(parameters, processes.group)
        losses.append(loss)
        gradients += [torch.zeros_like(p).flatten() if p.grad is None else p.grad.flatten() for p in parameters]
        with torch.no_grad():
            for p in parameters:
                if p.grad is not None:
                    p -= 0.1 * p.grad
                p.grad = None
        if procedure is not None:
            procedure.finish_step()
    kept = [b.to(dtype).flatten() for m in modules for b in m.buffers()]
    return {
        "loss": torch.stack(losses),
        "gradients": torch.cat(gradients),
        "buffers": torch.cat(kept) if kept else torch.zeros(0),
    }
