"""What a station remembers, in SQLite or PostgreSQL."""

from hizumi.station.log.filters import Filter as Filter
from hizumi.station.log.log import Log as Log
from hizumi.station.log.records import (
    LONGEST_REST as LONGEST_REST,
    Alarm as Alarm,
    AuditEvent as AuditEvent,
    Counts as Counts,
    Delivery as Delivery,
    Label as Label,
    Page as Page,
    Review as Review,
    Taken as Taken,
)
