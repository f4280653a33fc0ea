"""Order: whatever the order, batching and repetition of pushes, and whatever crashes, one service has one end.

The core alone, on a service that is made up of texts. All sequences are explored at once: what is known and what runs
are a state, and there are few of them, because what is known is a join. What they must end in is worked out below from
the text of the design, by nothing of the core that decides.
"""

import os
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from functools import cache
from itertools import chain, combinations, count
from typing import Any, NamedTuple

from hypothesis import example, given, settings
from hypothesis import strategies as st

from ecr_deploy import reconcile
from ecr_deploy.core import desires, items, memory, order_by, planner, revisions, versions
from ecr_deploy.core.desires import Desire
from ecr_deploy.core.fleet import Deployment, Family, Member, Service, Target
from ecr_deploy.core.gates import Approval, Facts, Gates
from ecr_deploy.core.images import Repository
from ecr_deploy.core.memory import Memory
from ecr_deploy.core.pushes import Push
from ecr_deploy.core.records import LONG_AGO, Record
from ecr_deploy.core.revisions import Revision
from ecr_deploy.core.rollouts import Rollout, State
from ecr_deploy.core.rules import Rule, Rules
from ecr_deploy.core.settings import Settings

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
ACCOUNT = "123456789012"
APP = Repository(ACCOUNT, "eu-west-1", "app")
HOST = f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/app"
TARGET = Target("prod", "web")
ARN = f"arn:aws:ecs:eu-west-1:{ACCOUNT}:"
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
# The service began with an image that was pushed an hour before; all events arrive at five past, the gates open at one.
PUSHED = NOON - timedelta(hours=1)
ARRIVAL = NOON + timedelta(minutes=5)
OPENING = NOON + timedelta(hours=1)
BUILDS = order_by.parse("main-([0-9]+)", "number")

S, A, B, C = (f"sha256:{number:064x}" for number in range(4))


class News(NamedTuple):
    """A push, or a request for it, at a minute past noon; a forced request is made at that minute."""

    tag: str
    digest: str
    minute: int
    kind: str = "event"

    @property
    def at(self) -> datetime:
        return NOON + timedelta(minutes=self.minute)

    @property
    def push(self) -> Push:
        origin: Any = "event" if self.kind == "event" else "request"
        return Push(Record(APP, self.tag, self.digest, self.at), "1", origin, force=self.kind == "forced")


class Case(NamedTuple):
    """What a service runs, which rules reach it, what is pushed, which images never start, and how images are written.

    `start` holds the image of each container, as the part behind the repository's name; `known` is the tag under which
    ECR knows the image that they run, if it knows it.
    """

    rules: tuple[Rule, ...]
    start: tuple[str, ...]
    known: str | None
    news: tuple[News, ...]
    broken: frozenset[str] = frozenset()
    reference: Any = "tag"

    @property
    def containers(self) -> tuple[str, ...]:
        return ("web", "php")[: len(self.start)]

    @property
    def registry(self) -> dict[str, str]:
        """Which image each tag stands for, once all has been pushed."""
        held = {self.known: S} if self.known else {}
        pushes = sorted((one.minute, one.digest, one.tag) for one in self.news)
        return held | {tag: digest for _, digest, tag in pushes}

    def tagged(self) -> list[Record]:
        """All that ECR says, with the time at which each image was first pushed."""
        first = {S: PUSHED} if self.known else {}
        for one in sorted(self.news, key=lambda one: one.minute):
            first.setdefault(one.digest, one.at)
        return [Record(APP, tag, digest, first[digest]) for tag, digest in self.registry.items()]

    def settings(self, now: datetime) -> Settings:
        closed = {"freeze": "13:00"} if now < OPENING else {}
        values: dict[str, Any] = dict.fromkeys(Settings._fields)
        values |= {
            "rules": Rules(self.rules).given(Facts(now, closed)),
            "image_reference": self.reference,
            "base_revision": "latest",
            "enabled_tag_key": "ecr-deploy:enabled",
        }
        return Settings(**values)


# What must come of it, by the design.


class Place(NamedTuple):
    """Where a push stands: `rank` is 0 below the floor, 1 for the forced image, 2 for all others."""

    rank: int
    is_version: bool = False
    key: tuple[Any, ...] = ()
    at: datetime = LONG_AGO
    digest: str = ""


