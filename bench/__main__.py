"""Measures everything: python -m bench [SIZE …]."""

import json
import logging
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from math import log
from pathlib import Path
from statistics import mean, median
from typing import Any

from bench import function, memory, peers, picture, pushes, start
from bench.cases import LATENCY, Case
from bench.picture import Series
from bench.pushes import Measured
from tests.harness.road import Road, pushed
from tests.harness.strict_ecs import StrictEcs

HERE = Path(__file__).parent
SIZES = (1, 10, 100, 1000, 5000)
SKIPPED = 1000
_REPEATED_BELOW = 2.0
_REPETITIONS = 5
_SHORT = {
    "ListClusters": "LC",
    "DescribeClusters": "DC",
    "ListServices": "LS",
    "DescribeServices": "DS",
    "DescribeServiceRevisions": "SR",
    "ListTaskDefinitionFamilies": "LF",
    "DescribeTaskDefinition": "TD",
    "RegisterTaskDefinition": "R",
    "UpdateService": "U",
}


def main(sizes: Sequence[int]) -> None:
    """Measure, print and write."""
    # By its name the function tells its own revisions from those of another instance of the module.
    os.environ["AWS_LAMBDA_FUNCTION_NAME"] = "ecr-deploy"
    logging.getLogger("ecr_deploy").addHandler(logging.FileHandler(os.devnull))
    print(f"Machine: {_machine()}")
    print(f"Strict ECS double: {LATENCY * 1000:.0f} ms a call, the documented token buckets\n")
    print(", ".join(f"{short} {name}" for name, short in _SHORT.items()) + "\n")
    print("services families   hit                seconds     bound  ratio throttled  clock  calls")
    measured = [one for case in _cases(sizes) for one in _measure(case)]
    is_whole = tuple(sizes) == SIZES
    others = _measure_peers() if is_whole else []
    results: dict[str, Any] = {
        "machine": _machine(),
        "measured_at": datetime.now(UTC).isoformat(timespec="minutes"),
        "latency_seconds": LATENCY,
        "pushes": [one.as_json() for one in measured],
        "peers": others,
        "function": function.measure() if is_whole else {},
        "start": start.measure(),
        "memory_mib": memory.measure(tuple(size for size in memory.SIZES if size <= max(sizes))),
        "skipped_push_ms": _skip(),
    }
    results["exponents"] = _exponents(measured, results["memory_mib"])
    for name in ("start", "memory_mib", "skipped_push_ms", "exponents"):
        print(f"\n{name}: {json.dumps(results[name], indent=2)}")
    if is_whole:
        (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n")
        (HERE / "results.svg").write_text(_draw(measured, others))


def _cases(sizes: Sequence[int]) -> list[Case]:
    cases = {
        Case(size, hit, per_family): None
        for size in sizes
        for hit in (1, max(1, size // 10), size)
        for per_family in (1, 10)
        if per_family == 1 or (size > 1 and hit % per_family == 0)
    }
    cases.update({Case(1000, 1, service_revisions=False): None} if 1000 in sizes else {})  # noqa: PLR2004
    return list(cases)


def _measure(case: Case) -> tuple[Measured, Measured]:
    repeat = _REPETITIONS if case._replace(cold=True).bound < _REPEATED_BELOW else 1
    results = pushes.measure(case, repeat=repeat)
    for one in results:
        state = ("cold" if one.case.cold else "warm") + ("" if one.case.service_revisions else " no SR")
        calls = " ".join(f"{_SHORT[name]} {one.calls[name]}" for name in _SHORT if one.calls[name])
        fleet = f"{case.services:8,} {case.families:8,} {case.hit:5,}  {state:11}"
        ratio = f"{one.seconds:9.3f} {one.case.bound:9.3f} {one.ratio:6.3f}"
        print(f"{fleet} {ratio} {one.throttled:9} {one.clock_factor:5.1f}x  {calls}", flush=True)
    return results


def _measure_peers() -> list[dict[str, Any]]:
    """Each peer beside a cold function of ours, its start included, to the last UpdateService."""
    peers.install()
    ways = {"ecs-deploy": peers.ecs_deploy, "article of 2018": peers.article}
    compared = []
    for services, hit in ((100, 1), (100, 10), (1000, 10)):
        ours = function.pushes(services, hit=hit)
        for name, way in ways.items():
            other = way(services, hit)
            row = {
                "peer": name,
                "services": services,
                "hit": hit,
                "wall": round(other["wall"], 2),
                "cpu": round(other["cpu"], 2),
                "our_wall": round(ours["start"]["wall"] + ours["cold"]["wall"], 2),
                "our_cpu": round(ours["start"]["cpu"] + ours["cold"]["cpu"], 2),
            }
            print("peers", row, flush=True)
            compared.append(row)
    return compared


def _skip() -> float:
    """The milliseconds for a push that no rule lets in, warm."""
    road = Road(StrictEcs(), inputs={"rules": [{"exclude_tags": ["cache-*"]}]})
    seconds = []
    for number in range(SKIPPED):
        event = pushed(f"cache-{number}")
        begin = time.perf_counter()
        road.push(event)
        seconds.append(time.perf_counter() - begin)
    return round(median(seconds) * 1000, 3)


def _exponents(measured: Sequence[Measured], memory_mib: dict[int, float]) -> dict[str, dict[str, float]]:
    """How time and memory grow with the services, as a power; time beside how the bound does."""
    kinds: dict[str, Callable[[Case], bool]] = {
        "one hit, cold": lambda case: case.hit == 1 and case.cold,
        "one hit, warm": lambda case: case.hit == 1 and not case.cold,
        "all hit, cold": lambda case: case.hit == case.services and case.cold,
    }
    exponents = {}
    for name, is_kind in kinds.items():
        found = [one for one in measured if one.case.per_family == 1 and one.case.service_revisions]
        found = [one for one in found if is_kind(one.case)]
        if len({one.case.services for one in found}) > 1:
            exponents[name] = {
                "measured": _exponent([(one.case.services, one.seconds) for one in found]),
                "bound": _exponent([(one.case.services, one.case.bound) for one in found]),
            }
    # What small fleets need is lost in what differs from start to start.
    needed = [(size, mib) for size, mib in memory_mib.items() if mib >= 1]
    if len(needed) > 1:
        exponents["memory"] = {"measured": _exponent(needed)}
    return exponents


def _exponent(points: Sequence[tuple[float, float]]) -> float:
    """The slope of the straight line that fits the logarithms best."""
    xs, ys = [log(x) for x, _ in points], [log(y) for _, y in points]
    x_mean, y_mean = mean(xs), mean(ys)
    slope = sum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys, strict=True))
    return round(slope / sum((x - x_mean) ** 2 for x in xs), 2)


def _draw(measured: Sequence[Measured], others: Sequence[dict[str, Any]]) -> str:
    own = [one for one in measured if one.case.per_family == 1 and one.case.service_revisions]
    one_hit = [one for one in own if one.case.hit == 1]
    all_hit = [one for one in own if one.case.hit == one.case.services]
    panels = {
        "One service of the fleet runs the image": [*_series(one_hit)],
        "All services run it, each of its own family": [*_series(all_hit)],
    }
    for name in ("article of 2018", "ecs-deploy"):
        points = [(one["services"], one["wall"]) for one in others if one["peer"] == name and one["hit"] == 1]
        points += [(one["services"], one["wall"]) for one in others if one["peer"] == name and one["services"] > 100]  # noqa: PLR2004
        panels["One service of the fleet runs the image"].insert(2, Series(f"{name} (10 of 1,000)", points))
    return picture.draw(panels, f"{LATENCY * 1000:.0f} ms a call, ECS's token buckets; {_machine()}")


def _series(measured: Sequence[Measured]) -> list[Series]:
    series = [
        Series(f"ecr-deploy, {name}", [(one.case.services, one.seconds) for one in measured if one.case.cold is cold])
        for name, cold in (("cold", True), ("warm", False))
    ]
    bound = [(one.case.services, one.case.bound) for one in measured if not one.case.cold]
    return [*series, Series("lower bound, warm", bound)]


def _machine() -> str:
    models = [line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")]
    model = models[0] if models else platform.machine()
    return f"{os.cpu_count()} cores of {model}, Python {platform.python_version()}, {platform.system()}"


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or SIZES)
