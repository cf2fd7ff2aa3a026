"""What a PostgreSQL is asked of itself: every statement, with what it takes for granted."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import LiteralString

# What the role may do beyond looking, itself or by a role that it may become. A superuser is a member of every role.
PRIVILEGES: LiteralString = """
SELECT r.rolname::text AS name, r.rolsuper AS "SUPERUSER", r.rolcreaterole AS "CREATEROLE",
       r.rolcreatedb AS "CREATEDB", r.rolreplication AS "REPLICATION", r.rolbypassrls AS "BYPASSRLS",
       r.rolname = session_user AS own
  FROM pg_catalog.pg_roles AS r
 WHERE (pg_has_role(session_user, r.oid, 'MEMBER') OR pg_has_role(current_user, r.oid, 'MEMBER'))
   AND (r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls
        OR r.rolname::text = ANY(%(powerful)s::text[]))
 ORDER BY r.rolname <> session_user, r.rolname
"""
ATTRIBUTES = ("CREATEROLE", "CREATEDB", "REPLICATION", "BYPASSRLS")
POWERFUL = (
    "pg_checkpoint",
    "pg_create_subscription",
    "pg_execute_server_program",
    "pg_maintain",
    "pg_read_server_files",
    "pg_signal_backend",
    "pg_write_all_data",
    "pg_write_server_files",
)

# Who answers, when, and whether this role sees the sessions of others: without that their columns are NULL, not absent.
IDENTITY: LiteralString = """
SELECT current_setting('server_version') AS version, clock_timestamp() AS at, current_database()::text AS database,
       pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS sees_all
"""

# Bytes of the database that is asked, with all that belongs to it. Takes no lock.
SIZE: LiteralString = "SELECT pg_database_size(current_database()) AS size"

# The largest tables with indexes and TOAST. Waits for tables that are locked exclusively, up to the lock timeout.
TABLES: LiteralString = """
SELECT name, size
  FROM (SELECT n.nspname || '.' || c.relname AS name, pg_total_relation_size(c.oid) AS size
          FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
           AND n.nspname NOT LIKE 'pg\\_t%%') AS sized
 WHERE size IS NOT NULL
 ORDER BY size DESC, name LIMIT %(most)s
"""
LARGEST = 10

# Client connections by state, each state with what is usable; reserved_connections is new in version 16.
CONNECTIONS: LiteralString = """
SELECT coalesce(a.state, 'starting') AS state, count(a.pid)::int AS sessions,
       current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
         - coalesce(current_setting('reserved_connections', true), '0')::int AS usable
  FROM pg_catalog.pg_stat_activity AS a
 WHERE a.backend_type = 'client backend'
 GROUP BY a.state, usable
"""

# The oldest open transaction of a client, and those whose client is silent in the middle of one.
TRANSACTIONS: LiteralString = """
SELECT pid, extract(epoch FROM clock_timestamp() - xact_start)::float8 AS seconds,
       state LIKE 'idle in transaction%%' AS idle,
       extract(epoch FROM clock_timestamp() - state_change)::float8 AS silent
  FROM pg_catalog.pg_stat_activity
 WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid() AND backend_type = 'client backend'
 ORDER BY xact_start
"""

# Sessions that wait for a heavyweight lock and who holds it. `waitstart` is new in version 14, and through JSON it may
# be absent; before, the wait is at most as long as the statement.
BLOCKED: LiteralString = """
SELECT a.pid, pg_blocking_pids(a.pid)::int[] AS by, coalesce(a.wait_event, 'lock') AS waits_for,
       extract(epoch FROM clock_timestamp()
         - coalesce(min((to_jsonb(l) ->> 'waitstart')::timestamptz), a.query_start))::float8 AS seconds
  FROM pg_catalog.pg_stat_activity AS a
  LEFT JOIN pg_catalog.pg_locks AS l ON l.pid = a.pid AND NOT l.granted
 WHERE a.wait_event_type = 'Lock'
 GROUP BY a.pid, a.wait_event, a.query_start
 ORDER BY seconds DESC NULLS LAST LIMIT 20
