"""What other settings would have decided about the signals that a user has had: the live decision code on recorded inputs."""
