"""What follows from unit costs, and that the page shows what the last run printed."""

from benchmarks.scaling import BEGIN, END, FIGURES, PAGE, Cost, Figures, Shared, lines


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_page_shows_what_the_command_printed() -> None:
    shown = PAGE.read_text().partition(BEGIN)[2].partition(END)[0]
    assert shown == "\n".join(lines(Figures.load(FIGURES))) + "\n"


def test_what_is_computed_follows_from_what_was_measured() -> None:
    cost = Cost(workers=2, size=1, cpu_us=100, per_second=9_000, errors=0)
    shared = Shared(
        cost=cost,
        postgres_us=50,
        redis_us=10,
        row_bytes=1_000,
        wal_bytes=2_000,
        connections=4,
        redis_commands=2,
        dropped=0,
    )
    alone = [Cost(1, 1, 80, 12_000, 0), Cost(1, 100, 1_000, 900, 0)]
    rows = [cells(line) for line in lines(Figures(alone, cost, shared)) if line.startswith("|")]
    by_label = {row[0]: row[1:] for row in rows}
    assert by_label["one applicant"] == ["80", "80.0", "12,500", "12,500", "0"]
    assert by_label["a list of 100"] == ["1,000", "10.0", "1,000", "100,000", "0"]
    # Two cores at 100 µs are 20,000 requests/s: a core of Postgres, a fifth of Redis, 1,728 GB a day.
    assert by_label["one pod, full"] == ["20,000", "1.0", "0.20", "1,728", "4"]
    assert by_label["ten pods, full"] == ["200,000", "10.0", "2.00", "17,280", "40"]
    assert by_label["10,000 requests/s: 1 pods, each 50% busy"] == ["10,000", "0.5", "0.10", "864", "4"]
    assert by_label["100,000 requests/s: 9 pods, each 56% busy"][0] == "100,000"
    last = list(lines(Figures(alone, cost, shared)))[-2:]
    assert last == [
        "One core of Postgres is full at 20,000 requests/s, the work of 1.0 full pods.",
        "One core of Redis is full at 100,000 requests/s, the work of 5.0 full pods.",
    ]
