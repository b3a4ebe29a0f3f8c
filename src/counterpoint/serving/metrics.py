"""What Prometheus is told."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_TEXTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class Metrics:
    """Counts of one server.

    Examples:
        >>> metrics = Metrics()
        >>> metrics.done("/search", 200, 0.004)
        >>> b'counterpoint_requests_total{path="/search",status="200"} 1.0' in metrics.text()
        True
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "counterpoint_requests", "Requests by path and status.", ["path", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "counterpoint_request_seconds",
            "Time from a request's head to the end of its answer.",
            ["path"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._batches = Histogram(
            "counterpoint_batch_texts", "Texts encoded together.", buckets=_TEXTS, registry=self.registry
        )
        self._tokens = Counter("counterpoint_tokens", "Tokens encoded for embeddings.", registry=self.registry)

    def done(self, path: str, status: int, seconds: float) -> None:
        """A request was answered; `path` is one of the server's own, so that there are few."""
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def batch(self, texts: int) -> None:
        """So many texts were encoded together."""
        self._batches.observe(texts)

    def tokens(self, count: int) -> None:
        """So many tokens were encoded."""
        self._tokens.inc(count)

    def gauge(self, name: str, said: str, value: Callable[[], float]) -> None:
        """Something that is asked for whenever Prometheus asks."""
        Gauge(f"counterpoint_{name}", said, registry=self.registry).set_function(value)

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self.registry)
