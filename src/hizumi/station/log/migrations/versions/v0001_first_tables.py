"""Inspections, reviews, audit trail, deliveries, files taken, alarms and states."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the first tables."""
    op.create_table(
        "alarms",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("recipe", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_by", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_alarms_raised_at", "alarms", ["raised_at"], unique=False)
    op.create_table(
        "audit",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("happened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("ix_audit_happened_at", "audit", ["happened_at"], unique=False)
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("sink", sa.Text(), nullable=False),
        sa.Column("inspection_id", sa.String(length=64), nullable=True),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("abandoned_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_deliveries_sink_retry_at", "deliveries", ["sink", "retry_at"], unique=False)
    op.create_table(
        "inspections",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("inspected_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("recipe", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("part", sa.Text(), nullable=False),
        sa.Column("view", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("picture_sha256", sa.String(length=64), nullable=False),
        sa.Column("bundle_sha256", sa.String(length=64), nullable=False),
        sa.Column("anomalous", sa.Boolean(), nullable=True),
        sa.Column("score", sa.Double(), nullable=True),
        sa.Column("p_value", sa.Double(), nullable=True),
        sa.Column("threshold", sa.Double(), nullable=True),
        sa.Column("latency_ms", sa.Double(), nullable=False),
        sa.Column("map_key", sa.String(length=80), nullable=True),
        sa.Column("normal_key", sa.String(length=80), nullable=True),
        sa.Column("sampled", sa.Boolean(), nullable=False),
        sa.Column("pruned_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("details", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_inspections_inspected_at", "inspections", ["inspected_at"], unique=False)
    op.create_index("ix_inspections_map_key", "inspections", ["map_key"], unique=False)
    op.create_index("ix_inspections_normal_key", "inspections", ["normal_key"], unique=False)
    op.create_index("ix_inspections_picture_sha256", "inspections", ["picture_sha256"], unique=False)
    op.create_index("ix_inspections_recipe_id", "inspections", ["recipe", "id"], unique=False)
    op.create_table(
        "states",
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "taken",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("inspection_id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("source", "key"),
    )
    op.create_table(
        "reviews",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("inspection_id", sa.String(length=64), nullable=False),
        sa.Column("label", sa.String(length=16), nullable=True),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("regions", sa.Text(), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["inspection_id"],
            ["inspections.id"],
        ),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("ix_reviews_inspection_id_number", "reviews", ["inspection_id", "number"], unique=False)
    op.create_index("ix_reviews_made_at", "reviews", ["made_at"], unique=False)


def downgrade() -> None:
    """Drop them."""
    op.drop_index("ix_reviews_made_at", table_name="reviews")
    op.drop_index("ix_reviews_inspection_id_number", table_name="reviews")
    op.drop_table("reviews")
    op.drop_table("taken")
    op.drop_table("states")
    op.drop_index("ix_inspections_recipe_id", table_name="inspections")
    op.drop_index("ix_inspections_picture_sha256", table_name="inspections")
    op.drop_index("ix_inspections_normal_key", table_name="inspections")
    op.drop_index("ix_inspections_map_key", table_name="inspections")
    op.drop_index("ix_inspections_inspected_at", table_name="inspections")
    op.drop_table("inspections")
    op.drop_index("ix_deliveries_sink_retry_at", table_name="deliveries")
    op.drop_table("deliveries")
    op.drop_index("ix_audit_happened_at", table_name="audit")
    op.drop_table("audit")
    op.drop_index("ix_alarms_raised_at", table_name="alarms")
    op.drop_table("alarms")
