"""Sample reports of PratikoAI: troubled, quiet, partial, unfinished and hostile."""

import math
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from opsjobs.model import (
    ComponentResult,
    Direction,
    Episode,
    Evidence,
    Finding,
    Gap,
    IndicatorResult,
    Measurement,
    Outage,
    Quality,
    Sample,
    Series,
    Share,
    SloResult,
    Status,
    Team,
    Threshold,
    Window,
)
from opsjobs.report.document import (
    AlertRow,
    AlertTable,
    ChangeRow,
    Changes,
    Chart,
    Charts,
    ComponentTable,
    DayCell,
    DayFinding,
    DayStrip,
    DaySummary,
    Fact,
    IndicatorTable,
    Limit,
    Line,
    Report,
    Section,
    SloTable,
    Spell,
    WeekRow,
    WeekTable,
)

ROME = ZoneInfo("Europe/Rome")
WINDOW = Window.day(date(2025, 10, 14), ROME)
END = WINDOW.end.timestamp()
ENGINEERING = Team(name="engineering", contact="#pratikoai-oncall", hours="on call at all hours")
FINANCE = Team(name="Finance", contact="finance@pratikoai.com", hours="Mon to Fri, 09:00 to 18:00")
GRAFANA = "http://grafana.pratikoai.com/d/performance/pratikoai-performance"
RUNBOOK = "https://docs.pratikoai.com/runbooks/"

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'; DROP TABLE reports; --",
    "javascript:alert(1)",
    "\x00\x07\x1b[31mred\x1b[0m\r\nBcc: victim@example.com",
    "\u202eevil\u202c \u2066isolated\u2069 \ufeff\u200bzero width",
    "{{ 7 * 7 }}{% raw %}",
    "</style><style>*{display:none}</style>",
    "</svg><foreignObject>",
    "$\\frac{1}{0}$ _legend",
    "🔥🧨 Ünïcode 中文 עברית",
    "x" * 10_000,
    "\ud800 lone surrogate",
    "file:///etc/passwd",
    "&amp;&lt;!--",
)


def wave(level, swing, *, step=3600, days=8, end=END, bump=0.0, holes=()):
    """Samples over some days: a daily rhythm, a bump in the last afternoon, holes in hours before the end."""
    count = int(days * 86400 / step)
    samples = []
    for index in range(1, count + 1):
        before = (count - index) * step
        if any(first >= before / 3600 > last for first, last in holes):
            continue
        hour = 24 - (before / 3600) % 24
        value = level + swing * math.sin((hour - 8) / 24 * 2 * math.pi) + swing / 3 * math.sin(index * 2.3)
        if bump and 5 * 3600 <= before <= 9 * 3600:
            value += bump
        samples.append(Sample(end - before, round(value, 6)))
    return tuple(samples)


def indicator(name, title, value, unit="seconds", status=Status.OK, **changes):
    settings = {
        "group": "Performance",
        "summary": "mean",
        "threshold": Threshold(direction=Direction.BELOW, target=2.0, warning=4.0, critical=5.0),
        "measurement": Measurement(value=value, unit=unit, at=WINDOW.end),
        "coverage": 1.0,
        "attainment": 0.9931,
        "day_before": None if value is None else value * 0.97,
        "week_before": None if value is None else value * 1.02,
        "series": Series(samples=() if value is None else wave(value, value / 5)),
        "team": ENGINEERING,
        "dashboard": GRAFANA,
        "runbook": RUNBOOK + name,
    }
    return IndicatorResult(id=name, title=title, unit=unit, status=status, **(settings | changes))


def below(target=None, warning=None, critical=None):
    return Threshold(direction=Direction.BELOW, target=target, warning=warning, critical=critical)


def above(target=None, warning=None, critical=None):
    return Threshold(direction=Direction.ABOVE, target=target, warning=warning, critical=critical)


def fact(name, value, status=None):
    return Fact(name=name, value=value, status=status)


def component(name, title, status=Status.OK, **changes):
    settings = {"member": f"{name}:9100", "availability": 1.0, "coverage": 1.0, "team": ENGINEERING}
    return ComponentResult(id=name, title=title, status=status, **(settings | changes))


