"""The decision log: what was decided about an applicant, with what, by which model; to be looked up and erased later.

ids         names of decisions that sort by time
record      what the hot path hands over, and what is kept of it
recorder    makes the one of the other, reasons of declined applicants included
log         the hot path's side: takes decisions without waiting, or waits until they are kept
writer      the one thread of a process that writes them
store       what every place to keep records can do
segments    names and places of the files; `files` writes them, `file_archive` finds and erases in them
postgres    the same in a database that several machines share
archive     every place of an installation at once, for looking up and erasing
"""

from loan_default.decision_log.ids import new_decision_id
from loan_default.decision_log.log import DecisionLog, open_decision_log
from loan_default.decision_log.record import Answering, Decided

__all__ = ["Answering", "Decided", "DecisionLog", "new_decision_id", "open_decision_log"]
