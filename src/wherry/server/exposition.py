"""The numbers as Prometheus reads them: made when it asks, in a registry of our own.

Format: Prometheus text format 0.0.4.
"""

import sys
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from wherry._version import __version__
from wherry.server.traffic import BUCKETS, Number, Traffic

__all__ = ["expose"]

_LABELS = ("endpoint", "method", "status")
_COUNTERS = (
    (Number.LOST_LINES, "wherry_access_log_lost_lines", "Lines of the access log that could not be written."),
    (Number.REVIEWS, "wherry_gc_reviews", "Things that the garbage collector has looked at."),
    (Number.MANIFESTS, "wherry_gc_manifests", "Manifests that it has removed."),
    (Number.LINKS, "wherry_gc_links", "Blobs that it has taken away from a repository."),
    (Number.BLOBS, "wherry_gc_blobs", "Blobs that it has removed for good."),
    (Number.BYTES, "wherry_gc_bytes", "Bytes of the blobs that it has removed for good."),
)


def expose(traffic: Traffic, *, open_uploads: int, ready: bool) -> bytes:
    """The answer to a scrape."""
    registry = CollectorRegistry()
    registry.register(_Collector(traffic, open_uploads, ready=ready))
    return generate_latest(registry)


class _Collector(Collector):
    def __init__(self, traffic: Traffic, open_uploads: int, *, ready: bool) -> None:
        self._traffic = traffic
        self._open_uploads = open_uploads
        self._ready = ready

    def collect(self) -> Iterator[Metric]:
        yield from self._requests()
        for number, name, text in _COUNTERS:
            yield CounterMetricFamily(name, text, value=self._traffic.total(number))
        uploading = self._traffic.total(Number.UPLOADING)
        yield GaugeMetricFamily("wherry_uploads_receiving", "Bodies of blobs that come in right now.", value=uploading)
        yield GaugeMetricFamily(
            "wherry_uploads_open", "Uploads that were begun and not ended.", value=self._open_uploads
        )
        yield GaugeMetricFamily("wherry_ready", "1 if the registry can serve, as /readyz says.", value=int(self._ready))
        build = GaugeMetricFamily("wherry_build_info", "Always 1.", labels=("version", "python"))
        build.add_metric((__version__, sys.version.partition(" ")[0]), 1)
        yield build

    def _requests(self) -> Iterator[Metric]:
        requests = CounterMetricFamily("wherry_http_requests", "Requests that were answered.", labels=_LABELS)
        received = CounterMetricFamily("wherry_http_received_bytes", "Bytes of their bodies.", labels=_LABELS)
        sent = CounterMetricFamily("wherry_http_sent_bytes", "Bytes of the answers' bodies.", labels=_LABELS)
        seconds = HistogramMetricFamily(
            "wherry_http_request_duration_seconds", "From a request's head to the start of its answer.", labels=_LABELS
        )
        for each in self._traffic.series():
            labels = (each.endpoint, each.method, each.status)
            requests.add_metric(labels, sum(each.counts))
            received.add_metric(labels, each.received)
            sent.add_metric(labels, each.sent)
            seconds.add_metric(labels, _cumulative(each.counts), each.seconds)
        yield from (requests, received, sent, seconds)


def _cumulative(counts: tuple[int, ...]) -> list[tuple[str, float]]:
    buckets: list[tuple[str, float]] = []
    so_far = 0
    for limit, count in zip((*map(str, BUCKETS), "+Inf"), counts, strict=True):
        so_far += count
        buckets.append((limit, so_far))
    return buckets
