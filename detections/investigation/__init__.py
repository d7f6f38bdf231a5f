"""From a finding to the story: what an analyst asks of the lake, each question a function that gives Arrow.

Every function takes a ``Lake``, a ``TimeRange`` (by stage_at, UTC) and ``clusters`` (None: all), and opens its
own read-only connection. Times are UTC with microseconds. API, command line, console and notebooks call these.
"""
