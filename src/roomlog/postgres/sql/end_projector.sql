-- End the session of whoever projects partition $2 (it holds this lock): it begins anew, and takes
-- nothing with it of what it remembers.
SELECT pg_terminate_backend(pid)
FROM pg_locks
WHERE
    locktype = 'advisory'
    AND classid = $1::oid
    AND objid = $2::oid
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND pid <> pg_backend_pid();