class End(NamedTuple):
    """The image that a container ends on, and its place; None for the image that nobody knows by its digest."""

    digest: str
    place: Place


def lets(rule: Rule, tag: str, container: str) -> bool:
    """Whether a rule lets a tag into a container."""
    return (
        any(fnmatchcase(tag, glob) for glob in rule.tags)
        and not any(fnmatchcase(tag, glob) for glob in rule.exclude_tags)
        and (rule.semver is None or rule.semver.admits(tag))
        and (rule.order_by is None or rule.order_by.key(tag) is not None)
        and any(fnmatchcase(container, glob) for glob in rule.containers)
    )


def is_open(rule: Rule, at: datetime, now: datetime) -> bool:
    """Whether a rule's gates are open for what was pushed at a time."""
    return (now >= OPENING or not rule.gates.change_calendars) and at + rule.gates.minimum_image_age <= now


def place_in(case: Case, tag: str, at: datetime, digest: str, floor: News | None) -> Place:
    """The place of one push in the total order."""
    if floor and at <= floor.at:
        return Place(1) if digest == floor.digest else Place(0)
    key: tuple[Any, ...] = ()
    if all(rule.semver for rule in case.rules):
        version = versions.of(tag)
        key = (version,) if version else ()
    elif all(rule.order_by for rule in case.rules):
        number = BUILDS.key(tag)
        key = () if number is None else (number,)
    return Place(2, tag != "latest", key, at, digest)


def runs_at_start(case: Case, text: str) -> tuple[str | None, str | None, datetime]:
    """Tag, digest and time of what a container began with, as far as anybody can say."""
    held = case.registry
    if text.startswith("@"):
        tags = [tag for tag, digest in held.items() if digest == S]
        known = case.known and tags
        return (max(tags, key=lambda tag: (tag != "latest", tag)), S, PUSHED) if known else (None, S, LONG_AGO)
    tag = text.removeprefix(":") or "latest"
    return (tag, S, PUSHED) if case.known and held.get(tag) == S else (tag, None, LONG_AGO)


def expected(case: Case, container: str, now: datetime) -> End:
    """The end of one container: the greatest push that rules let in, whose gates are open, or what it began with."""
    tag, digest, at = runs_at_start(case, case.start[case.containers.index(container)])
    allowing = {one: [rule for rule in case.rules if lets(rule, one.tag, container)] for one in case.news}
    forced = [one for one in case.news if one.kind == "forced" and allowing[one]]
    floor = max(forced, key=lambda one: (one.at, one.tag, one.digest), default=None)
    ends = [End(digest or S, place_in(case, tag or "", at, digest or "", floor))]
    for one in case.news:
        is_passed = any(is_open(rule, one.at, now) for rule in allowing[one])
        is_taken = one.tag != "latest" or tag == "latest"
        if is_passed and is_taken and one.digest not in case.broken and (one.kind != "forced" or one == floor):
            ends.append(End(one.digest, place_in(case, one.tag, one.at, one.digest, floor)))
    # A tag that was moved to another image is none of this one's any more, for all that ECR says.
    if (
        case.known
        and case.registry[case.known] == digest
        and any(is_open(rule, at, now) for rule in case.rules if lets(rule, case.known, container))
    ):
        ends.append(End(digest, place_in(case, case.known, at, digest, floor)))
    end = max(ends, key=lambda end: end.place)
    return end if end.place.digest or end.place.rank < 2 else End(end.digest, Place(2))


# The service, and what is done to it.


class Running(NamedTuple):
    """What a service runs: the texts of its images and the images behind them, by the so manieth deployment of them."""

    texts: tuple[str, ...]
    digests: tuple[str, ...]
    number: int = 0

    @property
    def deployment(self) -> str:
        return f"ecs-svc/{hash(self)}"

    def apart_from(self, ids: Collection[str]) -> "Running":
        """The same by a deployment that is not among those."""
        return next(running for number in count() if (running := self._replace(number=number)).deployment not in ids)


class World(NamedTuple):
    """A state: what is known of the service, what it runs, what it would fall back to, what else is registered."""

    known: Memory
    running: Running
    before: Running | None = None
    spare: tuple[str, ...] | None = None

    def key(self) -> object:
        known = self.known
        written = sorted(
            (name, times, desire.floor, sorted(desire.rejections.items()))
            for desire in known.desires.values()
            for name, times in desire.pushes.items()
        )
        floors = [(desire.floor, sorted(desire.rejections.items())) for desire in known.desires.values()]
        texts = (repr(written), repr(floors), repr(sorted(known.images.items())), repr(known.start))
        return texts, repr(known.rollouts), self.running, self.before, self.spare


