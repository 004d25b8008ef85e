"""Loan-default prediction: what training, serving and monitoring share.

Imports point inwards: `train.py`, `service.py` and the command line import this package, never the other way round, and
importing any module of it does nothing but define things.
"""

__version__ = "0.1.0"
