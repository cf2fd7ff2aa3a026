"""EVALUATE over time: pure functions from answers to judged values. No I/O, no clock.

    indicators.py   an answer over a range -> the day's value, its status, and what it is compared with
    figures.py      a number of a database for each day -> the same
    trust.py        how far that value can be believed
    history.py      how far back metrics go
    spans.py        where a day's points are missing, and where they were beyond a limit
    components.py   an answer over a day -> which members were up, down, or not seen
    alerts.py       which alerts fired, how often and how long
    changes.py      what moved since the day before, in words
    bands.py        whether a value is what its weekday usually brings
    forecast.py     when something is full, with an interval
    money.py        exact amounts, and parts that add up as they are written
    prices.py       dated prices, fixed costs, rates
    costs.py        lines of money, their sums, spikes, and how far they are known
    carried.py      what of that earlier reports had read, and what later ones need not read again
    drivers.py      why a cost changed
    economics.py    what a user, a request and a month cost
    outlay.py       what a month will have cost
    hindsight.py    the last of those forecasts beside what came
    invoices.py     what was billed beside what was computed
    situation.py    all of that as one value
    growth.py       how far a database grew, and when it is full
    databases.py    what a database server says of itself -> rows and findings
    postgresql.py   the rows of a PostgreSQL
    redis.py        the rows of a Redis
    sentry.py       the errors of a day, as a Sentry counted them -> rows and findings
    runs.py         how opsjobs' own jobs went, and what was not delivered
    findings.py     what needs a person, one finding for each cause
    verdict.py      the report in one sentence, and what it could not see

To add a way in which points become a value: a function in `indicators.SUMMARIES`, and its name in
`opsjobs.system.Indicator.summary`.
"""

WARNED = "the source warns"
"""How the reason begins where an answer came with warnings: what it says may be incomplete."""
