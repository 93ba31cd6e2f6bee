"""Numbers for monitoring, in the form of Prometheus."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from host.engine.jobs.records import Job


class Metrics:
    """One server's numbers. ``count`` is an observer of jobs.

    Args:
        remaining: how many jobs are not done.
        clients: how many websockets are open.
    """

    def __init__(self, remaining: Callable[[], int], clients: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        self._ended = Counter("comfy_nodes_jobs", "Jobs that ended, by how.", ["state"], registry=self._registry)
        self._seconds = Histogram("comfy_nodes_job_seconds", "How long jobs ran.", registry=self._registry)
        gauges = (("jobs_unfinished", "Jobs that wait or run.", remaining), ("clients", "Open websockets.", clients))
        for name, meaning, read in gauges:
            Gauge(f"comfy_nodes_{name}", meaning, registry=self._registry).set_function(read)

    def count(self, job: Job) -> None:
        """Note that a job's state has changed."""
        if job.state.ended:
            self._ended.labels(job.state.value).inc()
        if job.seconds is not None:
            self._seconds.observe(job.seconds)

    def page(self) -> tuple[bytes, str]:
        """All numbers as text, and its content type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST
