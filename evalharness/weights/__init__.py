"""Locates checkpoint weights and loads them with transformers, for backends and reward models."""
