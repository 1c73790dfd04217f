"""What this machine has, and whether it is ready: models, servers, hardware."""
