"""The words of goals. Each phrase stands for one or more atoms; the longest phrase wins."""

from __future__ import annotations

from typing import Any

from netra.goals.atoms import Kind, Subject

Meaning = tuple[tuple[Kind, Any], ...]

K = Kind

#: (kind, value): the phrases that mean it.
# fmt: off
_ONE: list[tuple[Kind, Any, str]] = [
    (K.METRIC, "cost", """
        cost | costs | costing | spend | spending | spent | bill | bills | expense | expenses |
        expenditure | price | budget | money | pay | paying | invoice | llm bill | token cost |
        token costs | llm spend | llm cost | llm costs | inference cost | inference costs |
        token spend
    """),
    (K.METRIC, "latency", """
        latency | latencies | response time | response times | speed | duration | delay |
        time to last token | end-to-end latency | end to end latency | completion time |
        wait time | response latency
    """),
    (K.METRIC, "ttft", """
        ttft | time to first token | time-to-first-token | first token time |
        first-token latency | first token latency | time to the first token
    """),
    (K.METRIC, "quality", """
        quality | accuracy | answer quality | output quality | response quality | correctness |
        qualities
    """),
    (K.METRIC, "usage", """
        usage | traffic | load | volume | demand | requests | request volume | throughput |
        calls | request rate | number of requests | request count | usages
    """),
    (K.METRIC, "error_rate", """
        errors | error rate | error rates | failures | failure rate | error | failed requests
    """),
    (K.STAT, "p50", "p50 | median | 50th percentile | typical"),
    (K.STAT, "p95", "p95 | 95th percentile"),
    (K.STAT, "p99", "p99 | 99th percentile | tail"),
    (K.STAT, "mean", "mean | average | avg"),
    (K.LIMITS, None, """
        rate limits | rate limit | quota | quotas | rpm | tpm | limits | rate-limits |
        within our rate limits | within the rate limits | within rate limits
    """),
    (K.DOWN, "verb", """
        cut | cuts | cutting | reduce | reduces | reduced | reducing | reduction | decrease |
        decreases | decreased | decreasing | drop | drops | dropped | dropping | trim |
        trimming | slash | shrink | shave | minimize | minimise | minimizing | minimising |
        bring down | drive down | get down | fall | falls | fell | fallen | falling | go down |
        goes down | went down | lose | losing | loss | losses | decline | declines | declined |
        come down | sink | sinks | cut down | take down | push down | knock down | down | dip
    """),
    (K.DOWN, "adjective", """
        less | fewer | lower | lowered | lowering | smaller | minimal | shorten | shorter
    """),
    (K.UP, "verb", """
        raise | raises | raised | raising | rise | rises | rose | risen | rising | increase |
        increases | increased | increasing | go up | goes up | went up | going up | gain |
        climb | climbs | climbed | up | maximize | maximise | jump | jumps | scale up | boost |
        surge | add | adding
    """),
    (K.UP, "growth", "grow | grows | grew | grown | growing | growth"),
    (K.UP, "adjective", "more | higher | extra | additional | bigger | larger | greater"),
    (K.IMPROVE, None, """
        improve | improves | improved | improving | improvement | better | enhance
    """),
    (K.OPTIMIZE, None, "optimize | optimise | optimizing | optimising | tune | streamline"),
    (K.WORSEN, None, """
        worse | worsen | worsens | worsened | worsening | hurt | hurts | hurting | harm |
        harming | degrade | degrades | degraded | degrading | degradation | sacrifice |
        sacrificing | compromise | compromising | regress | regression | regressing | suffer |
        suffers | suffering | deteriorate | affect | affecting | impact | impacting | touching
    """),
    (K.CHANGE, None, "change | changes | changed | changing"),
    (K.SCALE, 0.5, "halve | halves | halved | halving"),
    (K.SCALE, 2.0, "double | doubles | doubled | doubling"),
    (K.SCALE, 3.0, "triple | triples | tripled | tripling | treble"),
    (K.SCALE, 4.0, "quadruple | quadruples | quadrupled"),
    (K.COMPARATIVE, ("cost", "down"), """
        cheaper | cheap | save | saves | saving | savings | less expensive | save money |
        save us money | save us | saves us | saves us money | inexpensive | less costly |
        economise | economize
    """),
    (K.COMPARATIVE, ("cost", "up"), """
        expensive | more expensive | dearer | costlier | costly | pricier | more costly
    """),
    (K.COMPARATIVE, ("latency", "down"), """
        faster | fast | quicker | quick | quickly | speed up | speeding up | speed-up | speedup |
        speedier | sped up | accelerate | snappier | more responsive | less slow
    """),
    (K.COMPARATIVE, ("latency", "up"), """
        slower | slow | slow down | slowing down | slows down | slowdown | longer | more slowly
    """),
    (K.TO, None, "to | down to"),
    (K.MAX, None, """
        under | below | less than | lower than | at most | no more than | not more than | up to |
        max | maximum | not exceed | no higher than | not above | not over | no greater than |
        smaller than | fewer than | < | <= | ≤ | cap | capped | capped at | limited to | cap at |
        limit | no larger than | beneath | not to exceed | at the most | upper bound |
        upper limit | a maximum of | or less | or below | or under | or lower | or fewer |
        or faster
    """),
    (K.MAX, "latency", """
        within | may take | can take | is allowed to take | must take | take | takes |
        respond in | responds in | answer in | answers in | finish in | finishes in |
        no longer than | not longer than | no slower than | not slower than | faster than |
        quicker than | may take up to | can take up to | may need | respond | may take at most |
        can take at most | respond within | answer within | finish within | respond under |
        should take | allowed to take | has to answer in | may last | may take as long as |
        return in | return within | complete within | complete in | take at most |
        take less than | take under | take no more than | take no longer than | take up to |
        not take longer than | not take more than | never take longer than | never take more than
    """),
    (K.MAX, "cost", "may cost | can cost | no more expensive than | not more expensive than"),
    (K.MIN, None, """
        above | at least | over | more than | higher than | no less than | not less than |
        no lower than | not below | not under | exceed | exceeds | exceeding | minimum | min |
        > | >= | ≥ | no fewer than | not lower than | not drop below | not fall below |
        a minimum of | or more | or above | or higher | or over | beyond | greater than
    """),
    (K.KEEP, None, """
        keep | keeps | keeping | kept | maintain | maintains | maintaining | maintained | hold |
        holding | held | preserve | preserving | preserved | retain | retaining | stay | stays |
        staying | stayed | remain | remains | remaining | remained | equal | same | unchanged |
        constant | steady | flat | stable | identical | protect | protecting | equivalent |
        as good as | same or better | the same or better | equal or better | unaltered | intact |
        comparable
    """),
    (K.NOT, None, """
        without | no | not | never | nor | don't | do not | cannot | can't | won't | didn't |
        did not | doesn't | does not | mustn't | must not | shouldn't | wasn't | hasn't | avoid |
        at no | with no | zero | don´t | without any
    """),
    (K.MAY, None, """
        may | can | might | allowed | is allowed to | are allowed to | tolerate | accept |
        allow | ok | okay | acceptable
    """),
    (K.FUTURE, None, """
        will | if | when | once | suppose | assume | assuming | expect | expects | expected |
        expecting | is going to | are going to | going to | would | plan for | anticipate |
        prepare for | we expect | forecast to
    """),
    (K.TODAY, None, """
        today | now | current | currently | today's | baseline | the baseline | before |
        at present | present | existing | than today | than now | than before | as today |
        as now | as before | as is | of today | of now | than currently | what it is |
        where it is | as it is | where they are | it is now | it is | at present level | levels |
        level
    """),
    (K.PERIOD, "request", """
        per request | a request | per call | a call | each request | / request | / call
    """),
    (K.PERIOD, "hour", "per hour | an hour | hourly | / hour | each hour | / h"),
    (K.PERIOD, "day", "per day | a day | daily | / day | each day"),
    (K.PERIOD, "week", "per week | a week | weekly | / week | each week"),
    (K.PERIOD, "month", "per month | a month | monthly | / month | each month | / mo"),
    (K.PERIOD, "year", "per year | a year | yearly | annual | annually | / year | each year"),
    (K.ITS, None, "its | their"),
    (K.COLUMN, ("feature", False), "feature | function | method | endpoint"),
    (K.COLUMN, ("feature", True), "features | functions | methods | endpoints"),
    (K.COLUMN, ("tool_name", False), "tool | tool call"),
    (K.COLUMN, ("tool_name", True), "tools | tool calls | agent tools | tool use"),
    (K.COLUMN, ("model", False), "model | llm"),
    (K.COLUMN, ("model", True), "models | llms"),
    (K.COLUMN, ("app", False), "app | application | service"),
    (K.COLUMN, ("app", True), "apps | applications | services"),
    (K.COLUMN, ("user_id", False), "user | customer"),
    (K.COLUMN, ("user_id", True), "users | customers"),
    (K.COLUMN, ("operation", False), "operation"),
    (K.COLUMN, ("operation", True), "operations"),
    (K.COLUMN, ("provider", False), "provider"),
    (K.COLUMN, ("environment", False), "environment"),
    (K.AND, None, """
        and | & | plus | as well as | along with | also | and also | and to | and with
    """),
    (K.BUT, None, """
        but | while | whilst | yet | subject to | provided | provided that | as long as |
        so long as
    """),
    (K.BUT, None, """
        then | such that | given | with | whereas | although | though | and then |
        keeping in mind
    """),
    (K.OR, None, "or | versus | vs | against | compared to | compared with | nor"),
    (K.COMMA, None, ","),
    (K.COLON, None, ":"),
    (K.STOP, None, ". | ! | ? | ;"),
    (K.OF, None, "of | for | in | on"),
    (K.FILLER, None, """
        a | an | the | our | my | we | i | us | me | you | your | it | them | they | please |
        want | wants | need | needs | would like | to like | want to | wants to | need to |
        needs to | should | must | have to | has to | be | is | are | was | were | been | being |
        get | gets | getting | make | makes | making | bring | brings | do | does | did | let |
        that | this | these | as | by | about | around | roughly | approximately | some | any |
        all | every | total | overall | whole | entire | bit | together | all together |
        altogether | all at once | at the same time | simultaneously | at once | than | help |
        try | could | shall | just | only | still | even | from | has | have | had |
        as possible | as much as possible | as far as possible | possible | further |
        as low as possible | much | many | so | there | one | something | anything | everything |
        things | stuff | workload | workloads | agent | agent's | agents | agents' | system |
        stack | llm traffic | llm usage | llm calls | ai | apis | api | calls to | goal |
        target | achieve | reach | per | handle | handles | serve | serves | support | supports |
        absorb | cope | run | running | ensure | make sure | sure | see | like | i'd | we'd |
        i'm | we're | it's | let's | end | worth of | requiring | in total | response |
        responses | answers | replies | arrive | arrives | come | comes | hi | hello | thanks |
        at | how can we | how do we | how could we | how should we | how would we |
        what can we do to | can you | could you | can we | could we | how to | where can we |
        how much can we | how much could we | can i | how can i | how do i | is it possible to |
        what should we do to | we can | you can | possibly | able | able to | be able to |
        using | use of | operating | production use | llm | set | having | itself | work | time |
        times faster than | ( | ) | ~ | ≈ | * | = | - | us. | each
    """),
    (K.ASK, None, """
        what happens to | what happens with | what happens | what will happen to |
        what will happen | what | how | what would happen to | how much | how many | what if |
        how would | how will | what about | forecast | predict | project | estimate | do we hit |
        will we hit | would we hit | hit | hits | happen | happens | what's | affects | mean |
        means for | does that mean
    """),
    (K.AUDIT, None, """
        audit | review | check | analyse | analyze | examine | assess | inspect | look at |
        evaluate | look into | how good is | how well is | how well does | how well do |
        how effective is | investigate | diagnose | how is | well | properly | effective |
        how are | working | missing out on | report on | effectiveness | efficiency
    """),
    (K.CACHING, None, """
        prompt caching | prompt cache | prompt caches | caching | cache | caches |
        prompt-caching | prompt-cache | cached prompts | prefix caching | prefix cache |
        cache use | cache usage | cache hit rate | cache hits | cache hit ratio | cached
    """),
    (K.COMPARE, None, """
        suit | suits | fit | fits | compare | comparing | comparison | better for |
        cheaper than | better than | faster than | slower than | dearer than | suited |
        suitable | compare with | a better fit | good enough | right | better | best | choose |
        pick | better suited | work better for | suit better
    """),
    (K.WHICH, None, """
        which | which of | who | whose | what tool | what tools | are there any | any of | find
    """),
    (K.SWITCH, None, """
        switch | switching | move | moving | use | uses | using | swap | migrate | change |
        switched | moved | run on | assign | need | needs
    """),
    (K.OTHER, None, """
        different | another | other | new | cheaper | smaller | larger | better | faster
    """),
    (K.UPGRADE, None, """
        upgrade | upgrades | upgraded | migration | switch | rollout | change | update | swap |
        move | upgrading | roll-out | switching | release
    """),
    (K.WORTH, None, """
        worth it | worth | worthwhile | pay off | paid off | help | helped | good idea |
        pay for itself | a success | justified | beneficial | a good idea | a mistake |
        work out | worked out | paid for itself | value
    """),
    (K.WHEN, None, """
        yesterday | yesterday's | last week | last week's | last month | last month's |
        this week | this week's | today's | today | on monday | on tuesday | on wednesday |
        on thursday | on friday | on saturday | on sunday | monday | tuesday | wednesday |
        thursday | friday | saturday | sunday | monday's | tuesday's | wednesday's | thursday's |
        friday's | saturday's | sunday's | last monday | last tuesday | last wednesday |
        last thursday | last friday | last saturday | last sunday | recent | latest | last
    """),
    (K.ROLL_BACK, None, """
        roll back | rollback | revert | undo | go back | roll it back | revert it |
        rolling back | roll-back | undo it
    """),
    (K.WHERE, None, "where | wherever | anything where | whenever | everywhere | in cases where"),
]
# fmt: on

