"""Bulk jobs over HTTP: two faces, REST and BentoML's task verbs, in front of the same `loan_default.jobs`.

routes      the paths of both faces, with what stands in their place in metrics and documentation
rest        the calls under /api/v1/predict/batch
tasks       the verbs of the task `score`, as BentoML's clients call them
shown       a job as each face tells of it
access      the jobs, reached from the event loop; who may see which
intake      from a call to an accepted job
arriving    a body that is kept on disk while it arrives
multipart   the form in which a file is sent
options     how a portfolio is written: what the caller says, what its first bytes say
sending     an answer that is read from a disk while it is sent
"""
