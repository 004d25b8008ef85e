"""What a finished job has, on its way to a caller: results in three formats, rejects, the summary."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from loan_default.api.bulk.access import reading
from loan_default.api.bulk.sending import Download
from loan_default.api.envelope import Header
from loan_default.api.online import Online
from loan_default.security.caller import Caller

if TYPE_CHECKING:
    from loan_default.bulk.order import Formulas, ResultFormat
    from loan_default.jobs.job import JobView
    from loan_default.storage import Folder

T = TypeVar("T")

MEDIA_TYPES = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}


class Files:
    """Reads the files of finished jobs for callers that may see them."""

    def __init__(self, online: Online) -> None:
        self._access = online.jobs
        self._in_progress = online.in_progress

    async def results(
        self, view: "JobView", form: "ResultFormat", caller: Caller, formulas: "Formulas" = "text"
    ) -> Download:
        """The scored rows."""
        from loan_default.bulk.files import RESULTS

        folder = await self._folder(view)
        blocks = _results_of(folder, form, formulas)
        whole = RESULTS if form == "parquet" else None
        return await self._download(folder, whole, blocks, f"{view.job_id}.{form}", MEDIA_TYPES[form], caller)

    async def rejects(self, view: "JobView", caller: Caller) -> Download:
        """The rows that could not be scored."""
        from loan_default.bulk.files import REJECTS

        folder = await self._folder(view)
        name = f"{view.job_id}.rejects.csv"
        blocks = _blocks_of(folder, REJECTS)
        return await self._download(folder, REJECTS, blocks, name, MEDIA_TYPES["csv"], caller)

    async def summary(self, view: "JobView") -> bytes:
        """The job in figures, as JSON."""
        from loan_default.bulk.files import SUMMARY

        folder = await self._folder(view)
        return await self._read(lambda: folder.read(SUMMARY))

    async def results_as_json(self, view: "JobView") -> bytes:
        """The scored rows of a short job, as a list in JSON."""
        blocks = _results_of(await self._folder(view), "json")
        return await self._read(lambda: b"".join(blocks()))

    async def _download(  # noqa: PLR0913, PLR0917  # what, under which name and type, for whom
        self,
        folder: "Folder",
        whole: str | None,
        blocks: Callable[[], Iterator[bytes]],
        name: str,
        media_type: str,
        caller: Caller,
    ) -> Download:
        """An answer with the content of `blocks`; its length is known when that is a file as it is, `whole`."""
        headers: list[Header] = [
            (b"content-type", media_type.encode()),
            (b"content-disposition", f'attachment; filename="{name}"'.encode()),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
        ]
        if whole is not None:
            size = await self._read(lambda: folder.size(whole))
            headers.append((b"content-length", b"%d" % size))
        download = Download(self._access.disk, blocks, headers, lambda: self._under_way(caller))
        await download.open()
        return download

    @contextmanager
    def _under_way(self, caller: Caller) -> Iterator[None]:
        with self._access.transfer(caller), self._in_progress.without_deadline():
            yield

    async def _folder(self, view: "JobView") -> "Folder":
        return await self._access.run(lambda jobs: jobs.folder(view.job_id))

    async def _read(self, work: Callable[[], T]) -> T:
        """What a thread reads of a job's files; NoSuchJob when they expired just now."""

        def read() -> T:
            with reading():
                return work()

        return await self._access.disk.run(read)


def _results_of(folder: "Folder", form: "ResultFormat", formulas: "Formulas" = "text") -> Callable[[], Iterator[bytes]]:
    def blocks() -> Iterator[bytes]:
        from loan_default.bulk.export import iter_results

        return iter(iter_results(folder, form, formulas))

    return blocks


def _blocks_of(folder: "Folder", name: str) -> Callable[[], Iterator[bytes]]:
    return lambda: iter(folder.blocks(name))
