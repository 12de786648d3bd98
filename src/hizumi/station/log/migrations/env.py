"""What Alembic runs: the migrations, inside the transaction of whoever called it."""

from alembic import context

from hizumi.station.log.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,  # SQLite has it too, where transactions are begun by hand
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
