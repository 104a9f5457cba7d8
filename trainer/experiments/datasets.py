"""The paper's protocols on its own data: Human3.6M, MPI-INF-3DHP, SportCenter.

The data is given by ``--data DIR``; what is missing is said in one line, with the expected layout,
before anything is trained. Only here the paper's figures stand beside ours, since only here the
data is the paper's; a small network's figures are named as such.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from core.errors import DataError
from core.learning.data import human36m, mpi_inf_3dhp, open_data, sportcenter
from trainer.experiments.bench import RUN_SETTINGS, HeldOutBench
from trainer.experiments.published import (
    SINGLE_VIEW,
    SPORTCENTER_NEWER,
    TABLE2_MULTI_VIEW,
    TABLE2_SINGLE_VIEW,
)
from trainer.experiments.report import Report, write_report
from trainer.experiments.rows import TABLE2_ROWS, rows_of
from trainer.experiments.study import Source
from trainer.experiments.table2 import introduction
from trainer.experiments.tables import add_tables, plot_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from core.learning.data import PoseData
    from core.project.runs.config import TrainConfig
    from core.project.runs.folder import RunFolder
    from trainer.experiments.published import Triple
    from trainer.experiments.request import Request
    from trainer.experiments.rows import Row
    from trainer.experiments.tables import Results

PROTOCOLS = {
    "h36m": ("h36m-10pct", "h36m-s1"),
    "mpi-inf-3dhp": ("3dhp-s1",),
    "sportcenter": ("sportcenter",),
}
# What runs of a protocol are measured on as well, where it is there.
TEST_PROTOCOLS = {"3dhp-s1": "3dhp-test"}
LAYOUTS = {
    "h36m": human36m.LAYOUT,
    "h36m-10pct": human36m.LAYOUT,
    "h36m-s1": human36m.LAYOUT,
    "3dhp-s1": mpi_inf_3dhp.LAYOUT,
    "sportcenter": sportcenter.LAYOUT,
}
_TITLES = {
    "h36m": "Table 1: Human3.6M",
    "mpi-inf-3dhp": "Table 3: MPI-INF-3DHP",
    "sportcenter": "Table 2: SportCenter",
}
_SMALL = (
    "pretrain.heatmap_weight=1",
    "finetune.learning_rate=1e-4",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetOptions:
    """The experiment's own options, ``--set EXPERIMENT.NAME=VALUE``.

    Attributes:
        rows: keys of `trainer.experiments.rows.ROWS`; empty = the paper's, and the controls.
        protocols: those to do, with commas between; empty = all of the data set.
    """

    rows: str = ""
    protocols: str = ""


def data_source(request: Request, protocol: str) -> Source:
    """The source of a data set given by ``--data``, with the settings of the preset.

    Raises:
        DataError: no folder was given.
    """
    if request.data is None and not any("data.source=" in one for one in request.settings):
        raise DataError(
            f"trilabel experiment {request.name}",
            "--data",
            expected=f"a folder with {LAYOUTS[protocol]}",
            found="none",
            remedy="Give it: --data DIR.",
        )
    folder = () if request.data is None else (f"data.source={request.data}",)
    small = _SMALL if request.preset == "cpu" else ()
    return Source(
        project_dir=None,
        labels_db=None,
        settings=(f"data.protocol={protocol}", *folder, *RUN_SETTINGS, *small),
    )


def run(request: Request) -> None:
    """Every protocol of the data set.

    Raises:
        DataError: the data is not there, or an option is wrong.
        CommandRefusedError: a training failed.
    """
    started = time.monotonic()
    name = request.name
    options = request.own(name, DatasetOptions())
    usual = TABLE2_ROWS if name == "sportcenter" else "supervised,ours,consensus"
    rows = rows_of(options.rows or usual)
    wanted = [part.strip() for part in options.protocols.split(",") if part.strip()]
    benches = {
        protocol: HeldOutBench(request, data_source(request, protocol), (name,))
        for protocol in _checked(name, wanted) or PROTOCOLS[name]
    }
    report = Report(_TITLES[name])
    if request.preset == "cpu":
        report.text(
            "**Small networks and few steps**: the data is the paper's, the networks are not. Its "
            "figures stand beside ours for orientation; `--preset gpu` has the paper's networks."
        )
    written: dict[str, Results] = {}
    for protocol, bench in benches.items():
        bench.expect(rows)
        starts, runs = bench.train(rows)
        measured = {
            row.key: [bench.measure(runs[seed, row.key], starts[seed]) for seed in request.seeds]
            for row in rows
        }
        first = [bench.measure(starts[seed], starts[seed]) for seed in request.seeds]
        results: Results = {key: [one.report for one in ones] for key, ones in measured.items()}
        report.section(f"Protocol {protocol}")
        report.text(*introduction(bench, rows, starts[request.seeds[0]], first))
        report.image(plot_rows(rows, results, request.out, protocol), f"MPJPE by row, {protocol}")
        add_tables(report, rows, results, published=published(name, protocol))
        written[protocol] = results
        if protocol in TEST_PROTOCOLS:
            written |= measured_on_test_sets(report, request, bench, rows, starts, runs)
        bench.progress.finish(f"Measured {protocol}")
    if name == "sportcenter":
        report.text(SPORTCENTER_NEWER)
    configuration = {
        name: asdict(options),
        "protocols": {key: asdict(bench.study.base) for key, bench in benches.items()},
        "rows": {row.key: list(row.settings) for row in rows},
    }
    write_report(request, report, dict(written), configuration, time.monotonic() - started)


class TestSetBench(HeldOutBench):
    """Runs of one protocol, measured on the test sets of another, with one view each."""

    def __init__(self, trained: HeldOutBench, request: Request, protocol: str) -> None:
        """Take the runs of `trained`.

        Raises:
            DataError: the test sets are not there.
        """
        self._protocol = protocol
        super().__init__(request, trained.study.source, (request.name,))
        self.progress = trained.progress
        with self._opened(self.study.base) as data:
            self._told = data.name

    def data(self, run: RunFolder) -> PoseData:
        """The test sets."""
        return self._opened(run.config)

    def _opened(self, config: TrainConfig) -> PoseData:
        return open_data(replace(config.data, protocol=self._protocol, cameras=()))


def measured_on_test_sets(
    report: Report,
    request: Request,
    trained: HeldOutBench,
    rows: Sequence[Row],
    starts: Mapping[int, RunFolder],
    runs: Mapping[tuple[int, str], RunFolder],
) -> dict[str, Results]:
    """Measure the rows on the published test sets, which the paper's figures are about."""
    (protocol,) = TEST_PROTOCOLS.values()
    report.section(f"Protocol {protocol}")
    try:
        bench = TestSetBench(trained, request, protocol)
    except DataError as error:
        report.text(f"Not measured, so none of the paper's figures stand here: {error}")
        return {}
    results: Results = {
        row.key: [bench.measure(runs[seed, row.key], starts[seed]).report for seed in request.seeds]
        for row in rows
    }
    report.text(f"Data: {bench.told()}; the same runs. One view each, so single-view figures only.")
    add_tables(report, rows, results, published=published(request.name, protocol))
    return {protocol: results}


def _checked(name: str, wanted: list[str]) -> list[str]:
    """Protocols that were asked for.

    Raises:
        DataError: one of them is not of this data set.
    """
    for protocol in wanted:
        if protocol not in PROTOCOLS[name]:
            raise DataError(
                f"--set {name}.protocols",
                expected=f"some of {', '.join(PROTOCOLS[name])}",
                found=repr(protocol),
                remedy="Write their names with commas between.",
            )
    return wanted


def published(name: str, protocol: str) -> dict[str, dict[str, Triple]]:
    """The paper's figures of a protocol: way → row → MPJPE, NMPJPE, PMPJPE."""
    if name == "sportcenter":
        return {"multi_view": TABLE2_MULTI_VIEW, "single_view": TABLE2_SINGLE_VIEW}
    return {"single_view": {"ours": SINGLE_VIEW[protocol]}} if protocol in SINGLE_VIEW else {}
