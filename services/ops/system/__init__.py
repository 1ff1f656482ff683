"""Commands about the installation: its services and streams, the master, the settings, the paper exchange."""