def evidence(subject, title, **changes):
    settings = {
        "source": "prometheus",
        "query": "histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))",
        "method": "Mean of the points of the window.",
        "quality": Quality.OK,
        "start": WINDOW.end - timedelta(days=8),
        "end": WINDOW.end,
        "step": 300.0,
        "sample_at": WINDOW.end - timedelta(seconds=4),
        "coverage": 1.0,
    }
    return Evidence(subject=subject, title=title, **(settings | changes))


def chart(**changes):
    settings = {
        "title": "API response time, 95th percentile",
        "unit": "seconds",
        "window": WINDOW,
        "lines": (
            Line(name="/api/v1/chat", samples=wave(1.6, 0.7, step=300, days=1, bump=6.0), emphasis=True),
            Line(name="/api/v1/search", samples=wave(1.1, 0.4, step=300, days=1, holes=((8, 6.5),))),
            Line(name="/api/v1/documents", samples=wave(0.7, 0.2, step=300, days=1)),
        ),
        "limits": (
            Limit(name="target", value=2.0, status=Status.OK),
            Limit(name="critical", value=5.0, status=Status.CRITICAL),
        ),
        "summary": "Above 5 s from 15:00 to 19:00, most of all in /api/v1/chat.",
    }
    return Chart(**(settings | changes))


def report(**changes):
    settings = {
        "job": "daily",
        "system": "pratikoai",
        "system_title": "PratikoAI",
        "title": "Daily report",
        "slot": "2025-10-14",
        "window": WINDOW,
        "zone": "Europe/Rome",
        "status": Status.OK,
        "complete": True,
        "verdict": "Everything is within its limits",
    }
    return Report(**(settings | changes))


def _components(*, troubled):
    redis = component("redis", "Redis")
    if troubled:
        outage = Outage(
            start=datetime(2025, 10, 14, 15, 5, tzinfo=ROME),
            end=datetime(2025, 10, 14, 15, 46, tzinfo=ROME),
            known=True,
            ended=True,
        )
        redis = component(
            "redis",
            "Redis",
            Status.CRITICAL,
            availability=0.97153,
            outages=(outage,),
            runbook=RUNBOOK + "redis",
        )
    return Section(
        id="components",
        title="Components",
        blocks=(
            ComponentTable(
                rows=(
                    component("api", "API"),
                    component("postgres", "PostgreSQL"),
                    redis,
                    component("node", "Host"),
                )
            ),
        ),
    )


def alert(name, *spells, **changes):
    """An alert with firings of hours of the day; one without an end still fires."""
    told = tuple(
        Spell(
            start=WINDOW.start + timedelta(hours=start),
            end=WINDOW.end if end is None else WINDOW.start + timedelta(hours=end),
            ended=end is not None,
        )
        for start, end in spells
    )
    lengths = [(spell.end - spell.start).total_seconds() for spell in told]
    settings = {
        "severity": "critical",
        "team": "engineering",
        "seconds": sum(lengths),
        "longest": max(lengths, default=0.0),
        "flapping": len(told) >= 3,
        "firing": any(not spell.ended for spell in told),
        "week_firings": len(told),
        "week_seconds": sum(lengths),
        "unresolved": False,
    }
    return AlertRow(name=name, spells=told, **(settings | changes))


def _changes():
    rows = (
        ChangeRow(
            indicator="api-p95",
            text="API response time rose from 1.6 s to 7.9 s (+390 %)",
            unit="seconds",
            value=7.93,
            before=1.62,
            better=False,
            remarks=("outside its band for Tuesdays: usually 1.4 s to 1.8 s",),
        ),
        ChangeRow(indicator="mrr", text="Revenue rose", unit="EUR", value=21750.0, before=19650.0, better=True),
        ChangeRow(indicator="disk", text="Fullest disk: full in about 9 days (7 to 12)", unit="ratio", value=0.9),
    )
    return Section(id="changes", title="What changed", blocks=(Changes(rows=rows),))


def _alerts():
    rows = (
        alert("HighResponseTime", (15, None), unresolved=True),
        alert("RedisDown", (15.1, 15.8), (18, 18.5), (20, 20.5), (22, 22.25)),
        alert("LowCacheHitRatio", (3, 4), severity="", team="", week_firings=None, week_seconds=None),
    )
    return Section(
        id="alerts", title="Alerts", note="3 alerts fired.", blocks=(AlertTable(rows=rows, earlier=(alert("Old"),)),)
    )


