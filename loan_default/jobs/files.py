"""Where the files of all jobs are: a folder for each under its id, on a disk or in an object store."""

from loan_default.jobs.job import Job
from loan_default.jobs.sources import place_of
from loan_default.settings import Settings
from loan_default.storage import Folder, LocalFolder, Place


class JobFiles:
    """The folders of all jobs."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._root = settings.jobs / "files"

    def folder(self, job_id: str) -> Folder:
        """A job's folder; made when something is written into it."""
        return LocalFolder(self._root / job_id)

    def source(self, job: Job) -> Place:
        """The portfolio of a job: in its folder, or wherever it was named."""
        if job.source_name is not None:
            return self.folder(job.job_id).place(job.source_name)
        return place_of(job.source_uri or "", self._settings)
