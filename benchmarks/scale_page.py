"""docs/scale.md from the figures of ``scale.py``: what was measured, and what follows from it."""

import json
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "scale.md"
ROWS, DX, DY = 1_000_000_000, 768, 1024
SHARD_BYTES = 256 << 20
#: Assumptions, not measurements: list prices of a large cloud in US dollars.
PRICES = {
    "a core for an hour": 0.05,
    "1,000 PUT requests": 0.005,
    "1,000 GET requests": 0.0004,
    "a GB to another region": 0.02,
    "a GB to the internet": 0.09,
    "a GB kept for a month": 0.023,
}


def write_page(data: dict) -> None:
    figures = data["figures"]
    parts = (_engines(), _measured(data, figures), _elsewhere(), _postgres(),
             _low_precision(figures["precision"]), _billion(figures))  # fmt: skip
    PAGE.write_text("\n\n".join(parts) + "\n")


def _engines() -> str:
    return """# Engines and scale

Written by `benchmarks/scale.py` from [scale.json](../benchmarks/results/scale.json).

A translation is a pure function from a range of source rows to a shard with a fixed name, and one
commit of a manifest. A fit from moments is a sum that may be taken in any order. So both run
anywhere, and end with the same bytes:

```python
import isthmus
from isthmus.engine import Processes, Ray

if __name__ == "__main__":
    bridge = isthmus.fit("old.npy", "new.npy", method="affine", engine=Processes())
    isthmus.translate("old.npy", bridge, "moved/", engine=Processes(workers=8))
    isthmus.translate("old.npy", bridge, "moved/", engine=Ray("10.0.0.1:6379"))
```

    isthmus translate old.npy -b b.isthmus -o moved --engine processes --workers 8
    RAY_ADDRESS=10.0.0.1:6379 isthmus translate old.npy -b b.isthmus -o moved --engine ray

| engine | is | take it when |
|---|---|---|
| `Threads` | this process; one thread reads and writes, the others multiply | by default |
| `Processes` | workers of one core each | one reader cannot feed all cores, or the bridge is slow |
| `Ray` | the same tasks on a cluster (`pip install 'isthmus[ray]'`) | one machine is not enough |

On the last two each worker opens source and bridge by path and writes its own shards: no vector
passes through the driver. The source must therefore lie in a file or folder, on a cluster one that
every node sees under the same path: `isthmus upgrade`, between databases, is one process. A fit
takes an engine from Python alone; the command `isthmus fit` has none. A worker that is killed is
replaced and its shard written anew; when the driver is killed, the same command goes on after the
last finished shard, on any engine. What a fit needs besides moments (pairing, the check for NaN,
the proof on held-out pairs) is done in the driver, streaming. Bytes are equal between machines of
one kind; another processor's arithmetic may round a last bit differently."""


def _measured(data: dict, figures: dict) -> str:
    compute, wide, fit = figures["compute"], figures["wide"], figures["fit_moments"]
    gigabytes = 2 * _bytes(wide["rows"], 384, 4) / 1e9
    times = [
        ("a raw copy of the source, fsynced", wide["copy_s"]),
        ("threads", wide["threads-2_s"]),
        ("two processes", wide["processes-2_s"]),
        ("two workers of a Ray that runs already", wide["ray-2_s"]),
    ]
    lines = [
        f"## Measured, on {data['cores']} cores",
        "Times are medians, with least and most, of runs side by side; those of processes hold the "
        "start of their workers. The machine's load average before was "
        f"{figures['load_before']:.1f}; with other work on it the figures mean little.",
        f"Bound by arithmetic: {compute['rows']:,} x 768 float32 to 1024 float16. One worker "
        f"{_span(compute['one_worker_s'])} s, two {_span(compute['two_workers_s'])} s: "
        f"**{_span(compute['two_workers_times_one'])} times as fast**; "
        f"{compute['start_of_two_s']:.1f} s are their start. The bare product runs at "
        f"{compute['product_gflops_per_core']:.0f} GFLOP/s a core.",
        f"Bound by the disk: {wide['rows']:,} x 384 float32 to 384 float32, {gigabytes:.1f} GB "
        "read and written.",
        "| | s |\n|---|---|\n" + "\n".join(f"| {what} | {_span(s)} |" for what, s in times),
        f"Two processes run at **{_span(wide['processes_rate_of_copy'])} of the raw copy's rate**; "
        f"Ray takes **{_span(wide['ray_time_of_processes'])} times** as long as the processes, and "
        f"{wide['ray_start_s']:.1f} s to start.",
        _memory(wide, figures["ids_in_the_driver"]["bytes_per_id"]),
        f"Fit: moments of {fit['rows']:,} pairs of 384 dimensions, one core in one pass "
        f"{_span(fit['one_pass_s'])} s, two workers {_span(fit['two_workers_s'])} s "
        f"({_span(fit['two_workers_times_one_pass'])} times as fast); the largest difference is "
        f"{fit['largest_difference_of_largest_entry']:.0e} of the largest entry.",
    ]
    return "\n\n".join(lines)


def _memory(wide: dict, ids: float) -> str:
    rows = wide["rows"]
    whole, part = wide["worker_peak_mb"], wide["worker_peak_mb_at_a_quarter_of_the_rows"]
    lines = [
        f"| {name} | {part[f'{key}-2']:.0f} | {whole[f'{key}-2']:.0f} |"
        for name, key in (("a process", "processes"), ("a worker of Ray", "ray"))
    ]
    return (
        "The most memory a worker held, in MB, does not depend on the number of rows; that of the "
        f"driver grows by ids of its own, {ids:.0f} bytes each:\n\n"
        f"| | {rows // 4:,} rows | {rows:,} rows |\n|---|---|---|\n" + "\n".join(lines)
    )


def _elsewhere() -> str:
    path = Path(__file__).parent / "results" / "scale-elsewhere.json"
    figures = json.loads(path.read_text())["figures"]
    compute, wide = figures["compute"], figures["wide"]
    threads = wide["copy_s"]["median"] / wide["threads-2_s"]["median"]
    return f"""## The same on a slower machine

[Another run](../benchmarks/results/{path.name}), of later code, on two cores of a processor without
int8 products. Bound by arithmetic, two workers are {_span(compute["two_workers_times_one"])} times
as fast as one, {compute["start_of_two_s"]:.1f} s of it their start. Its disk copies faster than two
of its cores map, so that nothing is bound by the disk: threads run at {threads:.2f} of the raw
copy's rate, two processes at {_span(wide["processes_rate_of_copy"])} (0.8 was wanted), and Ray
takes {_span(wide["ray_time_of_processes"])} times as long as the processes."""


def _postgres() -> str:
    found = json.loads((Path(__file__).parent / "results" / "pgvector.json").read_text())["figures"]
    narrow, wide = found["dim"], found["wider"]
    rates = (
        (f"gathered beside the table, where psql writes {narrow} back", "carry_ratio_to_psql"),
        ("the same, with the move into a column of it", "carry_and_finish_ratio_to_psql"),
        (f"gathered, where psql writes {wide} back too", "carry_ratio_to_psql_that_writes_512"),
        (f"gathered, and psql in text, writing {narrow}", "carry_ratio_to_psql_text"),
    )
    table = "\n".join(f"| {what} | {_span(found[key])} |" for what, key in rates)
    back, wider, carry, move = (
        f"{found[key]['median']:.1f} s" for key in ("in_s", "in_wider_s", "carry_s", "finish_s")
    )
    return f"""## A table of PostgreSQL

From [pgvector.json](../benchmarks/results/pgvector.json), another run: `benchmarks/pgvector.py`.
{found["rows"]:,} rows of {narrow} dimensions are read, mapped to {wide} and written, against psql's
binary COPY of the same rows out and in.

| | rate of psql |
|---|---|
{table}

Asked was 0.6 of psql's rate on the same rows; the first two rows miss it. Three things stand in the
way. Vectors of {wide} dimensions are more than PostgreSQL keeps within a row: psql itself takes
{wider} to write them, and {back} those of {narrow}. They are mapped in float64, so that a row's
bits do not depend on its neighbours. And the move is an UPDATE of every row: {move}, after {carry}
for all before it."""


def _low_precision(found: dict) -> str:
    head = "## Lower precision"
    if "measured" in found:
        return f"{head}\n\nNot measured: {found['measured']}."
    lines = []
    for name in ("bfloat16", "int8"):
        has = "has" if found["processor_has"][name] else "**has no**"
        lines.append(
            f"- {name}: the processor {has} instructions for it. "
            f"{found[f'{name}_times_float32']:.2f} times as fast as float32, at a relative error "
            f"of {found[f'{name}_relative_error']:.1e}."
        )
    return (
        f"{head}\n\nOne core's map 768 -> 1024, rows rounded on the way included, against "
        f"NumPy's float32 (relative error {found['float32_relative_error']:.0e}):\n\n"
        + "\n".join(lines)
        + "\n\n`translate` has no such option: the product is but a part of a translation, and the "
        "one int8 product that PyTorch offers on processors is a private function of it."
    )


