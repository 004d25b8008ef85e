"""Bulk scoring: a portfolio file in, a scored file out, in chunks that survive any end of the process.

Knows nothing of jobs, queues or HTTP: `loan-default score` runs it on a terminal, `loan_default.jobs` for callers.
"""
