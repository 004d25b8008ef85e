"""Online scoring beside rivals: the same load on each server, started from its own environment.

    python -m benchmarks.online --help

`servers.py` says who is compared, `subject.py` what they score, `measure.py` what is measured in one round, `table.py`
how it is shown. `soak.py`, `overload.py` and `scaling.py` are trials of our own server alone or beside the bare limit.
"""
