"""Planning a run for the time that a person has: pure functions of measurements."""
