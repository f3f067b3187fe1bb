"""Many images, file by file: which are meant, where each goes, who does it, what came of it.

`find` turns names into sources, `plan` sources into jobs, `run` does them on several processors or
on a Ray cluster and yields an outcome each. None of it knows of a command line or of a terminal.

A job writes each of its files aside and renames it when it is complete, and makes only those that
are not there yet, so a run that was killed is finished by the same run with ``existing="skip"``.
"""

from unshine.jobs.inputs import PIPE, Found, Source, find
from unshine.jobs.outcome import Outcome, Tally
from unshine.jobs.plan import EXCLUDE_ENDINGS, Ending, Existing, Job, Naming, Plan, plan
from unshine.jobs.pool import run

__all__ = [
    "EXCLUDE_ENDINGS", "PIPE", "Ending", "Existing", "Found", "Job", "Naming", "Outcome", "Plan",
    "Source", "Tally", "find", "plan", "run",
]  # fmt: skip
