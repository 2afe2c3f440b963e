"""The pages, a blueprint for each area."""
