"""What happened: metrics now, and where each record of an exchange goes."""
