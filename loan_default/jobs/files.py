"""Where the files of all jobs are: a folder for each, on a disk or in an object store."""

from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from pyarrow.fs import FileInfo, FileSelector, FileSystem, FileType, LocalFileSystem
from pydantic import ValidationError

from loan_default.errors import JobUnreadable
from loan_default.jobs.job import JOB_FILE, JOB_ID, Job
from loan_default.jobs.objects import ObjectFolder
from loan_default.jobs.sources import place_of
from loan_default.settings import Settings
from loan_default.storage import Folder, LocalFolder, Place


class JobFiles:
    """The folders of all jobs."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._url = settings.job_storage_url or str(settings.jobs / "files")

    def folder(self, name: str) -> Folder:
        """A job's folder; made when something is written into it. Raises OSError when the store does not answer."""
        root = self._root
        if isinstance(root.fs, LocalFileSystem):
            Path(root.path).mkdir(parents=True, exist_ok=True, mode=0o700)
            return LocalFolder(Path(root.path, name))
        return ObjectFolder(root.fs, f"{root.path}/{name}")

    def job(self, name: str) -> Job:
        """What was asked, by the name of its folder. Raises JobUnreadable, FileNotFoundError."""
        try:
            return Job.model_validate_json(self.folder(name).read(JOB_FILE))
        except ValidationError:  # its text may hold what was sent
            raise JobUnreadable from None

    def source(self, job: Job) -> Place:
        """The portfolio of a job: in its folder, or wherever it was named."""
        if job.source_name is not None:
            return self.folder(job.folder_name).place(job.source_name)
        return place_of(job.source_uri or "", self._settings)

    def folder_names(self) -> set[str]:
        """All folders of jobs there are; what else stands beside them is none of ours."""
        return {
            info.base_name
            for info in self._list(self._root.path)
            if info.type == FileType.Directory and JOB_ID.fullmatch(info.base_name)
        }

    def changed_at(self, name: str) -> datetime:
        """When something in a folder, or the folder itself, was last written."""
        path = f"{self._root.path}/{name}"
        found = [self._root.fs.get_file_info(path), *self._list(path, recursive=True)]
        return max((info.mtime for info in found if info.mtime), default=datetime.min.replace(tzinfo=UTC))

    def _list(self, path: str, *, recursive: bool = False) -> list[FileInfo]:
        found: list[FileInfo] = self._root.fs.get_file_info(
            FileSelector(path, recursive=recursive, allow_not_found=True)
        )
        return found

    @cached_property
    def _root(self) -> Place:
        if self._url.startswith("/"):
            return Place(LocalFileSystem(), self._url)
        fs, path = FileSystem.from_uri(_with_small_uploads(self._url))
        return Place(fs, path.rstrip("/"))


def _with_small_uploads(url: str) -> str:
    """An address of S3 by which a small file takes one call instead of three."""
    if not url.startswith("s3://") or "allow_delayed_open" in url:
        return url
    return f"{url}{'&' if '?' in url else '?'}allow_delayed_open=true"