@cache
def revision(texts: tuple[str, ...], number: int = 1) -> Revision:
    definitions = [{"name": name, "image": text} for name, text in zip(("web", "php"), texts, strict=False)]
    arn = f"{ARN}task-definition/web:{number}"
    return revisions.read(
        {
            "taskDefinition": {
                "taskDefinitionArn": arn,
                "family": "web",
                "revision": number,
                "containerDefinitions": definitions,
            }
        }
    )


def texts_of(request: Any) -> tuple[str, ...]:
    return tuple(one["image"] for one in request["containerDefinitions"])


class Explorer:
    """Everything that can happen to the service of a case, at one moment."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.tagged = case.tagged()

    def member(self, world: World) -> Member:
        running = world.running
        # A number that tells revisions apart, whatever the way to them.
        arn_number = 1 if running.texts == self.first().running.texts else 2 + hash(running.texts) % 10**6
        runs = revision(running.texts, arn_number)
        began = NOON if world.before is None else OPENING
        deployment = Deployment(running.deployment, runs.arn, "PRIMARY", "COMPLETED", None, began)
        service = Service("prod", "web", f"{ARN}service/prod/web", runs.arn, deployments=(deployment,))
        return Member(service, runs)

    def first(self) -> World:
        texts = tuple(f"{HOST}{text}" for text in self.case.start)
        return World(Memory(), Running(texts, (S,) * len(texts)))

    def read(self, world: World, news: Sequence[Push], now: datetime) -> tuple[Member, Memory]:
        """What the fleet reader does: settle, and ask ECR of what nobody recorded."""
        member = self.member(world)
        known = memory.settle(world.known, member)
        unknown = [one for one in member.running.containers if not memory.is_known(one, known)]
        if not unknown:
            return member, known
        named = {one.digest or one.tag for one in unknown}
        digests = {one.digest for one in self.tagged if {one.digest, one.tag} & named}
        found = [one for one in self.tagged if one.digest in digests]
        return member, memory.adopt(known, member, [APP], found, [one.record for one in news], now)

    def deliver(self, world: World, news: Sequence[Push], now: datetime, stop: str = "") -> World:
        """Deliver a batch; `stop` says before which of the calls the function dies."""
        member, known = self.read(world, news, now)
        high = member.running.number + 1
        newest = revision(world.spare, high) if world.spare else member.running
        family = Family(member.running, (member,), (newest,))
        plan = planner.plan(news, family, {TARGET: known}, self.case.settings(now), {})
        known = plan.memories[TARGET]
        if not plan.steps:
            return world._replace(known=known)
        [step] = plan.steps
        self.check(world.running, known, step)
        if stop == "register":
            return world._replace(known=known)
        texts = texts_of(step.request)
        if stop == "update":
            return world._replace(known=known, spare=None if step.force else texts)
        if world.spare == texts:
            assert step.revision == newest
        assert known.start
        digests = dict(zip(self.case.containers, world.running.digests, strict=True))
        digests |= {name: image.digest or "" for name, image in known.start.images.items()}
        ids = {world.running.deployment, *(rollout.id for rollout in known.rollouts)}
        running = Running(texts, tuple(digests.values())).apart_from(ids)
        begun = World(known, running, world.before if self.is_broken(world) else world.running)
        if stop == "record":
            return begun
        after = self.member(begun)
        done = memory.finished(known, after, after.running.arn, running.deployment)
        assert memory.finished(done, after, after.running.arn, running.deployment) == done
        assert memory.settle(known, after) == done
        return self.live(begun._replace(known=done))

    def live(self, world: World) -> World:
        """Let the watch find out that a rollout is live, if it is."""
        newest = world.known.rollout
        if newest is None or self.is_broken(world):
            return world
        return world._replace(known=world.known.with_rollout(newest._replace(state=State.LIVE)))

    def check(self, running: Running, known: Memory, step: planner.Step) -> None:
        """Never a step for an image that runs already, but that a version takes a container off `latest`."""
        assert known.start
        before = dict(zip(self.case.containers, zip(running.texts, running.digests, strict=True), strict=True))
        after = dict(zip(self.case.containers, texts_of(step.request), strict=True))
        held = {(one.tag, one.digest) for one in self.case.news} | {(one.tag, one.digest) for one in self.tagged}
        assert known.start.images
        for name, text in after.items():
            old_text, old_digest = before[name]
            image = known.start.images.get(name)
            if image is None:
                assert text == old_text
                continue
            assert (image.tag, image.digest) in held
            is_requested = any(one.kind == "request" and one.digest == image.digest for one in self.case.news)
            assert is_requested or image.digest not in known.desires[APP].rejections
            assert text == f"{HOST}{written(image.tag, image.digest, self.case.reference)}"
            is_unknown = known.images[name].text == old_text and known.images[name].digest is None
            leaves = known.images[name].tag == "latest" != image.tag and text != old_text
            assert image.digest != old_digest or is_unknown or leaves

    def turn(self, world: World, now: datetime) -> World:
        """Take the schedule's turn."""
        member, known = self.read(world, [], now)
        rules = self.case.settings(now).rules
        known_of = {TARGET: known}
        found = reconcile.remembered([member], known_of, rules, "turn")
        lost = reconcile.missing([member], known_of, {APP: self.tagged}, rules, "turn")
        # Of a tag that was moved to an older image, ECR does not say when.
        found += [one for one in lost if one.record.pushed_at < now]
        return self.deliver(world._replace(known=known), found, now) if found else world._replace(known=known)

    def is_broken(self, world: World) -> bool:
        return any(digest in self.case.broken for digest in world.running.digests)

    def fail(self, world: World, now: datetime) -> World:
        """Let the circuit breaker roll the service back, and the watch find it out."""
        assert world.before
        newest = memory.settle(world.known, self.member(world)).rollout
        assert newest
        assert newest.state is State.STARTED
        known = memory.settle(world.known, self.member(world))
        ended = known.with_rollout(newest._replace(state=State.ROLLED_BACK, since=now))
        back = World(ended, world.before, world.before)
        return back._replace(known=memory.rolled_back(ended, newest, self.member(back).running, now))


