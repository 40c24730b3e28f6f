"""Event buses between the journals and the sinks."""
