"""The admin server: metrics, health, and questions about decisions, on a port of its own."""