def written(tag: str | None, digest: str | None, reference: str) -> str:
    return {"tag": f":{tag}", "digest": f"@{digest}", "tag+digest": f":{tag}@{digest}"}[reference]


def end_of(case: Case, world: World, now: datetime) -> list[End]:
    """What runs, and its recorded place, of which the rules and gates of now are the judge."""
    ends = []
    desire = world.known.desires.get(APP, Desire())
    for name, text, digest in zip(case.containers, world.running.texts, world.running.digests, strict=True):
        image = world.known.images[name]
        assert image.text == text
        assert image.digest in {digest, None}
        floor = desire.floor and News(desire.floor.tag, desire.floor.digest, 0)._replace(
            minute=int((desire.floor.at - NOON).total_seconds() / 60), kind="forced"
        )
        if floor and not any(lets(rule, floor.tag, name) for rule in case.rules):
            floor = None
        places = [place_in(case, image.tag or "", image.pushed_at, image.digest or "", floor)]
        for one, times in desire.pushes.items():
            passed = (is_open(rule, times.pushed_at, now) and lets(rule, one.tag, name) for rule in case.rules)
            if one.digest == image.digest and any(passed):
                places.append(place_in(case, one.tag, times.pushed_at, one.digest, floor))
        # A place counts only for an image that is known.
        ends.append(End(digest, max(places) if image.digest else Place(2)))
    return ends


def batches(case: Case) -> list[tuple[News, ...]]:
    """All ways to take pushes together; a forced request comes alone, because somebody invokes the function with it."""
    together = [one for one in case.news if one.kind != "forced"]
    sizes = range(1, len(together) + 1) if len(together) < 5 else (1, 2, 5)
    some = chain.from_iterable(combinations(together, size) for size in sizes)
    return [*some, *((one,) for one in case.news if one.kind == "forced")]


_MOST_STATES = 100_000 if NIGHTLY else 2_000


