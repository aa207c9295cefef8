"""What client-go does: informers, workqueues, limiter, workers, token bucket, requests, events."""
