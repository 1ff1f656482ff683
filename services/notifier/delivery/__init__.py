"""From a message to what each target has confirmed."""
