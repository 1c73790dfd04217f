"""Inspects this machine: models, servers, hardware."""
