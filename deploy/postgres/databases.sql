-- The two databases. Run by a superuser at the server's first start, by the
-- container as by `make up`; tables, roles and grants are the migrator's.
SELECT 'CREATE DATABASE accounts'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'accounts') \gexec
SELECT 'CREATE DATABASE orders'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'orders') \gexec