#: Phrases that stand for several atoms.
_SEVERAL: list[tuple[Meaning, str]] = [
    (((K.UP, "adjective"), (K.METRIC, "usage")), "more users|more customers|more load|more calls"),
    (((K.METRIC, "usage"),), "as many users|as many requests|as many calls|as many customers"),
    (((K.NOT, None), (K.UP, "adjective"), (K.METRIC, "cost")), "for free|at no charge"),
    (((K.SUBJECT, Subject("environment", ("production",))),), "in production|production|in prod"),
    (((K.SUBJECT, Subject("environment", ("staging",))),), "in staging|staging"),
    (((K.SUBJECT, Subject("provider", ("openai",))),), "openai|openai's"),
    (((K.SUBJECT, Subject("provider", ("anthropic",))),), "anthropic|anthropic's"),
    (((K.SUBJECT, Subject("provider", ("google",))),), "google|google's"),
    (((K.SCALE, 0.5), (K.METRIC, "cost")), "half price|half-price|half the price|half the money"),
]

#: "the cost of our traffic": here the word names everything, and no quantity of it.
_WHOLE = [
    f"{of} {whose}{noun}"
    for of in ("of", "for", "on", "in", "across")
    for whose in ("", "our ", "the ", "my ", "all ", "all our ", "this ", "all my ")
    for noun in (
        *("traffic", "requests", "usage", "calls", "workload", "workloads", "llm traffic"),
        *("llm usage", "llm calls", "llm requests", "app", "application", "product", "users"),
        *("customers", "system", "agents", "agent", "models", "company"),
    )
]


class Lexicon:
    """Phrases by their words; a phrase may have several readings (a "switch" of models)."""

    def __init__(self) -> None:
        self._meanings: dict[tuple[str, ...], list[Meaning]] = {}
        for kind, value, phrases in _ONE:
            for phrase in phrases.split("|"):
                self._add(phrase, ((kind, value),))
        for meaning, phrases in _SEVERAL:
            for phrase in phrases.split("|"):
                self._add(phrase, meaning)
        for phrase in _WHOLE:
            self._add(phrase, ((K.FILLER, None),))
        self.longest = max(len(words) for words in self._meanings)

    def _add(self, phrase: str, meaning: Meaning) -> None:
        readings = self._meanings.setdefault(tuple(phrase.split()), [])
        if meaning not in readings:
            readings.append(meaning)

    @property
    def phrases(self) -> list[tuple[str, ...]]:
        """Every phrase, as its words."""
        return list(self._meanings)

    def readings(self, words: tuple[str, ...]) -> list[Meaning]:
        """What the phrase may stand for, the plainest reading first; empty: it is no phrase."""
        return self._meanings.get(words, [])


LEXICON = Lexicon()
