"""The entities say what the migrations make."""

from __future__ import annotations

import importlib
import pkgutil

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

import netra.models
from netra.models.base import Base
from netra.settings import Settings
from netra.store import migrate, postgres
from tests.unit.store import functions


def test_entities_and_migrations_agree(store_settings: Settings) -> None:
    for module in pkgutil.iter_modules(netra.models.__path__):
        importlib.import_module(f"netra.models.{module.name}")
    engine = create_engine(postgres.dsn(store_settings.database).replace("://", "+psycopg://", 1))
    try:
        with engine.connect() as connection:
            differences = compare_metadata(MigrationContext.configure(connection), Base.metadata)
    finally:
        engine.dispose()
    assert differences == [] or _only_versions(differences)


def _only_versions(differences: list[object]) -> bool:
    """Alembic's own table is no entity."""
    return all("alembic_version" in repr(difference) for difference in differences)


def test_migrating_again_changes_nothing(store_settings: Settings) -> None:
    migrate.migrate_postgres(store_settings)
    with postgres.connect(store_settings.database, "test") as connection:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    assert row == {"version_num": migrate.head()}


def test_every_table_names_its_tenant(store_settings: Settings) -> None:
    with postgres.connect(store_settings.database, "test") as connection:
        rows = connection.execute(
            "SELECT t.table_name FROM information_schema.tables t"
            " WHERE t.table_schema = 'public' AND NOT EXISTS ("
            "   SELECT 1 FROM information_schema.columns c WHERE c.table_name = t.table_name"
            "   AND c.table_schema = 'public' AND c.column_name = 'tenant_id')"
        ).fetchall()
    # Workers serve every tenant; the tenants table is the tenants; facts in the outbox name theirs.
    others = {"alembic_version", "tenants", "workers", "outbox"}
    assert {row["table_name"] for row in rows} == others


def test_functions_have_the_text_that_the_page_points_to(store_settings: Settings) -> None:
    with postgres.connect(store_settings.database, "test") as connection:
        rows = connection.execute(
            "SELECT proname, prosrc FROM pg_proc WHERE starts_with(proname, 'netra_')"
        ).fetchall()
    files = dict(functions.named())
    assert {row["proname"] for row in rows} == set(files)
    place = importlib.import_module("netra.store.migrations.postgres.versions.0004_place")
    for row in rows:
        name, text = row["proname"], row["prosrc"]
        wanted = functions.bodies(name, files[name])
        if name == "netra_requeue":
            wanted = [body.replace(place._NEW_PLACE, "run_at") for body in wanted]
        # PostgreSQL keeps no text of a function whose body is a bare RETURN.
        assert text in wanted or not (text or wanted), name
