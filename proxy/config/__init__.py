"""From one YAML file to what the proxy runs on: read, checked, and compiled to a frozen policy."""
