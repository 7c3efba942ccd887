-- Let the checkpoint say how many events were set aside.
UPDATE projection_checkpoint AS c
SET dead = (SELECT count(*) FROM dead_events AS d WHERE d.partition = c.partition)
WHERE c.partition = $1;
