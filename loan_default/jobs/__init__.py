"""Durable bulk jobs: a queue and workers on DBOS around `loan_default.bulk`; what was accepted is finished."""
