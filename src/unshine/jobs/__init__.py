"""Many images, file by file: which are meant, where each goes, who does it, what came of it.

`find` turns names into sources, `plan` sources into jobs, `run` does them on several processors or
on a Ray cluster and yields an outcome each. None of it knows of a command line or of a terminal.

A job writes each of its files aside and renames it when it is complete, and makes only those that
are not there yet, so a run that was killed is finished by the same run with ``existing="skip"``.
"""

from unshine.jobs.inputs import Found, Source, find
from unshine.jobs.outcome import Outcome, Tally
from unshine.jobs.plan import Job, Naming, Plan, plan

__all__ = ["Found", "Job", "Naming", "Outcome", "Plan", "Source", "Tally", "find", "plan"]