def _performance(*, troubled):
    slow = {}
    if troubled:
        slow = {
            "status": Status.CRITICAL,
            "attainment": 0.8125,
            "day_before": 1.62,
            "week_before": 1.71,
            "series": Series(samples=wave(1.6, 0.5, bump=6.2, holes=((70, 50),))),
            "breakdown": (Share("/api/v1/chat", 7.93), Share("/api/v1/search", 2.42), Share("/api/v1/documents", 0.31)),
            "breakdown_by": "endpoint",
        }
    cache = {"status": Status.WARNING, "attainment": 0.5521, "day_before": 0.842} if troubled else {}
    return Section(
        id="performance",
        title="Performance",
        blocks=(
            IndicatorTable(
                rows=(
                    indicator("api-p95", "API response time", 7.93 if troubled else 1.61, summary="p95", **slow),
                    indicator(
                        "errors",
                        "API error rate",
                        0.0042,
                        "ratio",
                        threshold=below(0.02, None, 0.05),
                        summary="ratio",
                        attainment=1.0,
                    ),
                    indicator(
                        "cache",
                        "Cache hit ratio",
                        0.69961 if troubled else 0.861,
                        "ratio",
                        threshold=above(0.8, 0.7),
                        summary="ratio",
                        **cache,
                    ),
                    indicator(
                        "connections", "Database connections", 37.0, "count", threshold=below(None, 80), attainment=None
                    ),
                    indicator("memory", "Memory in use", 5.7e9, "bytes", threshold=below(None, 7516192768.0)),
                )
            ),
            Charts(charts=(chart(), _cache_chart())),
        ),
    )


def objective(name, title, **changes):
    given = {"objective": 0.999, "window": 2592000.0, "attainment": 0.99962, "left": 0.62, "status": Status.OK}
    given |= {"burns": {3600: 0.0, 21600: 0.4, 259200: 0.71}, "day": 86400.0, "day_burn": 0.9}
    given |= {"lasts": True, "used_up_in": None, "team": ENGINEERING}
    return SloResult(id=name, title=title, **{**given, **changes})


def _objectives():
    slow = {"attainment": 0.9881, "left": -0.19, "burns": {3600: 0.2, 21600: 3.0, 259200: 12.4}, "objective": 0.99}
    slow |= {"status": Status.CRITICAL, "lasts": False, "used_up_in": 0.0, "day_burn": 3.1}
    silent = {"attainment": None, "left": None, "burns": {3600: None, 21600: None, 259200: None}, "day_burn": None}
    silent |= {"status": Status.UNKNOWN, "quality": Quality.EMPTY, "reason": "the query returned nothing"}
    rows = (
        objective("up", "API availability"),
        objective("fast", "Answers within 2 s", **slow),
        objective("sent", "Messages delivered", **silent, lasts=None),
    )
    return Section(id="objectives", title="Objectives", blocks=(SloTable(rows=rows),))


def _cache_chart():
    return chart(
        title="Cache hit ratio",
        unit="ratio",
        lines=(Line(name="hit ratio", samples=wave(0.78, 0.05, step=300, days=1), emphasis=True),),
        limits=(
            Limit(name="target", value=0.8, status=Status.OK),
            Limit(name="warning", value=0.7, status=Status.WARNING),
        ),
        summary="",
    )


def _business(*, troubled):
    cost = indicator(
        "user-cost",
        "Cost per user and month",
        2.13 if troubled else 1.84,
        "EUR",
        group="Money",
        threshold=below(2.0, 2.25, 2.5),
        team=FINANCE,
        summary="last",
        attainment=0.0 if troubled else 1.0,
    )
    revenue = indicator(
        "mrr",
        "Monthly recurring revenue",
        21750.0,
        "EUR",
        group="Money",
        threshold=above(25000.0, 20000.0),
        team=FINANCE,
        summary="last",
        attainment=0.0,
        day_before=21650.0,
    )
    payments = indicator(
        "payments",
        "Payment success",
        0.9496 if troubled else 0.987,
        "ratio",
        group="Customers",
        threshold=above(0.98, None, 0.95),
        status=Status.CRITICAL if troubled else Status.OK,
        summary="ratio",
        attainment=0.912,
    )
    logins = indicator(
        "logins",
        "Failed logins",
        None if troubled else 0.02,
        "per_second",
        group="Customers",
        threshold=below(None, None, 0.1),
        status=Status.UNKNOWN if troubled else Status.OK,
        measurement=Measurement(
            value=None if troubled else 0.02,
            unit="per_second",
            quality=Quality.EMPTY if troubled else Quality.OK,
            reason="no series: the metric auth_failures_total is not exposed" if troubled else "",
        ),
        coverage=0.0 if troubled else 1.0,
        attainment=None,
    )
    return Section(id="business", title="Business", blocks=(IndicatorTable(rows=(cost, revenue, payments, logins)),))


