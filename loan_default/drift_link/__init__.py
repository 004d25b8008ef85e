"""What the online workers and the drift monitor say to each other, and the workers' side of it.

messages    what is said: a model, samples, the verdict
samples     which predictions are sampled, and the bounded buffer they wait in
client      the monitor's calls over HTTP
link        the background task that hands them over, and the calls that ask for the verdict

The monitor itself is the package `drift`, outside of this one: online scoring knows it by `MonitorCalls` only.
"""

from loan_default.drift_link.client import MonitorClient
from loan_default.drift_link.link import DriftLink, MonitorCalls
from loan_default.drift_link.samples import Sampler, Samples

__all__ = ["DriftLink", "MonitorCalls", "MonitorClient", "Sampler", "Samples"]
