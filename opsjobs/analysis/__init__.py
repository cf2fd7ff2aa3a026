"""EVALUATE over time: pure functions from answers to judged values. No I/O, no clock.

    indicators.py   an answer over a range -> the day's value, its status, and what it is compared with
    components.py   an answer over a day -> which members were up, down, or not seen
    findings.py     results -> what needs a person, one finding for each cause; the verdict

To add a way in which points become a value: a function in `indicators.SUMMARIES`, and its name in
`opsjobs.system.Indicator.summary`.
"""

WARNED = "the source warns"
"""How the reason begins where an answer came with warnings: what it says may be incomplete."""