def _evidence(report_sections):
    rows = [
        row
        for section in report_sections
        for block in section.blocks
        if isinstance(block, IndicatorTable)
        for row in block.rows
    ]
    return tuple(
        evidence(
            f"indicator:{row.id}",
            row.title,
            quality=row.measurement.quality,
            reason=row.measurement.reason,
            coverage=row.coverage,
            sample_at=row.measurement.at,
        )
        for row in rows
    )


def troubled():
    sections = (
        _components(troubled=True),
        _objectives(),
        _performance(troubled=True),
        _business(troubled=True),
        _alerts(),
        _changes(),
    )
    return report(
        status=Status.CRITICAL,
        verdict="Redis was down for 41 min, and the API was slow because of it",
        tally=(
            fact("Components", "3 of 4 OK", Status.CRITICAL),
            fact("Indicators", "5 of 9 OK", Status.UNKNOWN),
            fact("Targets met", "5 of 9"),
            fact("API response time", "7.9 s", Status.CRITICAL),
            fact("Cache hit ratio", "69.96 %", Status.WARNING),
            fact("Monthly recurring revenue", "€21,750", Status.OK),
        ),
        findings=(
            Finding(
                subject="component:redis",
                status=Status.CRITICAL,
                title="Redis was down for 41 min",
                detail="Down from 15:05 to 15:46. It answers again.",
                explains=("API response time 7.9 s (limit 5 s)", "Cache hit ratio 69.96 % (limit 70 %)"),
                team=ENGINEERING,
                runbook=RUNBOOK + "redis",
                dashboard=GRAFANA,
            ),
            Finding(
                subject="indicator:payments",
                status=Status.CRITICAL,
                title="Payment success fell below its limit",
                detail="94.96 % of payments succeeded; the limit is 95 %, the day before it was 96.1 %.",
                team=Team(name="Business", contact="business@pratikoai.com"),
                runbook=RUNBOOK + "payments",
            ),
            Finding(
                subject="metric:auth_failures_total",
                status=Status.UNKNOWN,
                title="Nothing is known of failed logins",
                detail="The metric auth_failures_total is not exposed: nobody would see an attack.",
                team=Team(name="Security", contact="security@pratikoai.com"),
            ),
        ),
        sections=sections,
        evidence=_evidence(sections),
    )


def quiet():
    sections = (_components(troubled=False), _performance(troubled=False), _business(troubled=False))
    return report(
        tally=(fact("Fine", "13 of 13", Status.OK), fact("Targets met", "8 of 9")),
        sections=sections,
        evidence=_evidence(sections),
    )


def partial():
    sections = (_components(troubled=False),)
    return report(
        status=Status.UNKNOWN,
        complete=False,
        verdict="Prometheus did not answer, so most numbers are missing",
        findings=(
            Finding(
                subject="source:prometheus",
                status=Status.UNKNOWN,
                title="Prometheus did not answer",
                detail="Connection refused at prometheus:9090 after 3 attempts.",
                explains=("9 indicators",),
                team=ENGINEERING,
            ),
        ),
        sections=sections,
        gaps=(
            Gap(source="Prometheus", reason="Connection refused.", advice="Check that it runs, then rerun the day."),
        ),
        evidence=(
            evidence(
                "indicator:api-p95",
                "API response time",
                quality=Quality.ERROR,
                reason="connection refused",
                coverage=None,
                sample_at=None,
            ),
            evidence("component:api", "API", start=None, step=None, source="http", query="GET /healthz"),
        ),
    )


