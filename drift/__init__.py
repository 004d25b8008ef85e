"""The drift monitor: have the applicants changed since the model was trained?

service      the BentoML service, in a process of its own
guard        who may ask it, and how
monitor      which models' samples are watched; takes samples, checks, answers
watch        one model's samples: reference, window, alarms, trend
window       the latest samples, in bins
gathering    a reference of the first live samples
ring         the file that both are kept in, and which outlives the process
alarm        when an alarm is raised, and when it is cleared
folder       where all of it is kept
stored       what is kept of a model's watch between checks, as JSON
told         metrics, and the log line when the verdict changes
comparison   a verdict with the bins behind it: what a report shows
labels       what the bins are called
portfolio    a comparison of a file instead of live samples, for the `loan-default` command
report       draws a comparison for people, Evidently's part in the background
page         the page itself; its modules are listed there
metrics_page  `GET /metrics` of a monitor that stands alone
evidently_report  Evidently's report of the same comparison

It knows `loan_default`, which never knows it. Evidently and pandas are imported here and only when a report is asked
for: together they take seconds and 300 MB.
"""
