"""Online answers: the REST face and the scorer that it shares with BentoML's own face."""