def unfinished():
    """A day that is not over: a limit still passed, one that was, an hour without points, and rows without limits."""
    window = Window(start=WINDOW.start, end=datetime(2025, 10, 14, 18, 30, tzinfo=ROME))
    rows = (
        indicator(
            "api-p95",
            "API response time",
            7.9,
            status=Status.CRITICAL,
            summary="max",
            episodes=(
                Episode(start=_at(10, 5), end=_at(11, 10), status=Status.WARNING, worst=4.6, ended=True),
                Episode(start=_at(17, 10), end=window.end, status=Status.CRITICAL, worst=30.0, ended=False),
            ),
        ),
        indicator("signups", "New customers", 12.0, "count", threshold=below(), attainment=None),
        indicator("chats", "Chats", 4100.0, "count", threshold=above(3000.0), summary="sum"),
        indicator(
            "orders",
            "Orders",
            2113.0,
            "count",
            status=Status.UNKNOWN,
            threshold=above(None, 1000.0),
            summary="sum",
            attainment=None,
            measurement=Measurement(value=2113.0, unit="count", quality=Quality.PARTIAL, reason="no points for 1 h"),
            coverage=0.946,
            holes=(Outage(start=_at(3, 0), end=_at(4, 0), known=False, ended=True),),
            series=Series(samples=wave(9.0, 2.0, step=300, holes=((21, 20),))),
        ),
        indicator(
            "lost",
            "Lost messages",
            None,
            "count",
            status=Status.UNKNOWN,
            threshold=below(),
            attainment=None,
            measurement=Measurement(value=None, unit="count", quality=Quality.EMPTY, reason="no series"),
            coverage=0.0,
        ),
    )
    return report(
        window=window,
        over=False,
        status=Status.CRITICAL,
        complete=False,
        verdict="The API is slow; nothing is known of lost messages",
        findings=(
            Finding(
                subject="source:shop-db",
                status=Status.UNKNOWN,
                title="The database did not answer",
                detail="Connection refused.",
                advice="Start it, then run the day again.",
                team=ENGINEERING,
            ),
        ),
        sections=(Section(id="now", title="Performance", blocks=(IndicatorTable(rows=rows),)),),
        gaps=(
            Gap(source="shop-db", reason="Connection refused.", advice="Start it, then run the day again."),
            Gap(source="tickets", reason="HTTP 503.", advice="Wait for its maintenance to end."),
        ),
        evidence=(
            evidence("indicator:api-p95", "API response time", method="the highest of the window's points"),
            evidence(
                "indicator:lost",
                "Lost messages",
                quality=Quality.EMPTY,
                reason="no series",
                coverage=0.0,
                sample_at=None,
                method="sum",
            ),
        ),
    )


def week():
    """Two days side by side, the second one bad and not known in part."""
    days = (date(2025, 10, 13), date(2025, 10, 14))
    strip = DayStrip(
        days=(
            DaySummary(day=days[0], status=Status.OK),
            DaySummary(
                day=days[1],
                status=Status.CRITICAL,
                over=False,
                findings=(DayFinding(subject="indicator:x", status=Status.CRITICAL, title="Payments: 90 %"),),
            ),
        )
    )
    rows = (
        WeekRow(
            id="payments",
            title="Payments",
            group="Business",
            unit="ratio",
            cells=(DayCell(text="98 %", value=0.98), DayCell(text="90 %", value=0.9, status=Status.CRITICAL)),
            whole="no change",
            remark="target ≥ 95 %, critical < 95 %",
            threshold=above(0.95, None, 0.95),
        ),
        WeekRow(
            id="logins",
            title="Logins",
            group="Security",
            unit="count",
            cells=(
                DayCell(text="3", value=3.0),
                DayCell(text="no data", value=None, status=Status.UNKNOWN, reason="no series"),
            ),
            whole="no data",
        ),
    )
    table = WeekTable(name="Indicator", days=days, rows=rows, whole="Mon to Tue", remark="Target and limits")
    return report(
        job="weekly",
        title="Weekly report",
        slot="2025-W42",
        window=Window(start=WINDOW.start - timedelta(days=1), end=WINDOW.end),
        over=False,
        status=Status.CRITICAL,
        complete=False,
        sections=(
            Section(id="days", title="The days", blocks=(strip,), first=True),
            Section(id="indicators", title="Indicators", blocks=(table,)),
        ),
        gaps=(Gap(source="Logins", reason="no series"),),
        evidence=(evidence("indicator:payments", "Payments"),),
        evidence_window=WINDOW,
    )


