-- It was kept up with every claim and every end of a task, and read once, when a worker stops.
DROP INDEX task_lease;