def explore(case: Case, stops: Sequence[str] = ()) -> int:
    """Walk through all states that a service can come to; gives how many there are."""
    explorer = Explorer(case)
    everything = frozenset(case.news)
    seen: dict[object, None] = {}
    ahead = [(explorer.first(), frozenset[News](), ARRIVAL)]
    ends = {now: [expected(case, name, now) for name in case.containers] for now in (ARRIVAL, OPENING)}
    gates = any(rule.gates.change_calendars or rule.gates.minimum_image_age for rule in case.rules)
    # ECR does not say when a tag came, or left: until all is old enough, it depends on whom one asks.
    ages = any(rule.gates.minimum_image_age for rule in case.rules)
    while ahead:
        world, delivered, now = ahead.pop()
        key = (world.key(), delivered, now)
        if key in seen:
            continue
        seen[key] = None
        # A few cases have more states than a machine can hold; what was seen of them has been judged.
        if len(seen) > _MOST_STATES:
            break
        if explorer.is_broken(world):
            ahead.append((explorer.fail(world, now), delivered, now))
        turned = explorer.turn(world, now)
        if delivered == everything:
            is_settled = not explorer.is_broken(world) and world.known.start is None
            if is_settled and not explorer.is_broken(turned) and not (ages and now == ARRIVAL):
                assert end_of(case, turned, now) == ends[now], (case, now, turned)
            assert explorer.turn(turned, now).key() == turned.key() or explorer.is_broken(turned)
        ahead.append((turned, delivered, now))
        if now == ARRIVAL and gates:
            ahead.append((world, delivered, OPENING))
        for batch in batches(case):
            news = [one.push for one in batch]
            moment = batch[0].at if batch[0].kind == "forced" and now == ARRIVAL else now
            after = explorer.deliver(world, news, moment)
            ahead.append((after, delivered.union(batch), now))
            ahead += [(explorer.deliver(world, news, moment, stop), delivered, now) for stop in stops]
    return len(seen)


TAGS = ["latest", "v1.0.0", "v1.1.0", "v2.0.0", "main-1", "main-2", "main-10", "stable"]
_ranges = st.sampled_from(["^1", ">=1.0.0", "*"]).map(versions.parse_range)
_globs = st.sampled_from([("*",), ("v*",), ("main-*",), ("latest",), ("latest", "main-*"), ("v1*", "stable")])
_gates = st.sampled_from([((), 0), ((), 0), ((), 0), (("freeze",), 0), ((), 3)])


@st.composite
def _rules(draw: st.DrawFn) -> tuple[Rule, ...]:
    kind = draw(st.sampled_from(["tags", "semver", "order_by", "mixed"]))
    rules = []
    for _ in range(draw(st.integers(1, 3))):
        own = draw(st.sampled_from(["tags", "semver", "order_by"])) if kind == "mixed" else kind
        calendars, age = draw(_gates)
        rules.append(
            Rule(
                registries=(ACCOUNT,),
                tags=draw(_globs) if own == "tags" else ("*",),
                exclude_tags=draw(st.sampled_from([(), (), ("v2*",), ("latest",)])),
                semver=draw(_ranges) if own == "semver" else None,
                order_by=BUILDS if own == "order_by" else None,
                containers=draw(st.sampled_from([("*",), ("*",), ("*",), ("web",), ("php",)])),
                gates=Gates(calendars, timedelta(minutes=age)),
            )
        )
    return tuple(rules)


