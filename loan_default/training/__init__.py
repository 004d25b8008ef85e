"""Training, one module per stage: read, split, fit, evaluate, gate; `run.py` strings them together."""
