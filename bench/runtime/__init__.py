"""The parts of the runtime benchmark: what is measured, by whom, and the report."""