def _billion(figures: dict) -> str:
    compute, wide = figures["compute"], figures["wide"]
    busy = compute["two_workers_s"]["median"] - compute["start_of_two_s"]
    rate = compute["rows"] / busy / 2
    hours = ROWS / rate / 3600
    read, written = _bytes(ROWS, DX, 4), _bytes(ROWS, DY, 2)
    shards = -(-written // SHARD_BYTES)
    need = (read + written) / ROWS * rate / 1e6
    copy = 2 * _bytes(wide["rows"], 384, 4) / wide["copy_s"]["median"] / 1e9
    ids = figures["ids_in_the_driver"]["bytes_per_id"]
    memory = max(wide["worker_peak_mb"].values())
    fit = figures["fit_moments"]
    more = DX * (DX + DY) / (384 * (384 + 384))
    fit_hours = 2 * fit["two_workers_s"]["median"] / fit["rows"] * ROWS * more / 3600
    gets = -(-read // SHARD_BYTES)
    bill = [
        ("cores", hours, "a core for an hour"),
        ("requests to write", shards / 1000, "1,000 PUT requests"),
        ("requests to read, 256 MiB each", gets / 1000, "1,000 GET requests"),
        ("traffic inside a region", 0, None),
        ("source from another region", read / 1e9, "a GB to another region"),
        ("result out to the internet", written / 1e9, "a GB to the internet"),
        ("a second copy kept for a month", written / 1e9, "a GB kept for a month"),
    ]
    rows = [
        ("rows a second and worker", f"{rate:,.0f}", "measured with two, their start taken off"),
        ("disk, read and written together", f"{copy:.2f} GB/s", "measured"),
        ("memory of a worker", f"{memory:.0f} MB", "measured, at any number of rows"),
        ("memory of the driver for ids of its own (virtual ids: none)",
         f"{ids * ROWS / 1e9:.0f} GB", f"extrapolated from {ids:.0f} bytes an id measured"),
        ("bytes read (float32)", f"{read / 1e12:.2f} TB", "arithmetic"),
        ("bytes written (float16)", f"{written / 1e12:.2f} TB in {shards:,} shards", "arithmetic"),
        ("core hours", f"{hours:,.1f}", "extrapolated: rows over rate"),
        ("hours on 2 workers", f"{hours / 2:,.1f}", "extrapolated"),
        ("hours on 64 workers", f"{hours / 64:,.2f}",
         f"extrapolated, if storage gives {64 * need / 1e3:,.1f} GB/s"),
        ("core hours to fit on all pairs", f"{fit_hours:,.1f}",
         f"extrapolated, {more:.1f} times the arithmetic of what was measured"),
    ]  # fmt: skip
    table = "| | | |\n|---|---|---|\n" + "\n".join(f"| {a} | {b} | {c} |" for a, b, c in rows)
    costs = "| | amount | dollars |\n|---|---|---|\n" + "\n".join(
        f"| {what} | {amount:,.1f} x {unit} ({PRICES[unit]}) | {amount * PRICES[unit]:,.2f} |"
        if unit else f"| {what} | | 0 |"
        for what, amount, unit in bill
    )  # fmt: skip
    return f"""## A billion vectors of 768 dimensions

To 1024 dimensions, float32 read and float16 written. Nothing of this size was run here: the last
column tells apart what was measured and what follows from it.

{table}

Dollars, at prices that are assumptions (in brackets; a large cloud's list prices, to be replaced by
your own):

{costs}

Isthmus reads and writes files. An object store comes in through a mount, or a copy to local disks,
whose traffic is the table's. More workers than storage can feed change nothing: each asks for
{need:.0f} MB/s."""


def _bytes(rows: int, dim: int, size: int) -> int:
    return rows * dim * size


def _span(values: dict) -> str:
    if values["min"] == values["max"]:
        return f"{values['median']:.2f}"
    return f"{values['median']:.2f} ({values['min']:.2f} to {values['max']:.2f})"
