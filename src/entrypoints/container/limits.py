"""Settlements of this process, and the care for limits that dead ones left behind."""

from adapters.journal.settlement_log import FileDeadSettlementLogs, FileSettlementLog
from application.gateway.limit_gate import LimitGate
from application.gateway.limit_settlements import LimitSettlements
from application.jobs.adopt_settlements import AdoptSettlements
from application.jobs.deliver_settlements import DeliverSettlements
from application.jobs.keep_reservations import KeepReservations
from application.jobs.sweep_reservations import SweepReservations
from entrypoints.container.process import Process


def open_settlements(process: Process, gate: LimitGate) -> LimitSettlements:
    """Open the way of settlements to the limit store, and the heartbeat until they come."""
    log_file = FileSettlementLog.create(process.settlements_dir, process.instance)
    settlements = LimitSettlements(log_file, process.clock)
    deliver = DeliverSettlements(
        settlements,
        process.limit_store,
        process.alerts,
        clock=process.clock,
        randomness=process.randomness,
        note_failure=gate.note_failure,
    )
    keep = KeepReservations(settlements, process.limit_store, note_failure=gate.note_failure)
    process.drains.first(deliver.drain)
    process.drains.at_the_end(log_file.shut)
    process.tasks.run_forever("deliver-settlements", deliver.run)
    process.tasks.run_forever("keep-reservations", keep.run)
    return settlements


def tend_limits(process: Process) -> None:
    """Run what every process does for the limits of processes that died."""
    adopt = AdoptSettlements(
        FileDeadSettlementLogs(process.settlements_dir),
        process.limit_store,
        process.alerts,
        clock=process.clock,
        randomness=process.randomness,
    )
    sweep = SweepReservations(
        process.limit_store, process.bus(), process.alerts, clock=process.clock
    )
    process.drains.then(adopt.drain)
    process.drains.then(sweep.drain)
    process.drains.then(process.alerts.drain)
    process.tasks.run_forever("budget-alerts", process.alerts.run)
    process.tasks.run_forever("adopt-settlements", adopt.run)
    process.tasks.run_forever("sweep-reservations", sweep.run)
