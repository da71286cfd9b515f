"""Looking names up, for whatever connects: requests, health checks, spans."""
