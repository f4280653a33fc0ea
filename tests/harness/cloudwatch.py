"""CloudWatch, as far as the module needs it: log lines become metrics, and metrics move alarms."""

import json
import logging
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from awslambdaric.lambda_runtime_log_utils import JsonFormatter

# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html
_LANGUAGE_OF_QUERIES = {"fields", "filter", "sort", "stats", "by", "as", "desc", "like", "count", "pct", "max", "bin"}
_STATISTICS: Mapping[str, Callable[[Sequence[float]], float]] = {"Sum": sum, "Maximum": max}
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
}


class Metric(NamedTuple):
    """What tells a metric from all others."""

    namespace: str
    name: str
    dimensions: frozenset[tuple[str, str]]


class Alarm(NamedTuple):
    """A metric alarm on one statistic; `missing` is what its treat_missing_data says."""

    metric: Metric
    statistic: str
    comparison: str
    threshold: float
    periods: int
    missing: str

    def state(self, periods: Sequence[Sequence[float]]) -> str:
        """The state after the values of the latest periods.

        https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
        """
        assert len(periods) == self.periods
        return "ALARM" if all(self._breaches(values) for values in periods) else "OK"

    def _breaches(self, values: Sequence[float]) -> bool:
        if not values:
            return {"breaching": True, "notBreaching": False}[self.missing]
        return _COMPARISONS[self.comparison](_STATISTICS[self.statistic](values), self.threshold)


@contextmanager
def log_lines() -> Iterator[list[str]]:
    """What Lambda writes into the log meanwhile, line by line."""
    lines: list[str] = []
    handler = _Collector(lines)
    logger = logging.getLogger()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield lines
    logger.setLevel(level)
    logger.removeHandler(handler)


def values(lines: Iterable[str], metric: Metric) -> list[float]:
    """The values of a metric that CloudWatch takes from log lines.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    return [value for line in lines for one, value in _metrics(json.loads(line)) if one == metric]


def metrics(lines: Iterable[str]) -> set[Metric]:
    """All metrics that CloudWatch takes from log lines."""
    return {metric for line in lines for metric, _ in _metrics(json.loads(line))}


def unknown_words(query: str, lines: Iterable[str]) -> set[str]:
    """What a query of Logs Insights asks for, but the lines do not have."""
    known = {"@timestamp", "@message"} | {field for line in lines for field in json.loads(line)}
    made = set(re.findall(r" as (\w+)", query))
    words = re.sub(r'/.*/|"[^"]*"|\b\d+\w?\b', "", query)
    return set(re.findall(r"@?\w+", words)) - known - made - _LANGUAGE_OF_QUERIES


def _metrics(line: Mapping[str, Any]) -> Iterator[tuple[Metric, float]]:
    for directive in line.get("_aws", {}).get("CloudWatchMetrics", ()):
        for names in directive["Dimensions"]:
            dimensions = frozenset((name, line[name]) for name in names)
            for metric in directive["Metrics"]:
                yield Metric(directive["Namespace"], metric["Name"], dimensions), line[metric["Name"]]


class _Collector(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self._lines = lines
        self.setFormatter(JsonFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(self.format(record).strip())
