"""The files that a finished job has in its folder."""

# All scored rows in the source's order.
RESULTS = "results.parquet"
# A line for each problem of each row that could not be scored.
REJECTS = "rejects.csv"
# Written last: where it is, the job is finished.
SUMMARY = "summary.json"
