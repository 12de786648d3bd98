"""Tables of the log; a change here needs a migration, which a test compares with them."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, MetaData, String, Table

from hizumi.station.log.columns import Json, Key, Moment, Number, Words

ID = Key(64)
SERIAL = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up INTEGER alone

metadata = MetaData()

inspections = Table(
    "inspections",
    metadata,
    Column("id", ID, primary_key=True),
    Column("inspected_at", Moment, nullable=False, index=True),
    Column("station", Words, nullable=False),
    Column("recipe", Words, nullable=False),
    Column("source", Words, nullable=False),
    Column("part", Words, nullable=False),
    Column("view", Words, nullable=False),
    Column("name", Words, nullable=False),
    Column("picture_sha256", ID, nullable=False, index=True),
    Column("bundle_sha256", ID, nullable=False),
    Column("anomalous", Boolean),
    Column("score", Number),
    Column("p_value", Number),
    Column("threshold", Number),
    Column("latency_ms", Number, nullable=False),
    Column("map_key", Key(80), index=True),
    Column("normal_key", Key(80), index=True),
    Column("sampled", Boolean, nullable=False),
    Column("pruned_at", Moment),
    Column("details", Json, nullable=False),
    Index("ix_inspections_recipe_id", "recipe", "id"),
)

reviews = Table(
    "reviews",
    metadata,
    Column("number", SERIAL, primary_key=True, autoincrement=True),
    Column("inspection_id", ID, ForeignKey("inspections.id"), nullable=False),
    Column("label", String(16)),
    Column("who", Words, nullable=False),
    Column("kind", Words, nullable=False),
    Column("note", Words, nullable=False),
    Column("regions", Json),
    Column("made_at", Moment, nullable=False, index=True),
    Index("ix_reviews_inspection_id_number", "inspection_id", "number"),
)

audit = Table(
    "audit",
    metadata,
    Column("number", SERIAL, primary_key=True, autoincrement=True),
    Column("happened_at", Moment, nullable=False, index=True),
    Column("who", Words, nullable=False),
    Column("what", Words, nullable=False),
    Column("why", Words, nullable=False),
    Column("details", Json, nullable=False),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", ID, primary_key=True),
    Column("sink", Words, nullable=False),
    Column("inspection_id", ID),
    Column("payload", Json, nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("retry_at", Moment, nullable=False),
    Column("error", Words, nullable=False),
    Column("abandoned_at", Moment),
    Index("ix_deliveries_sink_retry_at", "sink", "retry_at"),
)

# A key may be longer than an index of PostgreSQL takes: its SHA-256 is kept.
taken = Table(
    "taken",
    metadata,
    Column("source", Words, primary_key=True),
    Column("key", ID, primary_key=True),
    Column("inspection_id", ID, nullable=False),
)

alarms = Table(
    "alarms",
    metadata,
    Column("id", ID, primary_key=True),
    Column("recipe", Words, nullable=False),
    Column("words", Words, nullable=False),
    Column("details", Json, nullable=False),
    Column("raised_at", Moment, nullable=False, index=True),
    Column("acknowledged_at", Moment),
    Column("acknowledged_by", Words),
    Column("note", Words),
    Column("ended_at", Moment),
)

states = Table(
    "states",
    metadata,
    Column("key", Key(200), primary_key=True),
    Column("value", Json, nullable=False),
)
