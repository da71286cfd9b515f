"""HTTP message heads, and what a proxy may and must do to them. Pure."""