@st.composite
def cases(draw: st.DrawFn, most: int = 5) -> Case:
    rules = draw(_rules())
    start = tuple(
        draw(
            st.lists(st.sampled_from(["", ":latest", ":v1.0.0", ":main-1", ":hotfix", f"@{S}"]), min_size=1, max_size=2)
        )
    )
    named = [text.removeprefix(":") or "latest" for text in start if not text.startswith("@")]
    known = draw(
        st.sampled_from(
            [None, *(tag for tag in named if tag != "hotfix"), *(["v1.0.0", "main-1"] if not named else [])]
        )
    )
    no_gates = not any(rule.gates.change_calendars or rule.gates.minimum_image_age for rule in rules)
    ages = any(rule.gates.minimum_image_age for rule in rules)
    one_pool = all(rule.containers == ("*",) for rule in rules)
    news = draw(
        st.lists(
            st.builds(
                News,
                st.sampled_from(TAGS),
                st.sampled_from([S, A, A, B, B, C] if known else [A, A, B, B, C]),
                st.integers(1, 4),
                st.just("event"),
            ),
            min_size=2,
            max_size=most,
            # The age of what was pushed again under its tag counts anew: until it is old enough, the order decides.
            unique_by=(lambda one: one[:2]) if ages else (lambda one: one),
        )
    )
    if ages:
        # Of an image that gets a further tag later, ECR says when it was pushed, and the event when the tag came: until
        # both are old enough, it depends on whom one asks.
        first = {one.digest: one.minute for one in sorted(news, key=lambda one: one.minute, reverse=True)}
        news = [one._replace(minute=first[one.digest]) for one in news]
    # ECR takes no image twice under one tag, and can't say of one that left a tag and came back that it did.
    news = [one for one in news if (one.digest, one.tag) not in {(S, tag) for tag in (*named, known)}]
    broken: set[str] = set()
    special = draw(st.sampled_from(["", "", "forced", "broken", "request"]))
    if special == "forced" and no_gates:
        # Whether a container runs `latest` is a question of what runs, not of the order.
        news = [one for one in news if one.tag != "latest"]
        tag = draw(st.sampled_from([tag for tag in TAGS if tag != "latest"]))
        news.append(News(tag, draw(st.sampled_from([A, B])), draw(st.integers(1, 4)), "forced"))
    elif special == "broken" and one_pool:
        broken = {draw(st.sampled_from([A, B, C]))}
    elif special == "request":
        news = [news[0]._replace(kind="request"), *news[1:]] if news else []
    reference = draw(st.sampled_from(["tag", "tag", "digest", "tag+digest"]))
    return Case(rules, start, known, tuple(news[:most]), frozenset(broken), reference)


ANYTHING = Rule((ACCOUNT,))
# ECR knows a version for what one container runs; nobody pushed it, so that the other stays on `latest`.
FURTHER_TAG = Case((ANYTHING,), (":v1.0.0", ":latest"), "v1.0.0", (News("latest", A, 1),))
# An image of two programs has the place of each tag only where that may go.
TWO_PROGRAMS = Case(
    (Rule((ACCOUNT,), tags=("v*",), containers=("web",)), Rule((ACCOUNT,), tags=("main-*",), containers=("php",))),
    (":v1.0.0", ":main-1"),
    None,
    (News("v1.1.0", A, 1), News("main-10", A, 4), News("v2.0.0", B, 3)),
)
# A tag that waits gives no place to the image that runs under another.
HELD_TAG = Case(
    (Rule((ACCOUNT,), tags=("v*",), gates=Gates(("freeze",))), Rule((ACCOUNT,), tags=("main-*",))),
    (":main-1",),
    "main-1",
    (News("main-2", A, 1), News("v2.0.0", A, 4), News("main-10", B, 3)),
)
# ECR knows what runs by a tag that has been moved to an image that does not start.
MOVED_TAG = Case((ANYTHING,), (f"@{S}",), "v1.0.0", (News("latest", S, 1), News("v1.0.0", C, 1)), frozenset({C}))
# What was rolled back does not come back, and what it superseded does.
BROKEN = Case((ANYTHING,), (":v1.0.0",), "v1.0.0", (News("v1.1.0", A, 1), News("v2.0.0", B, 2)), frozenset({B}))
# One tag is moved to and fro, so that deployments of the same image follow each other.
LATEST = News("latest", A, 1)
TO_AND_FRO = Case((ANYTHING,), ("",), None, (LATEST, News("latest", A, 2), News("latest", B, 1)), frozenset({A}))
BACK_AGAIN = Case((ANYTHING,), ("",), None, (News("v1.0.0", A, 1), *TO_AND_FRO.news[1:]), frozenset({A}))
# Of two rollouts in a row, ECS goes back behind both, to a tag that stands for something else by now.
BEHIND_BOTH = Case(
    (ANYTHING,), ("", ":v1.0.0"), None, (News("latest", B, 1), News("v1.0.0", B, 1)), frozenset({B}), "digest"
)


@settings(max_examples=5000 if NIGHTLY else 300, deadline=None)
@given(cases())
@example(FURTHER_TAG)
@example(TWO_PROGRAMS)
@example(HELD_TAG)
@example(MOVED_TAG)
@example(BROKEN)
@example(TO_AND_FRO)
@example(BACK_AGAIN)
@example(BEHIND_BOTH)
def test_all_orders_end_alike(case: Case) -> None:
    explore(case)


