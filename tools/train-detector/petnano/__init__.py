"""Training of a small animal detector from random initialisation."""
