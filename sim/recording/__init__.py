"""What a replication leaves behind: rows, frames, results folders, logs."""
