"""What several suites need: servers started and stopped by fixtures."""
