"""The parts of the proxy benchmark: processes, probes, measures and the report."""
