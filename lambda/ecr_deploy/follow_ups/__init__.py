"""Follow-ups: what else is done once services are updated, or their rollouts have ended."""
