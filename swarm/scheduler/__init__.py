"""Pure decisions: what to ask of whom, when, and who goes upstream. `step(event, now) -> commands`."""