@settings(max_examples=1000 if NIGHTLY else 100, deadline=None)
@given(cases(most=3))
def test_all_orders_end_alike_whatever_crashes(case: Case) -> None:
    explore(case, stops=("register", "update", "record"))


_moments = st.integers(0, 90).map(lambda minutes: NOON + timedelta(minutes=minutes, milliseconds=minutes * 7))
_tags = st.sampled_from(TAGS)
_digests = st.sampled_from([S, A, B, C])
_records = st.builds(Record, st.just(APP), _tags, _digests, _moments)
_images = st.builds(
    memory.Image,
    st.sampled_from([f"{HOST}:v1.0.0", f"{HOST}@{A}", "busybox"]),
    st.none() | _tags,
    st.none() | _digests,
    _moments | st.just(LONG_AGO),
)
_names = st.sampled_from(["web", "php"])
_people = st.none() | st.text()
_arns = st.integers(1, 3).map(lambda number: f"{ARN}task-definition/web:{number}")
_starts = st.builds(
    memory.Start,
    _moments,
    _arns,
    _arns,
    st.none() | st.just("ecs-svc/1"),
    st.dictionaries(_names, _images),
    st.lists(_records, max_size=2).map(tuple),
    _people,
)
_rollouts = st.builds(
    Rollout,
    st.sampled_from(["", "ecs-svc/1"]),
    _arns,
    _arns,
    st.lists(_records, max_size=2).map(tuple),
    st.dictionaries(_names, st.text()),
    st.sampled_from(State),
    _moments,
    _moments,
    _people,
    _people,
)
_desires = st.builds(
    Desire,
    st.dictionaries(
        st.builds(desires.Name, _tags, _digests), st.builds(desires.Times, _moments, _moments | st.just(LONG_AGO))
    ),
    st.none() | st.builds(desires.Floor, _moments, _tags, _digests),
    st.dictionaries(_digests, st.builds(desires.Rejection, _moments, _tags)),
    _moments | st.just(LONG_AGO),
    st.dictionaries(_digests, st.builds(Approval, _moments, st.text())),
)
_repositories = st.sampled_from([APP, Repository(ACCOUNT, "eu-west-1", "team/app")])
_memories = st.builds(
    Memory,
    st.dictionaries(_repositories, _desires),
    st.dictionaries(_names, _images),
    st.none() | _starts,
    st.lists(_rollouts, max_size=3).map(tuple),
    live=st.dictionaries(_digests, _moments),
)
_members = st.builds(
    lambda texts, number, deployment, began: Member(
        Service(
            "prod",
            "web",
            f"{ARN}service/prod/web",
            f"{ARN}task-definition/web:{number}",
            deployments=(Deployment(deployment, "", "PRIMARY", "COMPLETED", None, began),),
        ),
        revision(tuple(f"{HOST}{text}" for text in texts), number),
    ),
    st.lists(st.sampled_from(["", ":v1.0.0", f"@{A}"]), min_size=1, max_size=2),
    st.integers(1, 3),
    st.sampled_from(["ecs-svc/1", "ecs-svc/2"]),
    _moments,
)


@given(_memories)
def test_the_table_gives_back_what_was_remembered(known: Memory) -> None:
    assert items.from_text(items.to_text(known)) == known


@given(_memories, _members)
def test_what_is_settled_or_finished_stays_so(known: Memory, member: Member) -> None:
    settled = memory.settle(known, member)
    assert memory.settle(settled, member) == settled
    finished = memory.finished(known, member, member.running.arn, "ecs-svc/2")
    assert finished.start is None
    assert memory.finished(finished, member, member.running.arn, "ecs-svc/3") == finished


@given(_memories, _members, st.lists(_records, max_size=3), st.lists(_records, max_size=2), _moments, _moments)
def test_what_runs_is_adopted_once(  # noqa: PLR0913, PLR0917 - all that adopt depends on
    known: Memory, member: Member, found: list[Record], news: list[Record], now: datetime, later: datetime
) -> None:
    adopted = memory.adopt(known, member, [APP], found, news, now)
    assert all(memory.is_known(container, adopted) for container in member.running.containers)
    assert memory.adopt(adopted, member, [APP], found, news, later) == adopted
    assert {name: image for name, image in adopted.images.items() if known.images.get(name) == image} == {
        name: image
        for name, image in known.images.items()
        if (container := member.running.container(name)) is None or container.image == image.text
    }
