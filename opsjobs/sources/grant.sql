-- The role with which opsjobs looks at PostgreSQL. Run it once for each server, as a superuser:
--
--     psql --dbname=postgres --file=grant.sql
--     psql --dbname=postgres --command='\password opsjobs'
--
-- It may log in and see what the server says of itself. It owns nothing, and may neither write nor read the tables of
-- others, nor files of the server. Without a password it is let in only by what pg_hba.conf says.

CREATE ROLE opsjobs WITH
    LOGIN
    NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS
    CONNECTION LIMIT 3;

-- Statistics and settings of all, without the rights of a superuser (PostgreSQL 10 and later).
GRANT pg_monitor TO opsjobs;

-- What it asks is short; what it may not do, no session of it needs to try.
ALTER ROLE opsjobs SET default_transaction_read_only = on;
ALTER ROLE opsjobs SET statement_timeout = '30s';
ALTER ROLE opsjobs SET lock_timeout = '2s';
ALTER ROLE opsjobs SET idle_in_transaction_session_timeout = '30s';

-- For the slowest statements, in the database that is asked and with the library preloaded:
--     CREATE EXTENSION pg_stat_statements;