"""

# Blocks found in shared buffers, and those that were not.
CACHE: LiteralString = """
SELECT blks_hit AS hit, blks_read AS read, stats_reset AS since
  FROM pg_catalog.pg_stat_database WHERE datname = current_database()
"""

# In which schema pg_stat_statements is, if it is.
STATEMENTS_HOME: LiteralString = """
SELECT n.nspname::text AS home
  FROM pg_catalog.pg_extension AS e JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace
 WHERE e.extname = 'pg_stat_statements'
"""

# The statements of this database that took the most time; one that several roles run is one. Times are milliseconds.
STATEMENTS: LiteralString = """
SELECT queryid::text AS id, CASE WHEN %(texts)s::bool THEN min(query) ELSE '' END AS text, sum(calls)::bigint AS calls,
       sum(total_exec_time)::float8 / 1000 AS total,
       (sum(total_exec_time) / nullif(sum(calls), 0))::float8 / 1000 AS mean
  FROM {home}.pg_stat_statements
 WHERE dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()) AND queryid IS NOT NULL
 GROUP BY queryid ORDER BY total DESC LIMIT %(most)s
"""
SLOWEST = 5

# Whether this is a standby, and how far behind. A standby that is not connected has always replayed all it was sent.
STANDBY: LiteralString = """
SELECT pg_is_in_recovery() AS standby, w.streaming,
       CASE WHEN NOT pg_is_in_recovery() THEN NULL
            WHEN w.streaming AND pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
            ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8 END AS behind
  FROM (SELECT count(*) FILTER (WHERE status = 'streaming') > 0 AS streaming
          FROM pg_catalog.pg_stat_wal_receiver) AS w
"""

# Who receives the log. A replica that has replayed all for a while has no lag in time: NULL means 0 then.
REPLICAS: LiteralString = """
SELECT name, state, CASE WHEN seconds IS NULL AND size = 0 THEN 0 ELSE seconds END AS seconds, size
  FROM (SELECT coalesce(nullif(application_name, ''), pid::text) AS name, coalesce(state, '') AS state,
               extract(epoch FROM replay_lag)::float8 AS seconds,
               pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn()
                                    ELSE pg_current_wal_lsn() END, replay_lsn)::bigint AS size
          FROM pg_catalog.pg_stat_replication) AS r
 ORDER BY name
"""

# Slots and what is kept for them, which is how a replica that is gone fills a disk.
SLOTS: LiteralString = """
SELECT slot_name::text AS name, active,
       pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn()
                            ELSE pg_current_wal_lsn() END, restart_lsn)::bigint AS retained
  FROM pg_catalog.pg_replication_slots ORDER BY slot_name
"""

# The database whose oldest row was frozen longest ago: transaction ids are reused after 2^31.
TRANSACTION_AGE: LiteralString = """
SELECT datname::text AS database, age(datfrozenxid) AS age,
       current_setting('autovacuum_freeze_max_age')::int AS freeze_at
  FROM pg_catalog.pg_database ORDER BY age(datfrozenxid) DESC LIMIT 1
"""

# How the archiving of the log goes.
ARCHIVER: LiteralString = """
SELECT current_setting('archive_mode') <> 'off' AS on, archived_count AS archived, failed_count AS failed,
       last_archived_time AS last_archived, last_failed_time AS last_failed
  FROM pg_catalog.pg_stat_archiver
"""

QUERIES: Mapping[str, LiteralString] = MappingProxyType(
    {
        "privileges": PRIVILEGES,
        "identity": IDENTITY,
        "size": SIZE,
        "tables": TABLES,
        "connections": CONNECTIONS,
        "transactions": TRANSACTIONS,
        "blocked": BLOCKED,
        "cache": CACHE,
        "statements_home": STATEMENTS_HOME,
        "statements": STATEMENTS,
        "standby": STANDBY,
        "replicas": REPLICAS,
        "slots": SLOTS,
        "transaction_age": TRANSACTION_AGE,
        "archiver": ARCHIVER,
    }
)
"""Everything that is ever sent, by name."""
