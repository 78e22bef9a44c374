"""Training, export and judgement of the project's three networks."""