def _at(hour, minute):
    return datetime(2025, 10, 14, hour, minute, tzinfo=ROME)


def hostile():
    """Every text of a report is an attack in turn, and numbers are not numbers."""
    rows = tuple(
        indicator(
            text,
            text,
            math.nan,
            group=text,
            status=Status.UNKNOWN,
            measurement=Measurement(value=math.nan, unit="seconds", quality=Quality.NAN, reason=text),
            breakdown=(Share(text, math.inf), Share(text, 1.5)),
            breakdown_by=text,
            summary=text,
            team=Team(name=text, contact=text, hours=text),
            dashboard=text,
            runbook=text,
            series=Series(samples=(Sample(END - 60, math.inf), Sample(END - 7200, 1.0))),
        )
        for text in HOSTILE
    )
    return report(
        system_title=HOSTILE[0],
        title=HOSTILE[1],
        verdict=HOSTILE[5] + HOSTILE[4] + HOSTILE[0],
        status=Status.CRITICAL,
        zone=HOSTILE[0],
        tally=tuple(fact(text, text, Status.WARNING) for text in HOSTILE),
        findings=tuple(
            Finding(
                subject=text,
                status=Status.CRITICAL,
                title=text,
                detail=text,
                explains=(text, text),
                advice=text,
                team=Team(name=text, contact=text),
                dashboard=text,
                runbook=f"https://example.com/{text}",
            )
            for text in HOSTILE
        ),
        sections=(
            Section(
                id=HOSTILE[1],
                title=HOSTILE[0],
                note=HOSTILE[1],
                blocks=(
                    IndicatorTable(rows=rows),
                    _hostile_strip(),
                    SloTable(rows=tuple(objective(text, text, reason=text, attainment=math.nan) for text in HOSTILE)),
                    _hostile_week(),
                    ComponentTable(
                        rows=tuple(
                            component(text, text, Status.UNKNOWN, member=text, reason=text, availability=math.nan)
                            for text in HOSTILE
                        )
                    ),
                    Charts(
                        charts=tuple(
                            chart(
                                title=text,
                                summary=text,
                                lines=(
                                    Line(
                                        name=text,
                                        samples=(Sample(END - 600, 1.0), Sample(END - 300, math.nan)),
                                        emphasis=True,
                                    ),
                                ),
                                limits=(
                                    Limit(name=text, value=3.0, status=Status.WARNING),
                                    Limit(name=text, value=math.nan, status=Status.OK),
                                ),
                            )
                            for text in HOSTILE
                        )
                    ),
                ),
            ),
        ),
        gaps=tuple(Gap(source=text, reason=text, advice=text) for text in HOSTILE),
        evidence=tuple(
            evidence(text, text, query=text, source=text, method=text, reason=text, quality=Quality.NAN)
            for text in HOSTILE
        ),
    )


def _hostile_strip():
    findings = tuple(DayFinding(subject=text, status=Status.UNKNOWN, title=text) for text in HOSTILE)
    return DayStrip(
        days=tuple(
            DaySummary(day=WINDOW.start.date(), status=Status.UNKNOWN, findings=findings[number:])
            for number in range(len(HOSTILE))
        )
    )


def _hostile_week():
    rows = tuple(
        WeekRow(
            id=text,
            title=text,
            group=text,
            unit=text,
            about=text,
            cells=(DayCell(text=text, value=math.nan, status=Status.UNKNOWN, reason=text),),
            whole=text,
            remark=text,
        )
        for text in HOSTILE
    )
    return WeekTable(name=HOSTILE[0], days=(WINDOW.start.date(),), rows=rows, whole=HOSTILE[1], remark=HOSTILE[2])


def crowded(rows=1000):
    """Far more rows than a table may show; the last one is the worst."""
    fine = tuple(indicator(f"n{number}", f"Number {number}", 1.0, series=Series()) for number in range(rows - 1))
    worst = indicator("worst", "The worst of all", 9.0, status=Status.CRITICAL, series=Series())
    return report(
        status=Status.CRITICAL,
        sections=(Section(id="many", title="Many", blocks=(IndicatorTable(rows=(*fine, worst)),)),),
        evidence=tuple(evidence(f"indicator:n{number}", f"Number {number}") for number in range(rows)),
    )


NOON = datetime(2025, 10, 14, 12, 0, tzinfo=UTC)
