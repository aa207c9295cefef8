"""Reading what real clusters leave behind: logs, audit logs, metrics."""
